"""What all results of a segmentation share: a mask with its classes, and what is measured on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import ClassTable
from napari_construct.data.inputs import ImageInput, as_image
from napari_construct.exceptions import ConfigurationError
from napari_construct.export.overlay import overlay
from napari_construct.refinement.instances import instance_table, stack_table
from napari_construct.results.areas import (
    class_areas,
    class_components,
    class_pixels,
    share_of,
)
from napari_construct.results.files import CELL_KINDS, KINDS, NEEDS_IMAGE, write_result
from napari_construct.results.notebook import as_html
from napari_construct.results.out_of_distribution import OutOfDistribution
from napari_construct.types import FloatArray, LabelImage, PathLike, RGBImage


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Segmentation(ABC):
    """A mask with its classes and measurements; the base of new and stored results.

    Attributes
    ----------
    labels : ndarray
        (h, w) uint8; 0 background or unlabelled, ``i + 1`` class ``i`` of ``classes``.
    classes : ClassTable
        Names, colours, order.
    cams : ndarray or None
        (k, h, w) float32 in [0, 1]: each class's own activation, independent of the others.
    presence : tuple of bool
        Per class, whether it is present.
    presence_scores : tuple of float
        Per class, the image-level probability.
    mpp : float or None
        Micrometres per pixel of the image; None if unknown.
    record : mapping
        Versions, encoder and checkpoint hashes, settings, device, input identity, times.
    instances : ndarray or None
        (h, w) int32: 0 is background, cells have numbers of their own; (planes, h, w) of a stack. None of
        results without cells.
    boundary : ndarray or None
        (h, w) float32 in [0, 1]: probability that a pixel lies on the border of a cell. None of results
        without cells, and of stored ones where it was not written.
    """

    labels: LabelImage
    classes: ClassTable
    cams: FloatArray | None
    presence: tuple[bool, ...]
    presence_scores: tuple[float, ...]
    mpp: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    instances: NDArray[np.int32] | None = None
    boundary: FloatArray | None = None

    @property
    @abstractmethod
    def tissue_pixels(self) -> int | None:
        """Number of tissue pixels; ``areas`` gives shares of it."""

    @property
    def out_of_distribution(self) -> OutOfDistribution | None:
        """How far the image is from the training patches; None of models without a guard."""
        return OutOfDistribution.of_record(self.record)

    @property
    def name(self) -> str:
        """Name of this result's files: the image's name without suffix."""
        known = self.record.get("input", {})
        return PurePath(str(known.get("name") or "result")).stem.removesuffix(".ome") or "result"

    def areas(self) -> list[dict[str, Any]]:
        """Area of each class: pixels, ``percent_of_tissue``, and mm2 if ``mpp`` is known.

        Tissue is everything but background; unlabelled pixels belong to it. A stored mask without a record of
        its tissue gives ``percent_of_labelled`` instead.
        """
        counts = class_pixels(self.labels, len(self.classes))
        square = None if self.mpp is None else self.mpp**2
        return class_areas(self.classes.names, counts, self.tissue_pixels, square)

    def components(self) -> list[int]:
        """Number of connected components of each class; pixels that touch at a corner are connected.

        Of a result with numbered cells, their number.
        """
        if self.instances is not None:
            return [int(np.count_nonzero(np.unique(self.instances)))]
        planes = self.labels.reshape(-1, *self.labels.shape[-2:])
        found: list[int] = sum(class_components(plane, len(self.classes)) for plane in planes).tolist()  # type: ignore[union-attr]
        return found

    def measures(self) -> list[dict[str, Any]]:
        """:meth:`areas`, with the number of ``components`` of each class."""
        return [
            row | {"components": count} for row, count in zip(self.areas(), self.components(), strict=True)
        ]

    def table(self) -> list[dict[str, Any]]:
        """One row per class, for ``pandas.DataFrame``: its label, measures and presence.

        ``label`` is the value in ``labels``; ``percent_of_tissue`` is the class's share.
        """
        columns: dict[str, Sequence[Any] | None] = {
            "mean confidence": self.mean_confidences(),
            "present": self.presence,
            "presence score": self.presence_scores,
        }
        rows = [{"label": i, **row} for i, row in enumerate(self.measures(), start=1)]
        for name, column in columns.items():
            for row, value in zip(rows, column or (), strict=False):
                row[name] = value
        return rows

    def cells(self) -> dict[str, NDArray[Any]]:
        """One row per cell, for ``pandas.DataFrame``: number, area, centroid and, with CAMs, confidence.

        Columns as of :func:`~napari_construct.refinement.instances.instance_table`, or of ``stack_table``.

        Raises
        ------
        ConfigurationError
            If this is a result without cells.
        """
        if self.instances is None:
            raise ConfigurationError(
                "expected a result with numbered cells, got one of classes; areas() measures classes"
            )
        shape = self.instances.shape
        confidence = np.full(shape, np.nan, np.float32) if self.cams is None else self.cams[0]
        table = instance_table if self.instances.ndim == 2 else stack_table
        return table(self.instances, confidence, self.mpp)

    def mean_confidences(self) -> list[float] | None:
        """Per class, the mean of ``confidence``, NaN for an absent class; None where it is not known."""
        return None

    def overlay(self, image: ImageInput, opacity: float = 0.5) -> RGBImage:
        """The classes' colours over the image.

        Parameters
        ----------
        image : path or array
            The image that was segmented.
        opacity : float
            0 shows the image alone, 1 the colours alone.

        Returns
        -------
        ndarray
            (h, w, 3) uint8 RGB.

        Raises
        ------
        InputError
            If the image cannot be read, or is not of the size of the mask.
        """
        return overlay(as_image(image).pixels, self.labels, self.classes, opacity)

    def save(
        self,
        folder: PathLike,
        name: str | None = None,
        *,
        image: ImageInput | None = None,
        kinds: Sequence[str] | None = None,
        overwrite: bool = False,
    ) -> dict[str, Path]:
        """Write the files of this result, which :func:`~napari_construct.load_result` reads again.

        Parameters
        ----------
        folder : path
            Made if it is missing.
        name : str, optional
            Start of the file names; :attr:`name` otherwise.
        image : path or array, optional
            The image that was segmented; "overlay" and "zarr" show it.
        kinds : sequence of str, optional
            Of "mask" (TIFF), "cams" (OME-TIFF), "overlay" (PNG), "zarr" (OME-Zarr), "ood" (OME-TIFF of the
            distances from the training patches), "cells" (TIFF of their numbers), "table" (CSV, a row per
            cell) and "boundary" (OME-TIFF; with it and the CAMs, cells can be decided again); a JSON record
            is always written. By default mask, CAMs and, with an image, overlay; of cells mask, CAMs, cells
            and table.
        overwrite : bool
            Also replace files that napari-construct did not make. Its own earlier results are always
            replaced.

        Returns
        -------
        dict of str to Path
            By kind.

        Raises
        ------
        ConfigurationError
            If a kind is unknown or not available for this result, or a file that napari-construct did not
            make would be replaced.
        ConstructError
            If the folder cannot be written.
        """
        if kinds is None:
            known = KINDS if self.instances is None else CELL_KINDS
            kinds = [kind for kind in known if image is not None or kind not in NEEDS_IMAGE]
            kinds = [kind for kind in kinds if kind != "cams" or self.cams is not None]
        pixels = None if image is None else as_image(image).pixels
        return write_result(Path(folder), name or self.name, pixels, self, kinds=kinds, overwrite=overwrite)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.labels.shape))
        scale = "" if self.mpp is None else f", {self.mpp:g} um/px"
        shares = ", ".join(f"{row['class']} {share_of(row):.1f} %" for row in self.areas())
        return f"{type(self).__name__}({size} px{scale}: {shares})"

    def _repr_html_(self) -> str:
        """A thumbnail of the mask with its legend, for notebooks."""
        rows = self.areas()
        return as_html(self.labels, self.classes, rows, [share_of(row) for row in rows], repr(self))
