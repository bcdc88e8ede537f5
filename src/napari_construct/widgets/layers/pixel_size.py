"""The pixel size of an image layer: its own, else that of its file, else what the user chose for it.

napari's readers show most files in pixels, whatever the files state; the command line reads it from them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from napari_construct.data.image_header import read_header
from napari_construct.data.stored import ImageHeader
from napari_construct.exceptions import InputError
from napari_construct.widgets.layers.place import has_lengths, micrometres_per_pixel
from napari_construct.widgets.layers.slides import slide_file, slide_size

_GIVEN: Final = "napari_construct pixel size"
"""Key of what the user chose, in the layer's metadata."""


class PixelSize(NamedTuple):
    """Micrometres per pixel or None, and the file that states it where the layer does not."""

    mpp: float | None
    file: Path | None = None
    given: bool = False
    """Whether the user chose it."""


def pixel_size(layer: Any) -> PixelSize:
    """The pixel size of an image layer.

    That of its scale and units where they are lengths. Otherwise that of its file, as the command line reads
    it, while the layer has the size of the file's image: a layer that was cropped or binned is another image.
    """
    if has_lengths(layer):
        return PixelSize(slide_size(layer) or micrometres_per_pixel(layer))
    found = _stated(layer)
    if found is not None and found.mpp is not None and _same_size(layer, found):
        return PixelSize(found.mpp, Path(str(slide_file(layer))))
    mpp, *shape = layer.metadata.get(_GIVEN, (None,))
    return PixelSize(mpp, given=True) if shape == list(layer_shape(layer)[-2:]) else PixelSize(None)


def give_size(layer: Any, mpp: float | None) -> None:
    """Keep the pixel size that the user chose with a layer, until its image changes; None forgets it."""
    others = {key: value for key, value in layer.metadata.items() if key != _GIVEN}
    given = {} if mpp is None else {_GIVEN: (mpp, *layer_shape(layer)[-2:])}
    layer.metadata = others | given


def own_file(layer: Any) -> str | None:
    """The file whose image a layer shows; None where it is not known, or the layer has another size."""
    path = slide_file(layer)
    found = _stated(layer)
    return None if path is None or (found is not None and not _same_size(layer, found)) else path


def layer_shape(layer: Any) -> tuple[int, ...]:
    """Shape of an image layer at full resolution, without colour."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape[:-1]) if layer.rgb else tuple(data.shape)


def _same_size(layer: Any, found: ImageHeader) -> bool:
    # some readers turn the image as its orientation says, some do not
    return sorted(layer_shape(layer)[-2:]) == sorted((found.rows, found.columns))


def _stated(layer: Any) -> ImageHeader | None:
    """What the layer's file states; None without a file that this package reads."""
    path = slide_file(layer)
    if path is None:
        return None
    try:
        about = Path(path).stat()
        return _of_file(path, about.st_mtime_ns, about.st_size)
    except (OSError, ValueError, InputError):
        return None


@lru_cache(maxsize=64)
def _of_file(path: str, changed: int, size: int) -> ImageHeader:  # noqa: ARG001 - the file as it is now
    """A layer of many planes asks for each of them."""
    return read_header(path)
