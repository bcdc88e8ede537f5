"""File > Open for results on disk: a record, a mask as TIFF, an OME-Zarr with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_construct.results.read import reader_of
from napari_construct.widgets.files.stored import layers_of

LayerData = tuple[Any, Mapping[str, Any], str]
Read = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Read | None:
    """What reads a path, or None where it is not one of our results: another reader then has its turn."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(reader_of(Path(one)) is not None for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of results on disk, with classes, colours, pixel size and record."""
    return [
        layer.as_layer_data_tuple()
        for one in ([path] if isinstance(path, str) else path)
        for layer in layers_of(Path(one))
    ]
