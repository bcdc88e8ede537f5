"""A part of a slide as one image: on the grid of the whole slide, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile

from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.slides import part as module
from napari_construct.inference.slides.part import read_slide_part, slide_image
from napari_construct.inference.slides.pixels import at_model_resolution

NOISE = np.random.default_rng(5).integers(0, 256, (301, 403, 3), dtype=np.uint8)


def model(mpp: float | None) -> Any:
    return Mock(spec=Predictor, mpp=mpp, scale=1.0, classes=("a", "b"))


@pytest.fixture
def slide(tmp_path: Path) -> Any:
    options = {"photometric": "rgb", "tile": (64, 64), "resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", NOISE, resolution=(40000, 40000), **options)
    with open_slide(tmp_path / "a.tif") as opened:
        yield opened


@pytest.mark.parametrize("model_mpp", [0.5, 0.52, 1.0])
def test_it_has_the_pixels_of_the_whole_slide(slide: Slide, model_mpp: float) -> None:
    found = read_slide_part(slide, model(model_mpp), (33, 150), (41, 402))
    grid = at_model_resolution(slide, slide.mpp, model_mpp, 1.0)
    step = int(grid.step[0])
    rows, columns = found.window
    assert (rows.start, columns.start) == (33 // step * step, 41 // step * step)
    assert rows.stop >= 150
    expected = grid.read(rows.start // step, columns.start // step, *found.pixels.shape[:2])
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.mpp == 0.25 * step
    assert found.step == (step, step)


def test_a_step_that_is_no_whole_number_keeps_the_borders(slide: Slide) -> None:
    found = read_slide_part(slide, model(0.4), (0, 160), (16, 336))
    assert found.pixels.shape == (100, 200, 3)
    assert found.window == (slice(0, 160), slice(16, 336))
    assert found.mpp == pytest.approx(0.4)


@pytest.mark.parametrize("model_mpp", [0.25, 0.1, None])
def test_what_is_not_finer_is_read_as_it_is(slide: Slide, model_mpp: float | None) -> None:
    found = read_slide_part(slide, model(model_mpp), (10, 60), (20, 90))
    np.testing.assert_array_equal(found.pixels, NOISE[10:60, 20:90])
    assert found.mpp == 0.25


def test_a_given_size_goes_before_that_of_the_file(slide: Slide) -> None:
    image = slide_image(slide, model(0.5), (slice(0, 100), slice(0, 200)), 0.125)
    assert image.pixels.shape == (25, 50, 3)
    assert image.mpp == 0.5


def test_outside_and_too_large_are_refused(slide: Slide, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="inside of 301 x 403 pixels"):
        read_slide_part(slide, model(0.5), (301, 400), (0, 50))
    monkeypatch.setattr(module, "MAX_PIXELS", 1000)
    with pytest.raises(InputError, match=r"at most 1,000 pixels .*150 x 201; zoom in .* whole slide"):
        read_slide_part(slide, model(0.5))
    monkeypatch.undo()
    monkeypatch.setattr("napari_construct.inference.activation.memory.physical_memory", lambda: 1)
    with pytest.raises(InputError, match=r"fits into .* segment the whole slide"):
        read_slide_part(slide, model(0.5))
