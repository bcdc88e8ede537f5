"""The slide behind an image layer."""

from __future__ import annotations

from typing import Any, Final

from napari_construct.data.slides.slide import Slide

SLIDE_KEY: Final = "napari-construct slide"
"""In the metadata of layers that show a slide."""


def slide_of(layer: Any) -> Slide | None:
    """The opened slide that an image layer shows; None of other layers."""
    found = None if layer is None else layer.metadata.get(SLIDE_KEY)
    return found if isinstance(found, Slide) else None
