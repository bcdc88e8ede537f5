"""Labels of a whole slide as layers read in parts: OME-Zarr, also while it is written, and OME-TIFF."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from napari.layers import Image, Labels, Layer

from napari_construct.export.own_files import result_name
from napari_construct.results.stored_pyramid import StoredPyramid, open_pyramid
from napari_construct.results.stored_tiff_pyramid import StoredTiffPyramid, open_tiff_pyramid
from napari_construct.widgets.layers import METADATA_KEY, cam_layer, labels_layer

UNFINISHED: Final = "unfinished"
"""In the metadata of layers of a pyramid that was being written when they were made."""

PYRAMID: Final = "pyramid"
"""In the metadata of labels layers: the path of the pyramid that they show."""

_CERTAIN: Final = 255


def pyramid_layers(path: Path) -> tuple[list[Layer], tuple[str, ...]]:
    """Class maps (CAMs, else probabilities), where stored, and the labels with their classes; and notices.

    What is not written yet is empty; :func:`show_written` brings what was written since.

    Raises
    ------
    InputError
        If it is damaged.
    """
    found = open_pyramid(path)
    name, options = result_name(path), _options(found)
    layers: list[Layer] = [*_class_maps(found, name, options)]
    levels = [lazy(level) for level in found.labels]
    mask = _mask(levels, found, name, options)
    mask.metadata[METADATA_KEY][PYRAMID] = str(path.absolute())
    layers.append(mask)
    if not found.complete:
        for layer in layers:
            layer.metadata[METADATA_KEY][UNFINISHED] = True
    return layers, found.notices


def tiff_pyramid_layer(path: Path) -> tuple[Labels, tuple[str, ...]]:
    """The labels of a pyramidal OME-TIFF with their classes; and notices.

    Raises
    ------
    InputError
        If it is damaged.
    """
    import dask.array

    da: Any = dask.array
    found = open_tiff_pyramid(path)
    levels = [da.from_array(one, chunks=one.tile, name=False, asarray=False) for one in found.levels]
    units = {} if found.pixel is None else {"units": ("micrometer",) * 2}
    options = {"scale": found.scale, "translate": found.offset, **units}
    return _mask(levels, found, result_name(path), options), found.notices


def show_written(layer: Layer) -> None:
    """Draw a layer of an unfinished pyramid again, with what was written since.

    ``refresh()`` alone would do for all levels but the coarsest, which napari keeps in memory for as long as
    the layer has the same data.
    """
    level = layer.data_level
    layer.data = list(layer.data)
    layer.data_level = level  # as on view; napari would show the coarsest until the next move


def without_cache(layer: Layer) -> dict[str, Any]:
    """What a layer's own state does not say, where napari makes it anew: that nothing is to be kept."""
    return {"cache": False} if layer.metadata.get(METADATA_KEY, {}).get(UNFINISHED) else {}


def _mask(
    levels: list[Any], found: StoredPyramid | StoredTiffPyramid, name: str, options: dict[str, Any]
) -> Labels:
    features = {"index": list(range(1, len(found.classes) + 1)), "class": list(found.classes.names)}
    return labels_layer(
        levels, found.classes, name, features=features, record=found.record, multiscale=True, **options
    )


def _class_maps(found: StoredPyramid, name: str, options: dict[str, Any]) -> list[Image]:
    maps: list[Image] = []
    stored = found.cams or found.probabilities
    for i, tissue in enumerate(found.classes if stored else ()):
        levels = [lazy(level)[i] for level in stored]
        layer = cam_layer(levels, tissue, name, record=found.record, multiscale=True, **options)
        layer.contrast_limits_range = layer.contrast_limits = (0, _CERTAIN)
        maps.append(layer)
    return maps


def lazy(level: Any) -> Any:
    """A zarr array as a dask array of the same chunks."""
    import dask.array

    da: Any = dask.array
    return da.from_zarr(level, chunks=level.chunks)


def _options(found: StoredPyramid) -> dict[str, Any]:
    """Where the layers lie, on the image that was segmented."""
    place: dict[str, Any] = {
        "scale": found.pixel or (found.downsample,) * 2,
        "translate": found.offset,
        "cache": found.complete,
    }
    return place if found.pixel is None else place | {"units": ("micrometer",) * 2}
