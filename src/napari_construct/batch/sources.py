"""Images of a batch: files, planes of stacks, arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from napari_construct.batch.fingerprints import array_fingerprint, path_fingerprint
from napari_construct.batch.own_results import OwnResults
from napari_construct.batch.stems import Distinct, distinct_stems
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.read import count_channel_planes, read_channels
from napari_construct.data.format_names import INPUT_FORMATS
from napari_construct.data.images import ImageFile, read_image
from napari_construct.data.listing import IMAGE_SUFFIXES, Listing, Reason, is_zarr, list_folder
from napari_construct.data.stacks import count_planes, read_plane
from napari_construct.events import Notice, Result, Steps
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.reading.names import found_as, is_shortened, named, normal, shown
from napari_construct.reading.places import is_folder, mode_of


@dataclass(frozen=True, slots=True)
class Source:
    """One image of a batch.

    Attributes
    ----------
    key : str
        Name in the ledger; unique in the batch and equal in every run.
    stem : str
        Relative path of its results without suffix, with forward slashes.
    read : callable
        Reads an ImageFile, or a ChannelImage for a student, when the batch reaches the image. May raise any
        ``ConstructError``.
    fingerprint : callable
        Changes when the image or its pixel size changes.
    stack : str
        Stem of the stack that holds this plane; empty for a single image.
    plane, planes : int
        Number of this plane; number of planes.
    path : Path or None
        The file or folder that is read; None of an array.
    slide : bool
        Whether it is a slide: ``read`` then opens it, and it is segmented out of core.
    """

    key: str
    stem: str
    read: Callable[[], Any]
    fingerprint: Callable[[], str]
    stack: str = ""
    plane: int = 0
    planes: int = 1
    path: Path | None = None
    slide: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Images of files and folders, and sentences on what was left out."""

    sources: tuple[Source, ...]
    notices: tuple[str, ...] = ()


def find_sources(paths: Iterable[Path], *, recursive: bool = True) -> tuple[Source, ...]:
    """The images of :func:`look_for_sources`."""
    return look_for_sources(paths, recursive=recursive).sources


def look_for_sources(
    paths: Iterable[Path], *, recursive: bool = True, output: Path | None = None, channels: bool = False
) -> Found:
    """Images of files and folders; a TIFF stack gives one source per plane.

    Of a folder, files with the suffix of an image and OME-Zarr images are taken; results of napari-construct
    are not: what it marked as its own, what a record beside it or a ledger names, and the folder for results.
    A file that is named is taken whatever it is; of several that are named at once, as a shell does for
    ``*.png``, results are left out beside images (:func:`without_results`). One that cannot be read stays in
    the list, as a link that leads nowhere; it fails when it is read, and the ledger names it.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders.
    recursive : bool
        Whether to read sub-folders; results keep their structure.
    output : Path, optional
        Folder for the results. Where it lies inside a folder, it is left out.
    channels : bool
        Whether images are read as channels of fluorescence, for a student, and not as RGB.

    Returns
    -------
    Found
        The images, and what was left out.

    Raises
    ------
    ConfigurationError
        If there is no image.
    """
    found: dict[Path, str] = {}
    notices: list[str] = []
    twice: list[str] = []
    given, said = without_results([found_as(str(path)) for path in paths])
    notices += said
    for path in given:
        if is_folder(path) and not is_zarr(path):
            listing = list_folder(path, recursive=recursive, is_result=OwnResults(), output=output)
            broken = [p for p in listing.because(Reason.BROKEN) if p.suffix.lower() in IMAGE_SUFFIXES]
            for file in (*listing.images, *broken):
                name, real = file.relative_to(path).as_posix(), _real(file)
                if found.setdefault(real, name) != name:
                    twice.append(name)
            notices += _sentences(listing, recursive)
        else:
            found.setdefault(_real(path), path.name)
    if twice:
        what = "image(s) are linked to, or given, more than once; each is read once"
        notices.append(f"{len(twice)} {what} ({named(twice)})")
    if not found:
        raise ConfigurationError(
            f"expected at least one image ({INPUT_FORMATS}) in what was given, got none; "
            + "; ".join([*notices, "check the paths"])
        )
    stems = distinct_stems(list(found.values()))
    sources = tuple(_sources(list(found), stems, _CHANNELS if channels else _COLOURS))
    return Found(sources, (*notices, *_shortened(found.values(), stems)))


