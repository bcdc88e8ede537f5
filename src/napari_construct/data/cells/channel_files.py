"""Sets in which each channel is a file of its own: which files are the channels of one image.

The rule: names of the files of one image differ in the channel alone (``image1_DAPI.tif`` and
``image1_membrane.tif``), or files of one name lie in folders that are called like channels
(``DAPI/image1.tif`` and ``membrane/image1.tif``). What a channel is called is known for stains, markers
and numbered channels (:func:`~napari_construct.data.channels.file_names.named_channel`), or is said. Every
image must have all channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_construct.data.cells.pictures import Picture, masked_name, stem_of
from napari_construct.data.channels.file_names import NamedChannel, in_order, named_channel
from napari_construct.data.channels.read import read_channel_header
from napari_construct.data.labels.folder_names import kind_of
from napari_construct.data.listing import is_zarr, list_images
from napari_construct.events import Doubt
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.names import named, normal, shown
from napari_construct.reading.places import files_in, is_folder

_Files = dict[str, Path]
"""Of one image, by channel."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Images whose channels are files.

    Attributes
    ----------
    pictures : tuple of Picture
        Sorted by name.
    notices : tuple of str
        What was joined, and what was left out.
    """

    pictures: tuple[Picture, ...]
    notices: tuple[str, ...]


def join_files(
    folder: Path, paths: Sequence[Path], words: Sequence[str] | None, *, max_pixels: int
) -> Joined | None:
    """Images whose channels are files of one folder; None where each file is an image.

    Parameters
    ----------
    folder : Path
        The folder.
    paths : sequence of Path
        Its images.
    words : sequence of str, optional
        What the channels are called, in their order. By default they are found, where at least one image has
        several, each with one channel inside.
    max_pixels : int
        Larger images are refused.

    Raises
    ------
    DatasetError
        If a file is missing, there are two for one channel, or none for one of the words.
    """
    found = {path: one for path in paths if (one := named_channel(stem_of(path), words)) is not None}
    if words is None:
        found = {path: one for path, one in found.items() if masked_name(stem_of(path)) is None}
        if not _several(found):  # before anything is opened
            return None
        found = {path: one for path, one in found.items() if _is_single(path, max_pixels)}
        if not _several(found):
            return None
    elif not found:
        return None
    channels = _channels([one.word for one in found.values()], words, folder)
    images: dict[tuple[str, str], _Files] = {}
    for path, one in found.items():
        _put(images.setdefault(one.key, {}), one.channel, path)
    _check_complete(folder, images, channels, lambda path, word: _renamed(path, found[path], word), words)
    pictures = [
        Picture(
            found[next(iter(files.values()))].image or normal(folder.name),
            tuple(files[word.casefold()] for word in channels),
            channels,
        )
        for files in images.values()
    ]
    rest = [path.name for path in paths if path not in found and masked_name(stem_of(path)) is None]
    return _joined(folder, pictures, channels, "file", rest, said=words is not None)


def join_folders(root: Path, words: Sequence[str] | None) -> Joined | None:
    """Images whose channels lie in folders; None where there are no such folders. As :func:`join_files`."""
    inside = [path for path in files_in(root) if _may_hold_images(path)]
    found = {path: one for path in inside if (one := _channel_of(path, words)) is not None}
    if not found or (words is None and len(found) < 2):
        return None
    channels = _channels([path.name for path in found], words, root)
    images: dict[str, _Files] = {}
    own: dict[Path, NamedChannel] = {}
    for folder, one in found.items():
        for path in list_images(folder):
            stem = stem_of(path)
            name = named_channel(stem, (one.word,))
            if name is not None and name.image:  # DAPI/image1_DAPI.tif
                own[path] = name
                stem = name.image
            _put(images.setdefault(stem, {}), normal(folder.name).casefold(), path)

    def expected(path: Path, word: str) -> str:
        other = next((folder for folder in found if normal(folder.name).casefold() == word.casefold()), None)
        name = path.name
        if path in own and other is not None:
            name = _renamed(path, own[path], found[other].word)
        return f"{word if other is None else other.name}/{name}"

    if not images:
        raise DatasetError(
            f"{shown(root)}: expected images in the folders {named(channels)}, found none; check the folders"
        )
    _check_complete(root, images, channels, expected, words)
    pictures = [
        Picture(name, tuple(files[word.casefold()] for word in channels), channels)
        for name, files in images.items()
    ]
    rest = [path.name for path in inside if path not in found]
    return _joined(root, pictures, channels, "folder", rest, said=words is not None)


def _may_hold_images(path: Path) -> bool:
    return is_folder(path) and not is_zarr(path) and kind_of(path.name) not in ("masks", "split", "system")


def _channel_of(folder: Path, words: Sequence[str] | None) -> NamedChannel | None:
    """The channel that a folder holds."""
    name = normal(folder.name)
    if words is not None:
        said = {normal(word).casefold() for word in words}
        return NamedChannel("", name, "") if name.casefold() in said else None
    return named_channel(name) if list_images(folder) else None


def _several(found: Mapping[Path, NamedChannel]) -> bool:
    """Whether at least one image has several channels."""
    images: dict[tuple[str, str], set[str]] = {}
    for one in found.values():
        images.setdefault(one.key, set()).add(one.channel)
    return any(len(channels) > 1 for channels in images.values())


def _is_single(path: Path, max_pixels: int) -> bool:
    try:
        return read_channel_header(path, max_pixels=max_pixels).channels == 1
    except InputError:
        return True  # what is wrong with it is said where it is read


def _channels(found: Sequence[str], words: Sequence[str] | None, where: Path) -> tuple[str, ...]:
    """Names of the channels in their order."""
    known = {word.casefold(): word for word in reversed(found)}
    if words is None:
        return in_order(tuple(known.values()))
    said = tuple(map(normal, words))
    if lacking := [word for word in said if word.casefold() not in known]:
        raise DatasetError(
            f"{shown(where)}: expected files or folders of the channels {named(said, 8)}, found none of "
            f"{named(lacking, 8)}; correct the names (--channel-files)"
        )
    return said


def _put(files: _Files, channel: str, path: Path) -> None:
    if channel in files:
        raise DatasetError(
            f"{shown(path.parent)}: expected one file for a channel of an image, got "
            f"{named([files[channel].name, path.name])}; remove one of them"
        )
    files[channel] = path


def _check_complete(
    where: Path,
    images: Mapping[Any, _Files],
    channels: Sequence[str],
    expected: Callable[[Path, str], str],
    words: Sequence[str] | None,
) -> None:
    """Refuse a set in which an image lacks a channel; the message names the file."""
    lacking = [
        (expected(next(iter(files.values())), word), next(iter(files.values())))
        for files in images.values()
        for word in channels
        if word.casefold() not in files
    ]
    if not lacking:
        return
    missing, beside = lacking[0]
    more = f" ({len(lacking) - 1} more are missing)" if len(lacking) > 1 else ""
    common = [word for word in channels if all(word.casefold() in files for files in images.values())]
    ways = [f"name the channels that all images have (--channel-files {','.join(common)})"] if common else []
    ways += ["open each file as an image of its own (--channel-files none)"] if words is None else []
    raise DatasetError(
        f"{shown(where)}: expected {shown(missing)} as another channel of {shown(beside.name)}, found none"
        f"{more}; add it, remove the other files of this image{''.join(f', or {way}' for way in ways)}"
    )


def _renamed(path: Path, one: NamedChannel, word: str) -> str:
    """The name that the file of another channel has."""
    return one.named(word) + normal(path.name)[len(stem_of(path)) :]


def _joined(
    where: Path,
    pictures: Sequence[Picture],
    channels: Sequence[str],
    kind: str,
    rest: Sequence[str],
    *,
    said: bool,
) -> Joined:
    count = len(pictures)
    notices = [f"{shown(where)}: the channels {named(channels, 8)} are {kind}s; {count} image(s) are joined"]
    if rest:
        more = "" if said else "; where these are channels too, name all of them in order (--channel-files)"
        notices.append(Doubt(f"{len(rest)} {kind}(s) of no channel are left out ({named(rest)}){more}"))
    return Joined(tuple(sorted(pictures, key=lambda picture: picture.name)), tuple(notices))
