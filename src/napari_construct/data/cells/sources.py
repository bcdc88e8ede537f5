"""Where one image of cells and its truth lie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.cells.truth import read_truth
from napari_construct.data.channels.assemble import join_channels
from napari_construct.data.channels.image import ChannelImage
from napari_construct.data.channels.read import read_channels
from napari_construct.data.masks import read_values
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.places import files_in, is_folder
from napari_construct.reading.regular import sha256_of

SPLIT: Final = "connected parts of a mask without numbers are taken for cells; cells that touch are one"


@runtime_checkable
class CellSource(Protocol):
    """One image that can be loaded again and again, also in another process."""

    def load(self) -> CellItem:
        """The image with all of its channels, and its truth; ``InputError`` if it cannot be used."""
        ...

    def digest(self) -> str:
        """SHA-256 over what is loaded."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a dataset, before it is loaded.

    Attributes
    ----------
    name : str
        Unique in the dataset.
    source : CellSource
        Where it lies.
    channels : tuple of str
        Names of all channels.
    mpp : float or None
        Micrometres per pixel.
    has_truth : bool
        Whether cells were drawn.
    group : str
        What must not be split; empty for the image itself.
    """

    name: str
    source: CellSource
    channels: tuple[str, ...]
    mpp: float | None
    has_truth: bool
    group: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a file or folder holds, and what was noticed."""

    entries: tuple[Entry, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileSource:
    """An image file, with or without a file of numbered cells.

    Attributes
    ----------
    image : Path
        Image of channels.
    mask : Path or None
        Cells; see :func:`~napari_construct.data.cells.truth.read_truth`.
    max_pixels : int
        Larger files are refused.
    """

    image: Path
    mask: Path | None
    max_pixels: int

    def load(self) -> CellItem:
        return _with_truth(read_channels(self.image, max_pixels=self.max_pixels), self.mask, self.max_pixels)

    def digest(self) -> str:
        return digest_of(self.image, *([] if self.mask is None else [self.mask]))


@dataclass(frozen=True, slots=True)
class JoinedSource:
    """One image file for each channel, with or without a file of numbered cells.

    Attributes
    ----------
    files : tuple of Path
        Images of one channel each, of one size.
    channels : tuple of str
        Names of the channels.
    mask : Path or None
        Cells; see :func:`~napari_construct.data.cells.truth.read_truth`.
    max_pixels : int
        Larger files are refused.
    """

    files: tuple[Path, ...]
    channels: tuple[str, ...]
    mask: Path | None
    max_pixels: int

    def load(self) -> CellItem:
        images = [read_channels(path, max_pixels=self.max_pixels) for path in self.files]
        return _with_truth(join_channels(images, self.channels), self.mask, self.max_pixels)

    def digest(self) -> str:
        return digest_of(*self.files, *([] if self.mask is None else [self.mask]))


@dataclass(frozen=True, slots=True)
class MergedSource:
    """An image file with one mask file for each cell.

    Attributes
    ----------
    image : Path
        Image of channels.
    masks : tuple of Path
        Of one cell each, which is where the values are not 0. Where masks overlap, the later one counts.
    max_pixels : int
        Larger files are refused.
    """

    image: Path
    masks: tuple[Path, ...]
    max_pixels: int

    def load(self) -> CellItem:
        image = read_channels(self.image, max_pixels=self.max_pixels)
        if not self.masks:
            return CellItem(image)
        truth: NDArray[np.int32] = np.zeros(image.pixels.shape[1:], np.int32)
        overlaps = 0
        for number, path in enumerate(self.masks, start=1):
            values = read_values(path, max_pixels=self.max_pixels)
            check_shape(image, values.shape, path)
            cell = values != 0
            overlaps += int(np.count_nonzero(truth[cell]))
            truth[cell] = number
        name = self.image.name
        notices = (f"{name}: masks of cells overlap in {overlaps} pixel(s); the later counts",)
        return CellItem(_with(image, notices if overlaps else ()), truth)

    def digest(self) -> str:
        return digest_of(self.image, *self.masks)


def check_shape(image: ChannelImage, shape: tuple[int, ...], mask: Path) -> None:
    """Refuse a mask of another size than its image.

    Raises
    ------
    DatasetError
        With both sizes.
    """
    height, width = image.pixels.shape[1:]
    if shape != (height, width):
        raise DatasetError(
            f"{mask}: expected a mask of {height} x {width} pixels as its image {image.path.name} has, got "
            f"{' x '.join(map(str, shape))}; pair images and masks of one size"
        )


def digest_of(*paths: Path) -> str:
    """SHA-256 over the contents of files; of folders (OME-Zarr), over names and contents inside."""
    digest = hashlib.sha256()
    for path in paths:
        for file in _files(path):
            digest.update(file.relative_to(path).as_posix().encode("utf-8", "surrogateescape") + b"\0")
            digest.update(bytes.fromhex(sha256_of(file)))
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if not is_folder(path):
        return [path]
    found: list[Path] = []
    waiting = [path]
    while waiting:
        for inside in files_in(waiting.pop()):
            if is_folder(inside) and not inside.is_symlink():
                waiting.append(inside)
            elif not is_folder(inside):
                found.append(inside)
    if not found:
        raise InputError(f"{path}: expected an image, got an empty folder; check the path")
    return sorted(found)


def _with_truth(image: ChannelImage, mask: Path | None, max_pixels: int) -> CellItem:
    """An image and the cells of a file."""
    if mask is None:
        return CellItem(image)
    truth = read_truth(mask, max_pixels=max_pixels)
    check_shape(image, truth.instances.shape, mask)
    notices = (f"{mask.name}: {SPLIT}",) if truth.split else ()
    return CellItem(_with(image, notices), truth.instances)


def _with(image: ChannelImage, notices: tuple[str, ...]) -> ChannelImage:
    if not notices:
        return image
    return replace(image, notices=image.notices + notices)
