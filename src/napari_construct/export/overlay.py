"""The mask over the image, as a picture for people."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.export.atomic import atomic
from napari_construct.export.tiff import check_labels
from napari_construct.reading.marks import SOFTWARE
from napari_construct.types import PathLike, RGBImage

_BAND: Final = 256


def overlay(
    image: NDArray[Any],
    labels: NDArray[Any],
    classes: ClassTable,
    opacity: float = 0.5,
) -> RGBImage:
    """Blend the classes' colours into an image: ``(1 - opacity) * image + opacity * colour``.

    Parameters
    ----------
    image : ndarray
        (h, w, 3) uint8 RGB.
    labels : ndarray
        (h, w) uint8; 0 shows the image, ``i + 1`` is class ``i``. Classes with ``shown`` off, too.
    classes : ClassTable
        Colours.
    opacity : float
        0 shows the image alone, 1 the colours alone.

    Returns
    -------
    ndarray
        (h, w, 3) uint8.
    """
    check_labels(labels, classes, image)
    if not 0 <= opacity <= 1:
        raise InputError(f"expected an opacity from 0 to 1, got {opacity}; 0.5 is usual")
    blended = image.copy()
    shown = [(i + 1, tissue.rgb) for i, tissue in enumerate(classes) if tissue.shown]
    for start in range(0, len(image), _BAND):  # floating-point copies of a band, not of the image
        part, band = blended[start : start + _BAND], labels[start : start + _BAND]
        for value, rgb in shown:
            here = band == value
            colour = np.array(rgb, dtype=np.float32)
            part[here] = np.rint((1 - opacity) * part[here] + opacity * colour).astype(np.uint8)
    return blended


def write_overlay(
    path: PathLike,
    image: NDArray[Any],
    labels: NDArray[Any],
    classes: ClassTable,
    opacity: float = 0.5,
) -> None:
    """Write :func:`overlay` as PNG, atomically."""
    write_picture(path, overlay(image, labels, classes, opacity))


def write_picture(path: PathLike, pixels: NDArray[Any]) -> None:
    """Write (h, w, 3) uint8 as PNG, atomically, with this program's mark."""
    picture = Image.fromarray(pixels)
    mark = PngInfo()
    mark.add_text("Software", SOFTWARE)
    with atomic(path) as temporary:
        picture.save(temporary, format="PNG", pnginfo=mark)
