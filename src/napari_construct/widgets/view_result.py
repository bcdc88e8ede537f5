"""Open an image with a stored result: ``python -m napari_construct.widgets.view_result RECORD IMAGE``.

The command line may not import napari; it starts this module as a program of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from napari.layers import Image, Layer

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import ConstructError, InputError
from napari_construct.widgets._layers import cam_layer, labels_layer


def stored_layers(record_path: Path, image_path: Path) -> list[Layer]:
    """Layers of a result that ``napari-construct segment`` or ``demo`` wrote: image, CAMs, labels.

    Parameters
    ----------
    record_path : Path
        The JSON record; mask and CAMs lie beside it under the names it gives.
    image_path : Path
        The image that was segmented.

    Raises
    ------
    InputError
        If a file is missing or is not what the record says.
    """
    record = _read_record(record_path)
    try:
        colours = dict(record["colours"])
        files, mpp = record["files"], record["input"]["mpp"]
        presence, areas = record["presence"], record["areas"]
        mask = read_mask(record_path.parent / Path(files["mask"]).name)
        cams = tifffile.imread(record_path.parent / Path(files["cams"]).name)
    except (KeyError, TypeError, AttributeError, OSError, tifffile.TiffFileError) as error:
        raise InputError(
            f"{record_path}: expected the record of a segmentation with its files, got {error!r}; "
            "segment again"
        ) from error
    names = tuple(colours)
    table = ClassTable.from_names(names, palette=tuple(colours.values()))
    cams = np.asarray(cams, dtype=np.float32).reshape(len(names), *mask.shape)
    image = read_image(image_path).pixels
    placement: dict[str, Any] = {}
    if mpp:
        placement = {"scale": (mpp, mpp), "units": ("micrometer", "micrometer")}
    stem = image_path.stem
    return [
        Image(image, name=stem, rgb=True, **placement),
        *(
            cam_layer(cam, tissue, stem, record=record, **placement)
            for tissue, cam in zip(table, cams, strict=True)
        ),
        labels_layer(mask, table, stem, features=_features(areas, presence), record=record, **placement),
    ]


def main(arguments: Sequence[str]) -> int:
    """Open the viewer and wait until it is closed."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m napari_construct.widgets.view_result RECORD IMAGE\n")
        return 2
    import torch  # noqa: F401 - on Windows it must be loaded before Qt

    try:
        layers = stored_layers(Path(arguments[0]), Path(arguments[1]))
    except ConstructError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    import napari

    viewer = napari.Viewer()
    for layer in layers:
        viewer.add_layer(layer)
    napari.run()
    return 0


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: expected the JSON record of a segmentation, got {error}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: expected the JSON record of a segmentation, got a {type(record).__name__}")
    return record


def _features(areas: Sequence[Mapping[str, Any]], presence: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Columns as the labels layer of a fresh segmentation has them; ``index`` is the label's value."""
    columns: dict[str, list[Any]] = {"index": list(range(1, len(areas) + 1))}
    for key in areas[0] if areas else ():
        columns[key] = [area[key] for area in areas]
    columns["presence score"] = [presence[area["class"]]["score"] for area in areas]
    return columns


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
