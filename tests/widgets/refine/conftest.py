"""A mask of a real H&E region, with a small real network behind it, and Refine in the same viewer."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from PIL import Image as Picture

from napari_construct.crf import CRFParameters
from napari_construct.events import run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import decided_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.layers import plane_on_view
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.segment.job import SegmentRequest, segment_job

SETTINGS = SegmentSettings(
    tile=128,
    overlap=32,
    crf=CRFParameters(),
    classes=("tumour", "lymphoid"),
    background=BackgroundRule(brightness=230),
)


@pytest.fixture
def predictor(checkpoint) -> Predictor:
    return load_model(checkpoint, device="cpu")


_DECIDED: dict[Any, Any] = {}


def decided_once(pixels: np.ndarray, predictor: Predictor, *args: Any, **options: Any) -> Any:
    """``decided_steps``, whose network and CRF run once for all tests; each gets a result of its own."""
    key = pixels.tobytes(), args, tuple(options.items())
    if key not in _DECIDED:
        _DECIDED[key] = yield from decided_steps(pixels, predictor, *args, **options)
    result, decider = _DECIDED[key]
    return deepcopy(result), decider


def segmented(viewer: Any, layer: Any, predictor: Predictor, model: str) -> Labels:
    """The mask that Segment would add."""
    plane = plane_on_view(layer, tuple(viewer.dims.point))
    request = SegmentRequest((plane,), None, model, SETTINGS, lambda: predictor, decided_once)
    return viewer.add_layer(run(segment_job(request)).mask)


@pytest.fixture
def mask(viewer, tissue, predictor, checkpoint, tmp_path) -> Labels:
    path = tmp_path / "slide.png"
    Picture.fromarray(tissue).save(path)
    (layer,) = viewer.open(str(path), plugin="napari")
    layer.scale, layer.units = (0.25, 0.25), ("um", "um")
    return segmented(viewer, layer, predictor, str(checkpoint))


@pytest.fixture
def widget(viewer, mask) -> Refine:
    widget = Refine(viewer)
    viewer.window.add_dock_widget(widget, name="Refine")
    return widget
