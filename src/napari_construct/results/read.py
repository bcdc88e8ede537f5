"""Read a result's record, and tell files that this product wrote from all others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tifffile

from napari_construct.exceptions import InputError


def read_record(path: Path) -> dict[str, Any]:
    """The JSON beside a result.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: expected the JSON record of a segmentation, got {error}") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: expected the JSON record of a segmentation, got a {type(record).__name__}")
    return record


def is_own_mask(path: Path) -> bool:
    """Whether a TIFF is a mask of ours: its description names the classes."""
    return _description(path) is not None


def is_own_zarr(path: Path) -> bool:
    """Whether a folder is an OME-Zarr with the labels of a segmentation."""
    try:
        ome = json.loads((path / "labels" / "tissue" / "zarr.json").read_text(encoding="utf-8"))
        return "image-label" in ome["attributes"]["ome"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
