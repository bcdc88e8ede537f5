"""File > Save for masks: TIFF, or with their image OME-Zarr or a PNG overlay, and the record beside it.

napari asks before it replaces the file, but not always, and never about the record. So each writer refuses to
replace files of others, and gives the record another name where NAME.json is not its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_info
from numpy.typing import NDArray

from napari_construct.classes import ClassTable, TissueClass, hex_of, palette_colour
from napari_construct.data.resolution import plausible
from napari_construct.data.rgb import as_rgb
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import free_record_path, refuse_others, result_name
from napari_construct.results.areas import PERCENT_OF_TISSUE, tissue_of
from napari_construct.results.cells import CELL
from napari_construct.results.files import output_names, write_files
from napari_construct.results.result import StoredResult
from napari_construct.types import FloatArray
from napari_construct.widgets.files.names import saved_path
from napari_construct.widgets.layers import (
    CELLS,
    METADATA_KEY,
    kept_cells,
    micrometres_per_pixel,
    opened_cells,
)

LayerData = tuple[Any, Mapping[str, Any], str]


def write_labels(path: str, data: Any, attributes: Mapping[str, Any], *, maps: bool = False) -> list[str]:
    """Write a labels layer as TIFF with its classes, colours and pixel size; stacks plane by plane.

    The file's name ends as that of a mask, whatever was typed, so that napari opens it as one. Numbered cells
    are written with their numbers, and their table as CSV beside them; with ``maps`` also foreground and
    boundary, where they were decided from those of one plane.

    Raises
    ------
    InputError
        If the labels do not fit into 8 bit.
    ConfigurationError
        If the file is one of others.
    """
    layer = _made((data, attributes, "labels"))
    if is_cells(layer):
        return _write_cells(path, layer, maps=maps)
    target = _target(path, "mask")
    planes = _planes(layer)
    return _write(target, "mask", _result(layer, planes[0] if len(planes) == 1 else np.stack(planes)))


def is_cells(layer: Any) -> bool:
    """Whether a layer holds numbered cells of this plugin."""
    return layer.metadata.get(METADATA_KEY, {}).get("kind") == CELLS


def _write_cells(typed: str, layer: Labels, *, maps: bool) -> list[str]:
    """Write numbers, table and record of cells; rows of cells that were painted have no confidence."""
    target = _target(typed, "cells")
    known_maps = maps_of_cells(layer) if maps else None
    more = {"table": target.with_suffix(".csv")}
    if known_maps is not None:
        names = output_names(result_name(target), ("cams", "boundary"))
        more |= {kind: target.with_name(names[kind]) for kind in ("cams", "boundary")}
    refuse_others(more.values())
    numbers = np.asarray(layer.data)
    if numbers.size and (numbers.min() < 0 or numbers.max() > np.iinfo(np.int32).max):
        raise InputError(f"{layer.name}: expected numbers of cells, 0 and above, got {numbers.min()}")
    numbers = numbers.reshape(-1, *numbers.shape[-2:]) if numbers.ndim > 3 else numbers
    numbers = numbers.reshape(numbers.shape[-2:]) if numbers.ndim == 3 and len(numbers) == 1 else numbers
    known = layer.metadata.get(METADATA_KEY, {}).get("record", {})
    rows = layer.features
    named = {"index", "confidence"} <= set(rows)
    sure = dict(zip(rows["index"].tolist(), rows["confidence"].tolist(), strict=True)) if named else {}
    result = StoredResult(
        labels=(numbers > 0).astype(np.uint8),
        classes=CELL,
        mpp=micrometres_per_pixel(layer) or _mpp_of_run(known),
        record={**known, "tissue_pixels": int(numbers.size), "kind": CELLS, "saved_from": layer.name},
        instances=numbers.astype(np.int32),
        confidences=sure,
        cams=None if known_maps is None else known_maps[0][None],
        boundary=None if known_maps is None else known_maps[1],
    )
    return _write(target, "cells", result, more=more)


def maps_of_cells(layer: Any) -> tuple[FloatArray, FloatArray] | None:
    """Foreground and boundary that cells of one plane were decided from, (h, w) each; None of others."""
    kept, opened = kept_cells(layer), opened_cells(layer)
    if kept is not None and kept.axis is None:
        maps = kept.evidence[0].maps
        found = maps.foreground, maps.boundary
    elif opened is not None and opened.cams is not None and opened.boundary is not None:
        found = opened.cams[0], opened.boundary
    else:
        return None
    return found if found[1].shape == layer.data.shape else None


def write_overlay_png(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write an image with the mask drawn over it as PNG."""
    target = _target(path, "overlay")
    image, labels, layer = _pair(layers)
    return _write(target, "overlay", _result(layer, labels), image, layer.opacity)