def without_results(paths: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """What to read of files and folders that were named, and a sentence about results among them.

    Results of napari-construct are left out where other files or folders are named too: nobody who types
    ``*.png`` means them. Alone they are read.
    """
    is_result = OwnResults()
    results = [path for path in paths if is_result(path)]
    if not results:
        return list(paths), ()
    names = named([shown(path) for path in results])
    others = [path for path in paths if path not in results]
    if not others:
        what = "file(s) made by napari-construct itself are read because they are named"
        return list(paths), (f"{len(results)} {what} ({names})",)
    said = f"{len(results)} {Reason.RESULT} ({names}); to have them read, name them without others"
    return others, (said,)


def announced(notices: Iterable[str], steps: Steps[Result]) -> Steps[Result]:
    """The same job, with notices first."""
    for text in notices:
        yield Notice("looking for images", 1, 1, text)
    return (yield from steps)


def _sentences(listing: Listing, recursive: bool) -> tuple[str, ...]:
    silent = {Reason.SYSTEM} if recursive else {Reason.SYSTEM, Reason.FOLDER}  # those were not asked for
    return listing.sentences(*(reason for reason in Reason if reason not in silent))


def _shortened(names: Iterable[str], stems: Sequence[str]) -> tuple[str, ...]:
    long = [stem for name, stem in zip(names, stems, strict=True) if is_shortened(name)]
    if not long:
        return ()
    what = "image(s) have names so long that those of their results are shortened"
    return (f"{len(long)} {what} ({named(long)})",)


def _real(path: Path) -> Path:
    """The file itself behind links; a link that leads nowhere stays what it is."""
    real = Path(os.path.realpath(path))
    return real if mode_of(real) else Path(os.path.realpath(path.parent), path.name)


class _Reading(NamedTuple):
    """How files are read: the number of planes, an image, and a plane of a stack."""

    count: Callable[[Path], int]
    image: Callable[[Path], ImageFile | ChannelImage]
    plane: Callable[[Path, int], ImageFile | ChannelImage]


_COLOURS: Final = _Reading(count_planes, read_image, read_plane)
_CHANNELS: Final = _Reading(
    count_channel_planes, read_channels, lambda path, plane: read_channels(path, plane=plane)
)


def _sources(files: Sequence[Path], stems: Sequence[str], reading: _Reading) -> Iterator[Source]:
    """A source for each file, and for each plane of a stack."""
    keys, names = Distinct(), Distinct()
    planes = [_count(file, reading) for file in files]
    for stem, count in zip(stems, planes, strict=True):
        if count == 1:
            names.add(stem)
    for file, stem, count in zip(files, stems, planes, strict=True):
        key = keys.add(normal(shown(file)))
        if count == 1:
            yield Source(key, stem, partial(reading.image, file), partial(path_fingerprint, file), path=file)
        else:
            yield from _planes(file, key, names.add(stem, partial(_of_stack, count)), count, reading)


def _count(file: Path, reading: _Reading) -> int:
    try:
        return reading.count(file)
    except (ConstructError, OSError):
        return 1  # reading it will say why


def _of_stack(count: int, stem: str) -> list[str]:
    """Names of the planes' results, and of the joined mask."""
    return [stem, *(f"{stem}_p{i:0{len(str(count))}d}" for i in range(1, count + 1))]


def _planes(file: Path, key: str, stem: str, count: int, reading: _Reading) -> Iterator[Source]:
    for i, name in enumerate(_of_stack(count, stem)[1:]):
        yield Source(
            key=f"{key}#{i}",
            stem=name,
            read=partial(reading.plane, file, i),
            fingerprint=partial(path_fingerprint, file),
            stack=stem,
            plane=i,
            planes=count,
            path=file,
        )


def array_source(
    name: str, read: Callable[[], ImageFile | ChannelImage], *, stem: str, plane: int = 0, planes: int = 1
) -> Source:
    """An image in memory, such as a plane of a napari layer, known by its pixels and their size."""

    def fingerprint() -> str:
        return array_fingerprint(read())

    many = planes > 1
    return Source(
        key=f"{name}#{plane}" if many else name,
        stem=f"{stem}_p{plane + 1:0{len(str(planes))}d}" if many else stem,
        read=read,
        fingerprint=fingerprint,
        stack=stem if many else "",
        plane=plane,
        planes=planes,
    )
