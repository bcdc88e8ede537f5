"""What a batch found over all of its images and slides: areas of the classes, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_construct.batch.entries import Entry
from napari_construct.export.atomic import atomic
from napari_construct.export.own_files import SUMMARY_COLUMNS
from napari_construct.reading.texts.csv import csv_text
from napari_construct.results.areas import PERCENT_OF_TISSUE, tissue_of

SUMMARY_NAME: Final = "batch_summary.csv"

_TISSUE: Final = "all tissue"
_CELLS: Final = "cells"
_WITHOUT: Final = "images_without_pixel_size"


@dataclass(frozen=True, slots=True)
class ClassTotal:
    """A class over all images.

    Attributes
    ----------
    name : str
        Of the class; "all tissue" of the sum.
    images : int
        How many have any of it.
    pixels : int
        Of all masks, whatever their resolution.
    mm2 : float or None
        Over the images whose pixel size is known; None where none is.
    percent_of_tissue : float
        By area over the same images; by pixels where none is known.
    without_size : int
        Images whose pixel size is unknown, and which ``mm2`` and ``percent_of_tissue`` leave out for that.
    cells : int or None
        Their number, of a student on one channel.
    """

    name: str
    images: int
    pixels: int
    mm2: float | None
    percent_of_tissue: float
    cells: int | None = None
    without_size: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; without what is not known."""
        row = {"class": self.name, "images": self.images, "pixels": self.pixels, "mm2": self.mm2}
        row |= {PERCENT_OF_TISSUE: self.percent_of_tissue, _CELLS: self.cells}
        row |= {_WITHOUT: self.without_size or None}
        return {key: value for key, value in row.items() if value is not None}


def totals_of(entries: Sequence[Entry], names: Sequence[str]) -> tuple[ClassTotal, ...]:
    """Sums over the entries that are done: each class, and last all tissue.

    Parameters
    ----------
    entries : sequence of Entry
        Of a ledger.
    names : sequence of str
        Of the classes.
    """
    done = [entry for entry in entries if entry.state == "done" and entry.areas]
    tissue = [_tissue_of(entry) for entry in done]
    squares = [_square_of(entry) for entry in done]
    unknown = sum(square is None and pixels > 0 for square, pixels in zip(squares, tissue, strict=True))
    known = any(square is not None for square in squares)
    weights = [float(square or 0) if known else 1.0 for square in squares]
    whole = sum(pixels * weight for pixels, weight in zip(tissue, weights, strict=True))

    def total(name: str, pixels: list[int], cells: int | None) -> ClassTotal:
        area = sum(count * weight for count, weight in zip(pixels, weights, strict=True))
        share = 100 * area / whole if whole else 0.0
        images = sum(count > 0 for count in pixels)
        return ClassTotal(
            name, images, sum(pixels), area if known else None, share, cells, unknown if known else 0
        )

    found = []
    for name in names:
        rows = [next((a for a in entry.areas if a["class"] == name), {}) for entry in done]
        cells = sum(int(row[_CELLS]) for row in rows if _CELLS in row)
        counted = any(_CELLS in row for row in rows)
        found.append(total(name, [int(row.get("pixels", 0)) for row in rows], cells if counted else None))
    return (*found, total(_TISSUE, tissue, None))


def write_summary(path: Path, totals: Sequence[ClassTotal]) -> None:
    """Write a CSV with a row for each class and one for all tissue; atomically."""
    counted = any(total.cells is not None for total in totals)
    columns = [*SUMMARY_COLUMNS, "mm2", PERCENT_OF_TISSUE, *[_CELLS] * counted, _WITHOUT]
    rows: list[list[Any]] = [columns]
    rows += [[total.to_dict().get(column, "") for column in columns] for total in totals]
    with atomic(path) as temporary:
        temporary.write_text(csv_text(rows), encoding="utf-8")


def in_words(totals: Sequence[ClassTotal]) -> str:
    """E.g. "tumour 12.3 mm2 (34.1 % of the tissue), lymphoid 1.2 mm2 (3.3 %)"."""
    said: list[str] = []
    for total in totals[:-1]:
        area = f"{total.pixels:,} pixels" if total.mm2 is None else f"{total.mm2:.3g} mm2"
        of = " of the tissue" * (not said)
        cells = "" if total.cells is None else f"{total.cells:,} cells, "
        said.append(f"{total.name} {cells}{area} ({total.percent_of_tissue:.1f} %{of})")
    text, unknown = ", ".join(said), totals[-1].without_size if totals else 0
    if not unknown:
        return text
    return f"{text}; {unknown} image{'s' * (unknown > 1)} without pixel size left out"


def _tissue_of(entry: Entry) -> int:
    """Pixels with tissue; of earlier versions what their shares stand for."""
    pixels = [int(area.get("pixels", 0)) for area in entry.areas]
    if entry.tissue_pixels is not None:
        return max(entry.tissue_pixels, sum(pixels))
    shares = [float(area.get(PERCENT_OF_TISSUE, 0)) for area in entry.areas]
    return max(tissue_of(pixels, shares) or 0, sum(pixels))


def _square_of(entry: Entry) -> float | None:
    """Square millimetres of a pixel of the mask."""
    if entry.mm2_per_pixel is not None:
        return entry.mm2_per_pixel
    known = (area for area in entry.areas if area.get("pixels") and "mm2" in area)
    return next((float(area["mm2"]) / float(area["pixels"]) for area in known), None)
