"""File > Save for masks: TIFF, and with their image OME-Zarr or a PNG overlay; the record lies beside.

napari asks about the file alone, and not always, so that each writer refuses to replace what we did not make.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_construct.classes import OKABE_ITO, ClassTable, TissueClass
from napari_construct.data.rgb import as_rgb
from napari_construct.exceptions import InputError
from napari_construct.export.ome_zarr import write_ome_zarr
from napari_construct.export.overlay import write_overlay
from napari_construct.export.own_files import RECORD_FORMAT, record_path, refuse_others
from napari_construct.export.record import write_record
from napari_construct.export.tiff import write_mask
from napari_construct.results.files import write_stack
from napari_construct.results.result import PERCENT_OF_TISSUE
from napari_construct.widgets.layers import METADATA_KEY, micrometres_per_pixel

LayerData = tuple[Any, Mapping[str, Any], str]


def write_labels(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """A labels layer as TIFF with its classes, colours and pixel size; stacks plane by plane.

    Raises
    ------
    InputError
        If the labels do not fit into 8 bit.
    ConfigurationError
        If a file of others would be replaced.
    """
    refuse_others([Path(path), record_path(Path(path))])
    layer = _made((data, attributes, "labels"))
    classes, mpp, target = class_table(layer), micrometres_per_pixel(layer), Path(path)
    planes = _planes(layer)
    if len(planes) == 1:
        write_mask(target, planes[0], classes, mpp)
    else:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            parts = [Path(folder) / f"{i}.tif" for i in range(len(planes))]
            for part, plane in zip(parts, planes, strict=True):
                write_mask(part, plane, classes, mpp)
            write_stack(target, parts, classes, mpp)
    return [path, _write_record(target, "mask", layer, classes, np.stack(planes))]


def write_overlay_png(path: str, layers: Sequence[LayerData]) -> list[str]:
    """An image with the mask drawn over it, as PNG."""
    refuse_others([Path(path), record_path(Path(path))])
    image, labels, layer, classes = _pair(layers)
    write_overlay(path, image, labels, classes, layer.opacity)
    return [path, _write_record(Path(path), "overlay", layer, classes, labels)]


def write_zarr(path: str, layers: Sequence[LayerData]) -> list[str]:
    """An image with its mask as OME-Zarr pyramids."""
    refuse_others([Path(path), record_path(Path(path))])
    image, labels, layer, classes = _pair(layers)
    write_ome_zarr(path, image, labels, classes, micrometres_per_pixel(layer))
    return [path, _write_record(Path(path), "zarr", layer, classes, labels)]


def class_table(layer: Labels) -> ClassTable:
    """Names and colours of a labels layer: those of our own results, numbers for any other."""
    known = layer.metadata.get(METADATA_KEY, {})
    names = [str(name) for name in known.get("classes", ())]
    highest = max((int(plane.max()) for plane in _planes(layer)), default=0)
    names += [f"label {i}" for i in range(len(names) + 1, max(highest, 1) + 1)]
    return ClassTable(
        classes=tuple(TissueClass(name=n, colour=_colour(layer, i)) for i, n in enumerate(names, start=1))
    )


def _colour(layer: Labels, value: int) -> str:
    rgba = np.asarray(layer.get_color(value), dtype=float)
    if rgba.shape != (4,) or not rgba[3]:
        return OKABE_ITO[(value - 1) % len(OKABE_ITO)]
    return "#{:02X}{:02X}{:02X}".format(*(round(255 * channel) for channel in rgba[:3]))


def _made(data: LayerData) -> Any:
    """The layer that a tuple of napari stands for."""
    return Layer.create(data[0], dict(data[1]), data[2])  # type: ignore[arg-type]


def _planes(layer: Labels) -> list[NDArray[np.uint8]]:
    data = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    if data.size and (data.min() < 0 or data.max() > 255):
        raise InputError(
            f"{layer.name}: expected labels from 0 to 255, got {data.min()} to {data.max()}; "
            "these are instances, not classes: save them with napari's own writer"
        )
    return list(data.astype(np.uint8).reshape(-1, *data.shape[-2:]))


def _pair(layers: Sequence[LayerData]) -> tuple[Any, NDArray[np.uint8], Labels, ClassTable]:
    """The RGB image and the mask of one plane."""
    made = [_made(data) for data in layers]
    image = next(layer for layer in made if isinstance(layer, Image))
    labels = next(layer for layer in made if isinstance(layer, Labels))
    planes = _planes(labels)
    data = image.data[0] if image.multiscale else image.data
    if len(planes) > 1 or data.ndim > 2 + bool(image.rgb):
        raise InputError(f"{labels.name}: expected one plane, got a stack; save the mask alone, or run Batch")
    pixels, _ = as_rgb(data, name=image.name)
    return pixels, planes[0], labels, class_table(labels)


def _write_record(
    path: Path, kind: str, layer: Labels, classes: ClassTable, labels: NDArray[np.uint8]
) -> str:
    """What is known of the mask, and its areas as they are now, beside what was written."""
    counts = np.bincount(labels.ravel(), minlength=len(classes) + 1)[1 : len(classes) + 1]
    share, total = _whole(layer, int(counts.sum()))
    mpp = micrometres_per_pixel(layer)
    known = layer.metadata.get(METADATA_KEY, {}).get("record", {})
    record = {
        **known,
        "format": RECORD_FORMAT,
        "input": {**known.get("input", {}), "mpp": mpp},
        "saved_from": layer.name,
        "areas": [
            {"class": name, "pixels": int(n), share: 100 * int(n) / total}
            | ({} if mpp is None else {"mm2": int(n) * mpp**2 * 1e-6})
            for name, n in zip(classes.names, counts, strict=True)
        ],
        "colours": {tissue.name: tissue.colour for tissue in classes},
        "files": {kind: path.name},
    }
    target = record_path(path)
    write_record(target, record)
    return str(target)


def _whole(layer: Labels, labelled: int) -> tuple[str, float]:
    """What the classes' shares are shares of, and its pixels: the tissue where the layer's table knows it."""
    table = layer.features
    if {"pixels", PERCENT_OF_TISSUE} <= set(table) and table[PERCENT_OF_TISSUE].sum() > 0:
        tissue = 100 * float(table["pixels"].sum()) / float(table[PERCENT_OF_TISSUE].sum())
        return PERCENT_OF_TISSUE, max(tissue, labelled, 1)  # painted glass is tissue by the painter's word
    return "percent_of_labelled", max(labelled, 1)
