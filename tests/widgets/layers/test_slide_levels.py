"""Levels of a slide as napari indexes them: the slide's pixels, and no more of them than are on view."""

from __future__ import annotations

import copy
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from tests.widgets.slides import write_pyramid

from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.exceptions import InputError
from napari_construct.widgets.layers import slide_levels
from napari_construct.widgets.layers.slide_levels import FinestLevel, slide_arrays

pytestmark = pytest.mark.gui
NOISE = np.random.default_rng(1).integers(0, 256, (2200, 2600, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return write_pyramid(tmp_path_factory.mktemp("slides") / "noise.tif", NOISE, (1, 8))


@pytest.fixture
def slide(path):
    with open_slide(path) as opened:
        yield opened


@pytest.fixture
def decoded(monkeypatch) -> list[int]:
    """Pixels that were asked of the slide, one number a read."""
    asked: list[int] = []
    read = Slide.read

    def counted(self, level, top, left, height, width):
        asked.append(height * width)
        return read(self, level, top, left, height, width)

    monkeypatch.setattr(Slide, "read", counted)
    return asked


@pytest.mark.parametrize(
    "key",
    [
        np.s_[10:50, 20:90],
        np.s_[10:50, 20:90, :],
        np.s_[1000:1100, 1000:2600],
        np.s_[5],
        np.s_[-1, -3],
        np.s_[..., 0],
        np.s_[100:90:-3, ::700, 1],
        np.s_[7:7, :],
    ],
)
def test_indexing_is_that_of_the_image(slide, key) -> None:
    np.testing.assert_array_equal(slide_arrays(slide)[0][key], NOISE[key])


def test_an_index_outside_is_told(slide) -> None:
    with pytest.raises(IndexError, match="from -2200 to 2199"):
        slide_arrays(slide)[0][2200]


def test_levels_between_are_means_and_the_last_is_small(slide) -> None:
    arrays = slide_arrays(slide)
    assert [array.origin[1] for array in arrays] == [0, None]
    assert max(arrays[-1].shape) == slide_levels.OVERVIEW
    far = slide_arrays(slide)
    assert far[-1].shape == (866, 1024, 3)
    found = np.asarray(far[-1])
    assert abs(float(found.mean()) - NOISE.mean()) < 1


def test_a_view_reads_what_is_on_view(slide, decoded) -> None:
    slide_arrays(slide)[0][300:900, 500:1300]
    assert sum(decoded) == 600 * 800


def test_between_far_levels_no_more_is_decoded_than_in_time(tmp_path, decoded, monkeypatch) -> None:
    monkeypatch.setattr(slide_levels, "OVERVIEW", 160)
    monkeypatch.setattr(slide_levels, "FEWEST", 40_000)
    monkeypatch.setattr(slide_levels, "MOST", 40_000)
    image = NOISE[:1280, :1280] // 2
    image[:640] += 100
    with open_slide(write_pyramid(tmp_path / "far.tif", image, (1, 8))) as slide:
        arrays = slide_arrays(slide)
        assert [array.shape[0] for array in arrays] == [1280, 640, 320, 160]
        expected = image.reshape(640, 2, 640, 2, 3).mean((1, 3))
        decoded.clear()
        near = arrays[1][50:150, 60:160]
        assert np.abs(near - expected[50:150, 60:160]).max() <= 1
        decoded.clear()
        far = arrays[1][:]
        assert sum(decoded) < 2 * 160**2
    assert far.shape == (640, 640, 3)
    assert abs(float(far[:300].mean()) - expected[:300].mean()) < 3
    assert abs(float(far[340:].mean()) - expected[340:].mean()) < 3


def test_arrays_travel_and_are_shared_by_copies(slide) -> None:
    arrays = slide_arrays(slide)
    again = pickle.loads(pickle.dumps(arrays))
    np.testing.assert_array_equal(again[0][3:9, 4:8], NOISE[3:9, 4:8])
    assert again[-1].shape == arrays[-1].shape
    assert copy.deepcopy(arrays[0]) is arrays[0]


def test_damage_is_white_on_view_and_an_error_in_a_job(slide, monkeypatch) -> None:
    said: list[str] = []

    def refuse(*_: object) -> None:
        raise InputError("a.tif: damaged; get it again")

    arrays = slide_arrays(slide)
    monkeypatch.setattr(Slide, "read", refuse)
    monkeypatch.setattr(slide_levels, "show_warning", said.append)
    assert (arrays[0][:20, :30] == 255).all()
    assert (arrays[0][:20, :30] == 255).all()
    assert len(said) == 1
    assert "shown white" in said[0]
    with pytest.raises(InputError, match="damaged"):
        FinestLevel(slide)[:20, :30]


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "tcga-cr-7395-01a-01-ts1.svs"])
def test_a_screen_of_a_real_slide(shared, name) -> None:
    """Seen at each level, a screen comes at once when its tiles are kept, and soon when they are not."""
    with open_slide(shared / "data" / "slides" / name) as slide:
        arrays = slide_arrays(slide)
        np.asarray(arrays[-1])
        for array in arrays:
            h, w = (min(side, most) for side, most in zip(array.shape, (900, 1200), strict=False))
            top, left = (array.shape[0] - h) // 2, (array.shape[1] - w) // 2
            took = []
            for _ in range(3):
                began = time.perf_counter()
                array[top : top + h, left : left + w]
                took.append(time.perf_counter() - began)
            assert min(took) < 0.1
            assert took[0] < 1.0  # alone 0.1 s; tests share a processor
