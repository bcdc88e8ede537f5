"""A result in a notebook: a small picture of the mask and its legend."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.types import LabelImage, RGBImage

_SIDE: Final = 256
_UNLABELLED: Final = 240


def as_html(
    labels: LabelImage,
    classes: ClassTable,
    areas: Sequence[Mapping[str, Any]],
    shares: Sequence[float],
    title: str,
) -> str:
    """HTML with a thumbnail of a mask (the first plane of a stack), area and share of each class."""
    stream = io.BytesIO()
    Image.fromarray(thumbnail(labels, classes)).save(stream, format="PNG", optimize=True)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    rows = "".join(
        f'<tr><td style="background:{tissue.colour}">&emsp;</td><td>{escape(tissue.name)}</td>'
        f'<td style="text-align:right">{share:.1f} %</td>'
        f'<td style="text-align:right">{_amount(row)}</td></tr>'
        for tissue, row, share in zip(classes, areas, shares, strict=True)
    )
    return (
        '<div style="display:flex;gap:1em;align-items:flex-start">'
        f'<img alt="{escape(title, quote=True)}" src="data:image/png;base64,{data}">'
        f"<table>{rows}</table></div>"
    )


def thumbnail(labels: LabelImage, classes: ClassTable, side: int = _SIDE) -> RGBImage:
    """The mask in the classes' colours, at most ``side`` pixels a side; every n-th pixel, never a mean."""
    plane = labels.reshape(-1, *labels.shape[-2:])[0]
    step = max(-(-max(plane.shape) // side), 1)
    colours = np.full((256, 3), _UNLABELLED, dtype=np.uint8)
    for value, tissue in enumerate(classes, start=1):
        colours[value] = tissue.rgb
    picture: RGBImage = colours[plane[::step, ::step]]
    return picture


def _amount(row: Mapping[str, Any]) -> str:
    return f"{row['mm2']:.4f} mm²" if "mm2" in row else f"{row['pixels']} px"
