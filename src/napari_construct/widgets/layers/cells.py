"""Numbered cells as a labels layer with their table, and what they were decided from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_construct.inference.cells.settings import CellSettings
from napari_construct.results.result import StoredResult
from napari_construct.results.segmentation import Segmentation
from napari_construct.widgets.layers.colours import class_colormap
from napari_construct.widgets.layers.features import Features
from napari_construct.widgets.layers.origin import CLASS_MAP, mark, origin_of
from napari_construct.widgets.layers.place import CELLS, METADATA_KEY, twin_placement
from napari_construct.widgets.layers.plane import Plane

if TYPE_CHECKING:  # this loads torch
    from napari_construct.inference.cells.evidence import CellEvidence

_KEPT: Final = "cells decided from"
_OPENED: Final = "cells opened with their maps"
_MAPS: Final = {"foreground": "#009E73", "boundary": "#D55E00"}
"""Maps of the network and their colours."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptCells:
    """What the cells of a layer were decided from; other thresholds can be tried without the network.

    Attributes
    ----------
    evidence : tuple of CellEvidence
        Of each finished plane.
    settings : CellSettings
        Of the run.
    planes : tuple of Plane
        All that were asked for.
    axis : int or None
        Along which they lie.
    model : str
        As records and scripts name it.
    said : tuple
        What was noticed of each plane.
    """

    evidence: tuple[CellEvidence, ...]
    settings: CellSettings
    planes: tuple[Plane, ...]
    axis: int | None
    model: str
    said: tuple[tuple[str, ...], ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> KeptCells:
        return self


@dataclass(frozen=True, slots=True, eq=False)
class OpenedCells:
    """Cells of a file with their maps: they can be decided again once image and model are known."""

    result: StoredResult

    def __deepcopy__(self, memo: dict[int, Any]) -> OpenedCells:
        return self


def keep_opened(layer: Labels, result: StoredResult) -> None:
    """Attach the result that a layer of cells was opened from, where it holds its maps."""
    if result.cams is not None and result.boundary is not None and result.boundary.ndim == 2:
        layer.metadata[METADATA_KEY][_OPENED] = OpenedCells(result)


def opened_cells(layer: Any) -> StoredResult | None:
    """The result with its maps that a layer of cells was opened from; None of others."""
    found = layer.metadata.get(METADATA_KEY, {}).get(_OPENED) if isinstance(layer, Labels) else None
    return found.result if isinstance(found, OpenedCells) else None


def keep_cells(layer: Labels, kept: KeptCells) -> None:
    """Attach what its cells were decided from to a layer."""
    layer.metadata[METADATA_KEY][_KEPT] = kept


def kept_cells(layer: Any) -> KeptCells | None:
    """What the cells of a layer were decided from; None for other layers and those of files."""
    return None if layer is None else layer.metadata.get(METADATA_KEY, {}).get(_KEPT)


def cell_features(result: Segmentation) -> dict[str, list[Any]]:
    """Columns of the layer's table, a row for each cell: index (its number), areas, place, confidence.

    Numbers have six significant digits, as in the stored table.
    """
    table = result.cells()
    return {"index" if name == "label" else name: _rounded(column) for name, column in table.items()}


def _rounded(column: NDArray[Any]) -> list[Any]:
    if column.dtype.kind != "f":
        return column.tolist()  # type: ignore[no-any-return]
    return [float(f"{value:.6g}") for value in column.tolist()]


def cells_layer(
    cells: NDArray[Any], source: str, *, features: Features, record: Mapping[str, Any], **placement: Any
) -> Labels:
    """Numbered cells, 0 is background, in napari's colours of labels.

    Call it in the worker's thread. Parameters as of :func:`~.results.labels_layer`.
    """
    return Labels(
        cells,
        name=f"{source} cells",
        metadata={METADATA_KEY: {"kind": CELLS, "record": dict(record)}},
        features=features,
        opacity=0.6,
        **placement,
    )


def found_layer(
    results: Sequence[Segmentation], planes: Sequence[Plane], axis: int | None, source: str
) -> Labels:
    """The cells of one plane, or of the planes of a stack, where no two have one number.

    Fewer results than planes belong to the first planes; the others stay empty.
    """
    first = planes[0]
    if axis is None:
        (result,) = results
        return cells_layer(
            first.embed(_numbers(result)),
            source,
            features=cell_features(result),
            record=result.record,
            **first.placement,
        )
    arrays, features = stacked_cells(results)
    arrays += [np.zeros_like(arrays[0])] * (len(planes) - len(arrays))
    joined = [plane.embed(array) for plane, array in zip(planes, arrays, strict=True)]
    return cells_layer(
        np.concatenate(joined, axis=axis - first.dropped),
        source,
        features=features,
        record={"planes": [dict(result.record) for result in results]},
        **first.placement,
    )


def stacked_cells(
    results: Sequence[Segmentation | None],
) -> tuple[list[NDArray[np.int32]], dict[str, list[Any]]]:
    """The cells of planes, where no two have one number, and their table; None is a plane without a result.

    Leading planes without a result have no array.
    """
    arrays: list[NDArray[np.int32]] = []
    tables, before = [], 0
    for i, result in enumerate(results):
        if result is None:
            arrays += [np.zeros_like(arrays[0])] if arrays else []
            continue
        numbers = _numbers(result)
        arrays.append(np.where(numbers > 0, numbers + np.int32(before), np.int32(0)))
        table = cell_features(result)
        table["index"] = [label + before for label in table["index"]]
        tables.append(_before(table, "centroid_y", {"plane": [i + 1] * len(table["index"])}))
        before += int(numbers.max(initial=0))
    return arrays, {name: [row for table in tables for row in table[name]] for name in tables[0]}


def cell_map_layers(layer: Labels) -> list[Image]:
    """Foreground and boundary of the cells of this session, where they lie."""
    kept, origin = kept_cells(layer), origin_of(layer)
    if kept is None:
        return []
    source = kept.planes[0].name
    made = []
    for name in _MAPS:
        maps = [getattr(one.maps, name) for one in kept.evidence]
        maps += [np.zeros_like(maps[0])] * (len(kept.planes) - len(maps))
        embedded = [plane.embed(one) for plane, one in zip(kept.planes, maps, strict=True)]
        data = (
            embedded[0]
            if kept.axis is None
            else np.concatenate(embedded, axis=kept.axis - kept.planes[0].dropped)
        )
        one = cell_map_layer(data, name, source, record=layer.metadata[METADATA_KEY]["record"], place=layer)
        if origin is not None:
            mark(one, replace(origin, kind=CLASS_MAP, part=name))
        made.append(one)
    return made


def cell_map_layer(
    values: NDArray[Any],
    name: str,
    source: str,
    *,
    record: Mapping[str, Any],
    place: Labels,
) -> Image:
    """Foreground or boundary, 0 to 1, where a layer of cells lies."""
    return Image(
        values,
        name=f"{source} {name}",
        metadata={METADATA_KEY: {"kind": "cell map", "record": dict(record)}},
        contrast_limits=(0.0, 1.0),
        colormap=class_colormap(_MAPS[name]),
        blending="translucent_no_depth",
        opacity=0.6,
        **twin_placement(place),
    )


def _before(table: dict[str, list[Any]], name: str, more: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """A table with columns in front of one of its own, as the stored table of a stack has them."""
    at = list(table).index(name)
    columns = list(table.items())
    return dict([*columns[:at], *more.items(), *columns[at:]])


def _numbers(result: Segmentation) -> NDArray[np.int32]:
    return np.zeros(result.labels.shape, np.int32) if result.instances is None else result.instances
