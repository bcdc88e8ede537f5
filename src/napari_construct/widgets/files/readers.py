"""File > Open for stored results: a record, a mask as TIFF, an OME-Zarr with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_construct.results.read import reader_of
from napari_construct.widgets.files.stored import layers_of

LayerData = tuple[Any, Mapping[str, Any], str]
Read = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Read | None:
    """The reader of a stored result; None for other files, which napari then offers to other readers."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(reader_of(Path(one)) is not None for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of stored results with classes, colours, pixel size and record."""
    return [
        layer.as_layer_data_tuple()
        for one in ([path] if isinstance(path, str) else path)
        for layer in layers_of(Path(one))
    ]