def write_zarr(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write an image with its mask as OME-Zarr pyramids."""
    target = _target(path, "zarr")
    image, labels, layer = _pair(layers)
    return _write(target, "zarr", _result(layer, labels), image)


def class_table(layer: Labels) -> ClassTable:
    """Names and colours of a labels layer; values that nothing names get numbers as names."""
    known = layer.metadata.get(METADATA_KEY, {})
    names = [str(name) for name in known.get("classes", ())] or _names_in_table(layer)
    highest = max((int(plane.max()) for plane in _planes(layer)), default=0)
    names += [f"label {i}" for i in range(len(names) + 1, max(highest, 1) + 1)]
    return ClassTable(
        classes=tuple(TissueClass(name=n, colour=_colour(layer, i)) for i, n in enumerate(names, start=1))
    )


def _names_in_table(layer: Labels) -> list[str]:
    """What the layer's table calls the values 1, 2, ...; nothing if it does not name them one by one."""
    table = layer.features
    column = next((name for name in ("class", "result") if name in table), None)
    if column is None or "index" not in table:
        return []
    names = {value: str(name) for value, name in zip(table["index"], table[column], strict=True) if value}
    listed = [names.get(value, "") for value in range(1, len(names) + 1)]
    return listed if all(listed) and len(set(listed)) == len(listed) else []


def _colour(layer: Labels, value: int) -> str:
    rgba = np.asarray(layer.get_color(value), dtype=float)
    if rgba.shape != (4,) or not rgba[3]:
        return palette_colour(value - 1)
    return hex_of(np.rint(255 * rgba))


def _made(data: LayerData) -> Any:
    """A layer from napari's layer tuple."""
    return Layer.create(data[0], dict(data[1]), data[2])  # type: ignore[arg-type]


def _planes(layer: Labels) -> list[NDArray[np.uint8]]:
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if data.size and (data.min() < 0 or data.max() > 255):
        raise InputError(
            f"{layer.name}: expected classes with labels from 0 to 255, got {data.min()} to {data.max()}; "
            "save instances with napari's own writer"
        )
    return list(data.astype(np.uint8).reshape(-1, *data.shape[-2:]))


def _pair(layers: Sequence[LayerData]) -> tuple[Any, NDArray[np.uint8], Labels]:
    """The RGB image and the mask of one plane."""
    made = [_made(data) for data in layers]
    image = next(layer for layer in made if isinstance(layer, Image))
    labels = next(layer for layer in made if isinstance(layer, Labels))
    planes = _planes(labels)
    data = image.data[0] if image.multiscale else image.data
    if len(planes) > 1 or data.ndim > 2 + bool(image.rgb):
        raise InputError(f"{labels.name}: expected one plane, got a stack; save the mask alone, or run Batch")
    pixels, _ = as_rgb(data, name=image.name)
    return pixels, planes[0], labels


def _result(layer: Labels, labels: NDArray[np.uint8]) -> StoredResult:
    """A result with the current labels and the stored record of a mask."""
    about = layer.metadata.get(METADATA_KEY, {})
    known = about.get("record", {})
    marks = {"kind": about.get("kind", "labels"), "saved_from": layer.name}
    return StoredResult(
        labels=labels,
        classes=class_table(layer),
        mpp=micrometres_per_pixel(layer) or _mpp_of_run(known),
        record={**known, "tissue_pixels": _tissue_pixels(layer), **marks},
    )


def _mpp_of_run(record: Mapping[str, Any]) -> float | None:
    """Micrometres per pixel of the run that made a mask, for layers without a length as unit."""
    planes = record.get("planes", [record])
    inputs = [plane.get("input") if isinstance(plane, Mapping) else None for plane in planes]
    found = {given.get("mpp") if isinstance(given, Mapping) else None for given in inputs}
    mpp = found.pop() if len(found) == 1 else None
    return plausible(float(mpp)) if isinstance(mpp, int | float) else None


def _tissue_pixels(layer: Labels) -> int | None:
    """Number of tissue pixels, from the percents in the layer's table; None without them."""
    table = layer.features
    known = {"pixels", PERCENT_OF_TISSUE} <= set(table)
    return tissue_of(table["pixels"].tolist(), table[PERCENT_OF_TISSUE].tolist()) if known else None


def _target(typed: str, kind: str) -> Path:
    """Where the file is written; an ending that would not open again is replaced."""
    target = saved_path(typed, kind)
    refuse_others([target])
    return target


def _write(
    target: Path,
    kind: str,
    result: StoredResult,
    image: Any = None,
    opacity: float = 0.5,
    more: Mapping[str, Path] | None = None,
) -> list[str]:
    """Write the file and the record beside it, under a name that belongs to nothing else."""
    usual, record = target.with_name(f"{result_name(target)}.json"), free_record_path(target)
    more = more or {}
    write_files({kind: target, **more, "record": record}, result, image, opacity=opacity)
    if record != usual:
        show_info(
            f"{usual.name} belongs to something else and was left as it is. The classes and areas of "
            f"{target.name} are in {record.name}."
        )
    return [str(path) for path in (target, *more.values(), record)]
