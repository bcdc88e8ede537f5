"""Results that lie on disk, as layers: what ``segment``, ``demo``, ``batch`` and the writers wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from napari.layers import Layer

from napari_construct.classes import ClassTable
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import read_record, record_path
from napari_construct.results.result import stored_area
from napari_construct.widgets.layers import cam_layer, labels_layer

_LABELS_IN_MEMORY: Final = 16384 * 16384
"""Pixels up to which a mask is read whole, so that it can be painted on."""


def record_layers(path: Path, name: str | None = None) -> list[Layer]:
    """CAMs and labels of a record; the files lie beside it under the names it gives.

    Parameters
    ----------
    path : Path
        The JSON record.
    name : str, optional
        Of the image; the record's own otherwise.

    Raises
    ------
    InputError
        If a file is missing or is not what the record says.
    """
    record = read_record(path)
    try:
        files, colours = record["files"], dict(record["colours"])
        table = ClassTable.from_names(tuple(colours), palette=tuple(colours.values()))
        mask = read_mask(path.parent / Path(files["mask"]).name)
        maps = tifffile.imread(path.parent / Path(files["cams"]).name) if "cams" in files else None
        features = _features([stored_area(a) for a in record.get("areas", ())], record.get("presence", {}))
        mpp = record.get("input", {}).get("mpp")
    except (KeyError, TypeError, AttributeError, OSError, ValueError, tifffile.TiffFileError) as error:
        raise InputError(
            f"{path}: expected the record of a segmentation with its files, got {error!r}; segment again"
        ) from error
    stem, place = name or path.stem, placement(mpp)
    layers: list[Layer] = []
    if maps is not None:
        maps = np.asarray(maps, dtype=np.float32).reshape(len(table), *mask.shape)
        layers += [
            cam_layer(cam, tissue, stem, record=record, **place)
            for tissue, cam in zip(table, maps, strict=True)
        ]
    return [*layers, labels_layer(mask, table, stem, features=features, record=record, **place)]


def is_own_mask(path: Path) -> bool:
    """Whether a TIFF is a mask of ours: its description names the classes."""
    return _description(path) is not None


def mask_layers(path: Path) -> list[Layer]:
    """A mask TIFF in the colours of its palette, with the record beside it where there is one."""
    found = _description(path)
    if found is None:
        raise InputError(f"{path}: expected a mask with its classes in the description, got another TIFF")
    names, mpp, palette = found
    beside = record_path(path)
    record = read_record(beside) if beside.is_file() else {}
    colours = record.get("colours", {})
    given = [str(colours.get(n) or palette.get(i, "")) for i, n in enumerate(names, start=1)]
    table = ClassTable.from_names(names, palette=given) if all(given) else ClassTable.from_names(names)
    labels = np.asarray(tifffile.imread(path))
    counts = np.bincount(labels.ravel(), minlength=len(names) + 1)[1 : len(names) + 1]
    features = {"index": list(range(1, len(names) + 1)), "class": list(names), "pixels": counts.tolist()}
    place = placement(mpp, labels.ndim)
    return [labels_layer(labels, table, beside.stem, features=features, record=record, **place)]


def zarr_layers(path: Path) -> list[Layer]:
    """The image of an OME-Zarr, level by level and not read yet, and its labels with their classes."""
    import dask.array
    import zarr
    from napari.layers import Image

    da: Any = dask.array
    root: Any = zarr.open_group(path, mode="r")
    group = root["labels/tissue"]
    (image,), (mask,) = root.attrs["ome"]["multiscales"], group.attrs["ome"]["multiscales"]
    names = [part["class"] for part in group.attrs["ome"]["image-label"]["properties"]]
    colours = ["#{:02X}{:02X}{:02X}".format(*c["rgba"]) for c in group.attrs["ome"]["image-label"]["colors"]]
    known = any(axis.get("unit") == "micrometer" for axis in image["axes"])
    mpp = image["datasets"][0]["coordinateTransformations"][0]["scale"][-1] if known else None
    levels = [da.moveaxis(da.from_zarr(root[level["path"]]), 0, 2) for level in image["datasets"]]
    labels = group[mask["datasets"][0]["path"]]
    small = labels.shape[0] * labels.shape[1] <= _LABELS_IN_MEMORY
    data: Any = labels[:] if small else [da.from_zarr(group[level["path"]]) for level in mask["datasets"]]
    beside = record_path(path)
    record = read_record(beside) if beside.is_file() else {}
    features = {"index": list(range(1, len(names) + 1)), "class": names}
    table = ClassTable.from_names(names, palette=colours)
    return [
        Image(levels, name=beside.stem, rgb=True, multiscale=True, **placement(mpp)),
        labels_layer(data, table, beside.stem, features=features, record=record, **placement(mpp)),
    ]


def placement(mpp: float | None, ndim: int = 2) -> dict[str, Any]:
    """Scale and units of a layer with square pixels; axes before rows and columns count planes."""
    if not mpp:
        return {}
    before = ndim - 2
    return {"scale": (1.0,) * before + (mpp, mpp), "units": ("pixel",) * before + ("micrometer",) * 2}


def _features(areas: Sequence[Mapping[str, Any]], presence: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Columns as the labels layer of a fresh segmentation has them; ``index`` is the label's value."""
    columns: dict[str, list[Any]] = {"index": list(range(1, len(areas) + 1))}
    for key in areas[0] if areas else ():
        columns[key] = [area[key] for area in areas]
    if presence:
        columns["presence score"] = [presence[area["class"]]["score"] for area in areas]
    return columns


def _description(path: Path) -> tuple[tuple[str, ...], float | None, dict[int, str]] | None:
    """Names of the classes, micrometres per pixel, colours of a mask; None of another TIFF."""
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            found = json.loads(page.description or "{}")
            classes = {int(value): str(name) for value, name in found["classes"].items()}
            colours = {}
            if page.colormap is not None:
                for value in classes:
                    colours[value] = "#{:02X}{:02X}{:02X}".format(*(page.colormap[:, value] // 257))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, tifffile.TiffFileError):
        return None
    return tuple(classes[value] for value in sorted(classes)), found.get("mpp"), colours
