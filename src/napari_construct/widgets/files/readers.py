"""File > Open for results on disk: a record, a mask as TIFF, an OME-Zarr with labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Layer

from napari_construct.exceptions import InputError
from napari_construct.export.own_files import has_tissue_labels, read_record
from napari_construct.widgets.files.stored import is_own_mask, mask_layers, record_layers, zarr_layers

LayerData = tuple[Any, dict[str, Any], str]
Read = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Read | None:
    """What reads a path, or None where it is not one of our results: another reader then has its turn."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(_reader(Path(one)) is not None for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of results on disk, with classes, colours, pixel size and record."""
    found: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        layers_of = _reader(Path(one))
        if layers_of is not None:
            found += [layer.as_layer_data_tuple() for layer in layers_of(Path(one))]
    return found


def _reader(path: Path) -> Callable[[Path], list[Layer]] | None:
    if path.is_dir():
        return zarr_layers if has_tissue_labels(path) else None
    suffix = path.suffix.lower()
    if suffix in {".tif", ".tiff"}:
        return mask_layers if is_own_mask(path) else None
    if suffix == ".json":
        try:
            known = {"files", "colours"} <= set(read_record(path))
        except InputError:
            return None
        return record_layers if known else None
    return None
