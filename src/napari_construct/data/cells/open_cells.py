"""Any set of images of cells, by what its file or folder looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_construct.data.cells.dsb2018 import is_dsb2018, read_dsb2018
from napari_construct.data.cells.folder import read_folder
from napari_construct.data.cells.listed import ListedCells, listed
from napari_construct.data.cells.sources import Entry, Found
from napari_construct.data.cells.tissuenet import read_tissuenet
from napari_construct.data.images import MAX_PIXELS
from napari_construct.data.labels.folder_names import split_of
from napari_construct.data.listing import is_zarr
from napari_construct.exceptions import ConfigurationError, DatasetError, InputError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.names import folded, named
from napari_construct.reading.places import files_in, is_file, is_folder
from napari_construct.types import PathLike

_NPZ: Final = ".npz"
_WORDS: Final = re.compile(r"[a-z]+")


def open_cells(
    path: PathLike,
    *,
    channels: Sequence[int | str] | None = None,
    mpp: float | None = None,
    labels: str = "whole_cell",
    group_pattern: str | None = None,
    channel_files: Sequence[str] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ListedCells:
    """Open a set of images of cells; images are loaded one at a time when they are asked for.

    Parameters
    ----------
    path : str or path
        An npz file in TissueNet's form; a folder of images of channels, with masks in a folder of their own,
        beside the images, or without masks; a folder in the layout of the Data Science Bowl 2018; or a
        folder of folders (or npz files) ``train`` and ``val`` of one of these. Of those, ``test`` is left
        out: open it by its own path. Each channel may be a file (``image1_DAPI.tif``,
        ``image1_membrane.tif``) or a folder (``DAPI/image1.tif``, ``membrane/image1.tif``) of its own.
    channels : sequence of int or str, optional
        Which channels, by position or name, in which order. By default all, which must then be the same in
        all images.
    mpp : float, optional
        Micrometres per pixel of all images, in place of what the files say.
    labels : {"whole_cell", "nuclear"}
        Which labels of a TissueNet file are the truth.
    group_pattern : str, optional
        Regular expression for what must not be split, as of
        :func:`~napari_construct.data.splits.group_names`. By default each image is its own group, where the
        file does not name tissue and platform.
    channel_files : sequence of str, optional
        Where each channel is a file or a folder: the words or folders that name them, in order. By default
        they are found where they are called by stains, markers or numbers (``DAPI``, ``CD45``, ``ch0``), with
        nuclei first and membranes second. Empty: every file is an image.
    max_pixels : int
        Images with more pixels are refused.

    Returns
    -------
    ListedCells
        A :class:`~napari_construct.data.cells.dataset.CellDataset`.

    Raises
    ------
    DatasetError
        If there are no images, images and masks do not fit each other, or a file of a channel is missing.
    InputError
        If the file cannot be read.
    ConfigurationError
        If no image has the channels, the pattern is wrong, or a channel is named twice.
    """
    root = Path(path)
    _check_names(channel_files)
    if is_file(root) and root.suffix.lower() != _NPZ:
        raise DatasetError(
            f"{root}: expected a folder of images or an npz file, got another file; name the folder it is in"
        )
    if not is_folder(root) and not is_file(root):
        raise DatasetError(
            f"{root}: expected a folder of images or an npz file, found nothing; check the path"
        )
    if is_zarr(root):
        raise DatasetError(
            f"{root}: expected a folder of images, got one OME-Zarr image; name the folder it lies in"
        )
    packed = is_file(root) or bool(_npz_files(root))
    if packed and channel_files:
        raise ConfigurationError(
            f"{root}: expected a folder of images for channel files, got npz files, which hold their "
            "channels; leave the channel files out"
        )
    found = _found(root, labels, max_pixels, channel_files)
    # a compressed file of images would have to be unpacked for a look
    return listed(found, str(root), channels=channels, mpp=mpp, group_pattern=group_pattern, look=not packed)


def stated_split(dataset: ListedCells) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Indices of training and of validation images, where folders or files say them; None otherwise."""
    said = [split_of(name.split("/")[0]) if "/" in name else None for name in dataset.names]
    train, val = (tuple(i for i, split in enumerate(said) if split == which) for which in ("train", "val"))
    return (train, val) if train and val else None


def _check_names(channel_files: Sequence[str] | None) -> None:
    names = [] if channel_files is None else list(channel_files)
    plain = [folded(name).strip() for name in names]
    if isinstance(channel_files, str) or not all(plain) or len(set(plain)) < len(plain) or len(plain) == 1:
        raise ConfigurationError(
            f"channel files: expected names of at least two channels, each once, got "
            f"{quoted(channel_files)}; name them in order, such as DAPI,membrane"
        )


def _found(root: Path, labels: str, max_pixels: int, channel_files: Sequence[str] | None) -> Found:
    if is_file(root):
        return read_tissuenet(root, labels=labels, max_pixels=max_pixels)
    parts: dict[Path, str] = {
        path: split for path in files_in(root) if is_folder(path) and (split := split_of(path.name))
    }
    if not parts:
        files = _npz_files(root)
        if len(files) == 1:
            return read_tissuenet(files[0], labels=labels, max_pixels=max_pixels)
        parts = {path: said for path in files if (said := _split_in(path.stem))}
        if len(files) > len(parts):
            raise DatasetError(
                f"{root}: expected npz files with train, val or test in their names, got "
                f"{named([path.name for path in files])}; name one of them"
            )
    if not parts:
        return _plain(root, max_pixels, channel_files)
    return _splits(root, parts, labels, max_pixels, channel_files)


def _splits(
    root: Path, parts: dict[Path, str], labels: str, max_pixels: int, channel_files: Sequence[str] | None
) -> Found:
    """Training and validation images, named after their part."""
    wanted = [path for path, split in parts.items() if split != "test"] or list(parts)
    entries: list[Entry] = []
    notices: list[str] = []
    seen: set[str] = set()
    for path in wanted:
        part = (
            read_tissuenet(path, labels=labels, max_pixels=max_pixels)
            if is_file(path)
            else _plain(path, max_pixels, channel_files)
        )
        prefix = parts[path] if parts[path] not in seen else path.stem
        seen.add(prefix)
        entries += [replace(entry, name=f"{prefix}/{entry.name}") for entry in part.entries]
        notices += part.notices
    if len(wanted) < len(parts):
        rest = [path.name for path in parts if path not in wanted]
        notices.append(
            f"{root.name}: {named(rest)} is left out, so that it can be a test; open it by its own path"
        )
    return Found(tuple(entries), tuple(notices))


def _plain(root: Path, max_pixels: int, channel_files: Sequence[str] | None) -> Found:
    files = _npz_files(root)
    if files:
        raise InputError(
            f"{root}: expected images, got npz files ({named([path.name for path in files])}); name one"
        )
    if is_dsb2018(root) and not channel_files:
        return read_dsb2018(root, max_pixels=max_pixels)
    return read_folder(root, max_pixels=max_pixels, channel_files=channel_files)


def _npz_files(root: Path) -> list[Path]:
    return [path for path in files_in(root) if path.suffix.lower() == _NPZ and is_file(path)]


def _split_in(stem: str) -> str | None:
    """The split that one word of a file's name says."""
    said = {split for word in _WORDS.findall(stem.casefold()) if (split := split_of(word))}
    return said.pop() if len(said) == 1 else None
