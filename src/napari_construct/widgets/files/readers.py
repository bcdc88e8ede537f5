"""File > Open for stored results: a record, a mask as TIFF, an OME-Zarr with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari.layers import Layer

from napari_construct.data.limits import METADATA_ERRORS
from napari_construct.data.listing import is_zarr
from napari_construct.exceptions import InputError
from napari_construct.results.read import reader_of
from napari_construct.widgets.files.preferred import is_preferred, read_as_others
from napari_construct.widgets.files.slides import is_slide
from napari_construct.widgets.files.stored import layers_of
from napari_construct.widgets.files.stored_pyramid import without_cache

LayerData = tuple[Any, Mapping[str, Any], str]
Read = Callable[[str | Sequence[str]], list[LayerData]]


def get_reader(path: str | Sequence[str]) -> Read | None:
    """The reader of a stored result; None for other files, which napari then offers to other readers.

    Where napari gives us a file of another program for its name, it is read as if this plugin were not there.
    """
    paths = [path] if isinstance(path, str) else list(path)
    if paths and all(reader_of(Path(one)) is not None for one in paths):
        return read
    if not paths or not all(map(is_preferred, paths)):
        return None
    zarr = len(paths) == 1 and is_zarr(paths[0]) and is_slide(Path(paths[0]))
    return None if zarr else read_as_others  # a slide has a reader beside this one


def read(path: str | Sequence[str]) -> list[LayerData]:
    """Layers of stored results with classes, colours, pixel size and record.

    Raises
    ------
    InputError
        If one is damaged.
    """
    paths = [Path(path)] if isinstance(path, str) else [Path(one) for one in path]
    return [_as_tuple(layer) for one in paths for layer in _layers(one)]


def _as_tuple(layer: Layer) -> LayerData:
    data, state, kind = layer.as_layer_data_tuple()
    return data, {**state, **without_cache(layer)}, kind


def _layers(path: Path) -> list[Layer]:
    try:
        return layers_of(path)
    except METADATA_ERRORS as error:
        if isinstance(error, InputError):
            raise
        detail = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: expected a result of napari-construct, got a damaged one ({type(error).__name__}: "
            f"{detail}); segment again"
        ) from error
