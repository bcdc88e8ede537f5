"""A real region with two tissues, and Teach on a small encoder in the same viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.widgets.teach.teach import Teach


@pytest.fixture
def region(camelyon) -> tuple[np.ndarray, np.ndarray]:
    """(256, 256, 3) at 0.25 um per pixel, and its mask: 0 tumour, 1 lymphoid."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    (mask,) = (camelyon / "val" / "mask").glob("*.png")
    return read_image(path).pixels, read_mask(mask)


@pytest.fixture
def image(viewer, region) -> Any:
    return viewer.add_image(region[0], name="slide", scale=(0.25, 0.25), units=("um", "um"), rgb=True)


@pytest.fixture
def widget(viewer, image) -> Teach:
    widget = Teach(viewer)
    widget.setValue(widget.value().changed(start="tiny"))
    viewer.window.add_dock_widget(widget, name="Teach")
    return widget
