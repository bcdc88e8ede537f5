"""Datasets in the form of TissueNet: one npz file of nuclear and membrane channels and two kinds of labels.

Source: Greenwald et al. 2022 (Mesmer), datasets.deepcell.org. ``X`` (n, h, w, 2) holds a nuclear and a
membrane channel, ``y`` (n, h, w, 2) whole cells and nuclei; images of 512 pixels for training, of 256 for
validation and test.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.cells.sources import Entry, Found
from napari_construct.data.cells.truth import instances_of
from napari_construct.data.channels.assemble import channel_image
from napari_construct.data.limits import check_size
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.reading.foreign import harmless, quoted
from napari_construct.reading.npz.archive import NpzArray, NpzFile

Labels: TypeAlias = Literal["whole_cell", "nuclear"]
"""Which labels are the truth."""

CHANNELS: Final = ("nuclear", "membrane")
TARGETS: Final[tuple[Labels, ...]] = ("whole_cell", "nuclear")
_GROUPS: Final = ("group", "groups", "tissue_list", "tissue", "tissues", "platform_list", "platform")
_LONGEST_LIST: Final = 2**26
_MOST_IMAGES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class RowSource:
    """One image of the file.

    Attributes
    ----------
    file : NpzFile
        Shared by all images.
    x, y : NpzArray
        Images and labels; no labels without truth.
    index, target : int
        Which image, and which of the labels.
    """

    file: NpzFile
    x: NpzArray
    y: NpzArray | None
    index: int
    target: int

    def load(self) -> CellItem:
        name = f"{self.file.path} image {self.index}"
        pixels = np.moveaxis(self.x.row(self.index), -1, 0)
        image = channel_image(pixels, CHANNELS[: len(pixels)], name=name, path=self.file.path)
        if self.y is None:
            return CellItem(image)
        # numbers of cells, even where there is one cell only: no mask of all cells is looked for
        labels = self.y.row(self.index)[..., self.target]
        return CellItem(image, instances_of(labels, name, numbered=True).instances)

    def digest(self) -> str:
        key = f"{self.file.digest()} {self.index} {self.target}"
        return hashlib.sha256(key.encode()).hexdigest()


def read_tissuenet(path: Path, *, labels: str = "whole_cell", max_pixels: int) -> Found:
    """Images of a TissueNet file; sizes are checked, nothing is loaded yet.

    Parameters
    ----------
    path : Path
        The npz file.
    labels : {"whole_cell", "nuclear"}
        Which of the two labels is the truth.
    max_pixels : int
        Larger images are refused.

    Raises
    ------
    InputError
        If the file is damaged, or an array holds Python objects.
    DatasetError
        If arrays are missing or do not fit each other.
    ConfigurationError
        If there are no such labels.
    """
    if labels not in TARGETS:
        raise ConfigurationError(f"expected labels {' or '.join(TARGETS)}, got {quoted(labels)}; choose one")
    file = NpzFile(path)
    x = file.array("X")
    _check_images(path, x, max_pixels)
    y = file.array("y") if "y" in file else None
    target = TARGETS.index(labels)
    if y is not None:
        _check_labels(path, x, y, labels)
        target = min(target, y.shape[3] - 1)
    count = x.shape[0]
    groups, notices = _groups(file, count)
    if y is None:
        notices += (f"{path.name}: it has no labels (y); its images are without truth",)
    width = len(str(count - 1))
    entries = (
        Entry(
            f"{i:0{width}d}",
            RowSource(file, x, y, i, target),
            CHANNELS[: x.shape[3]],
            None,
            y is not None,
            groups[i] if groups else "",
        )
        for i in range(count)
    )
    return Found(tuple(entries), notices)


def _check_images(path: Path, x: NpzArray, max_pixels: int) -> None:
    shape = x.shape
    if len(shape) != 4 or shape[3] not in (1, 2) or not 1 <= shape[0] <= _MOST_IMAGES:
        raise DatasetError(
            f"{path}: expected X of shape (n, h, w, 2) with a nuclear and a membrane channel, got {shape}; "
            "save the images with channels last (numpy.moveaxis)"
        )
    if x.dtype.kind not in "uif":
        raise DatasetError(f"{path}: expected X of numbers, got {x.dtype}; save it as float32")
    check_size(f"{path} (X)", shape[1], shape[2], max_pixels)


def _check_labels(path: Path, x: NpzArray, y: NpzArray, labels: str) -> None:
    if len(y.shape) != 4 or y.shape[:3] != x.shape[:3] or y.shape[3] not in (1, 2):
        raise DatasetError(
            f"{path}: expected y of shape {(*x.shape[:3], 2)} as X has, got {y.shape}; save the labels of "
            "the same images"
        )
    if y.shape[3] == 1 and labels != TARGETS[0]:
        raise ConfigurationError(
            f"{path}: expected two kinds of labels for {labels}, got one (y of shape {y.shape}); choose "
            f"{TARGETS[0]}"
        )


def _groups(file: NpzFile, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tissue and platform of each image, where the file says them, and notices."""
    parts = []
    for name in _GROUPS:
        if name not in file:
            continue
        array = file.array(name)
        if array.shape == (count,) and array.dtype.kind in "Uiu":
            parts.append([harmless(str(value)) for value in array.whole(_LONGEST_LIST)])
    if parts:
        return tuple("/".join(values) for values in zip(*parts, strict=True)), ()
    lost = " (meta holds Python objects, which are never loaded)" if "meta" in file else ""
    said = f"{file.path.name}: it names no tissue or patient{lost}; each image is a group of its own"
    return (), (said,)
