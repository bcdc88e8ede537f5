"""What OME-Zarr 0.5 says of levels, axes and labels, in the words of ngff.openmicroscopy.org/0.5."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from napari_construct.classes import ClassTable
from napari_construct.reading.marks import SOFTWARE

VERSION: Final = "0.5"
CREATOR: Final = {"_creator": {"name": SOFTWARE}}
"""In the metadata of a folder that this package wrote."""
LABELS: Final = "tissue"
"""Name of the labels within their image's ``labels``."""


def multiscales(
    name: str,
    axes: str,
    factors: Iterable[float],
    mpp: tuple[float, float] | None,
) -> dict[str, Any]:
    """The metadata of a group whose levels are its arrays "0", "1" and so on.

    The centre of a coarse pixel lies between those of the fine ones that it stands for, so that coarser
    levels are shifted by ``(factor - 1) / 2`` pixels.

    Parameters
    ----------
    name : str
        Of the image.
    axes : str
        Letters of the axes, such as "cyx".
    factors : iterable of float
        Sides of each level's pixels, in pixels of the image that they lie on.
    mpp : (float, float) or None
        Micrometres per pixel of that image along rows and columns; None gives pixels without a unit.
    """
    rows, columns = mpp or (1.0, 1.0)
    sides = {"y": rows, "x": columns}
    datasets = []
    for level, factor in enumerate(factors):
        transforms: list[dict[str, Any]] = [
            {"type": "scale", "scale": [sides[a] * factor if a in sides else 1.0 for a in axes]}
        ]
        if factor != 1:
            shift = (factor - 1) / 2
            transforms.append(
                {
                    "type": "translation",
                    "translation": [shift * sides[a] if a in sides else 0.0 for a in axes],
                }
            )
        datasets.append({"path": str(level), "coordinateTransformations": transforms})
    image = {"name": name, "axes": [_axis(a, known=mpp is not None) for a in axes], "datasets": datasets}
    return {"version": VERSION, "multiscales": [image]}


def _axis(name: str, *, known: bool) -> dict[str, str]:
    if name == "c":
        return {"name": name, "type": "channel"}
    return {"name": name, "type": "space"} | ({"unit": "micrometer"} if known else {})


def display(colours: dict[str, str], *, model: str = "color") -> dict[str, Any]:
    """How viewers show channels of bytes (``omero``): names and colours, ``RRGGBB``."""
    window = {"start": 0, "end": 255, "min": 0, "max": 255}
    return {
        "channels": [
            {"label": name, "color": colour, "active": True, "window": window}
            for name, colour in colours.items()
        ],
        "rdefs": {"model": model},
    }


def image_label(classes: ClassTable, source: str | None = "../../") -> dict[str, Any]:
    """Names and colours of labels (``image-label``), and the address of the image that they lie on."""
    return {
        "version": VERSION,
        "colors": [
            {"label-value": i, "rgba": [*tissue.rgb, 255]} for i, tissue in enumerate(classes, start=1)
        ],
        "properties": [{"label-value": i, "class": tissue.name} for i, tissue in enumerate(classes, start=1)],
    } | ({} if source is None else {"source": {"image": source}})
