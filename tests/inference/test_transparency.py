"""Transparent places hold no data: no class is there, and nothing there counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_construct.crf import CRFParameters
from napari_construct.data.images import read_image
from napari_construct.data.rgb import as_shown
from napari_construct.events import run
from napari_construct.exceptions import InputError
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.decision.decider import Decider
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule, Calibration

from .conftest import ColourPredictor, checkpoint

PLAIN = SegmentSettings(crf=None, tile=64, overlap=16)
NO_GLASS = BackgroundRule(enabled=False)


def _predictor(**calibration: object) -> ColourPredictor:
    return ColourPredictor(checkpoint(Calibration(presence_thresholds=(0.5, 0.5, 0.5), **calibration)))


def _half(colour: tuple[int, int, int], hidden: int, size: int = 96) -> np.ndarray:
    """RGBA: the left half dark tissue, the right one of a colour and transparent."""
    rgba = np.full((size, size, 4), 255, np.uint8)
    rgba[:, :, :3] = (120, 60, 130)
    rgba[:, size - hidden :, :3] = colour
    rgba[:, size - hidden :, 3] = 0
    return rgba


@pytest.mark.parametrize("crf", [None, CRFParameters(iterations=2)])
@pytest.mark.parametrize("background", [None, NO_GLASS])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 255, 0), (240, 200, 220)])
def test_transparent_pixels_count_nowhere(colour, background, crf) -> None:
    alone = _half(colour, 0)
    rgba = _half(colour, 48)
    settings = PLAIN.changed(crf=crf, background=background)
    result = segment(rgba, _predictor(), settings)
    whole = segment(alone, _predictor(), settings)
    hidden = rgba[..., 3] == 0
    assert not result.labels[hidden].any()
    assert result.background[hidden].all()
    assert not result.probabilities[:, hidden].any()
    assert result.tissue_pixels == (~hidden).sum()
    assert result.presence == whole.presence
    for row, same in zip(result.areas(), whole.areas(), strict=True):
        assert row["percent_of_tissue"] == pytest.approx(same["percent_of_tissue"])
        assert row["pixels"] == same["pixels"] / 2
    assert any("50.0 % of the pixels are transparent" in text for text in result.record["notices"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_lies_under_transparent_pixels_never_matters(data) -> None:
    """Colours that nobody sees, even NaN and deeper values, change neither the picture nor its notices."""
    kind = data.draw(st.sampled_from(["uint8", "uint16", "float32"]))
    channels = data.draw(st.sampled_from([2, 4]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    top = {"uint8": 255, "uint16": 4095, "float32": 1}[kind]
    array = (rng.random((20, 22, channels)) * top).astype(kind)
    array[..., -1] = top
    hidden = rng.random((20, 22)) < data.draw(st.sampled_from([0.01, 0.5, 0.9]))
    hidden[0, 0], hidden[5, 5] = False, True
    array[hidden, -1] = 0
    other = array.copy()
    other[hidden, :-1] = {"uint8": 255, "uint16": 65535, "float32": np.nan}[kind]
    one, two = as_shown(array, name="a"), as_shown(other, name="a")
    np.testing.assert_array_equal(one.rgb, two.rgb)
    np.testing.assert_array_equal(one.valid, ~hidden)
    assert one.notices == two.notices
    assert (one.rgb[hidden] == 255).all()


def test_partly_transparent_pixels_are_laid_on_white() -> None:
    rgba = np.full((16, 16, 4), 100, np.uint8)
    rgba[..., 3] = 51  # a fifth
    shown = as_shown(rgba, name="a")
    assert shown.valid is None
    assert (shown.rgb == round(100 / 5 + 255 * 4 / 5)).all()
    assert shown.notices == ("a: partly transparent pixels are laid on white",)


def test_a_wholly_transparent_image_is_an_error() -> None:
    rgba = np.zeros((32, 32, 4), np.uint8)
    with pytest.raises(InputError, match=r"all of its pixels are transparent.*choose another"):
        segment(rgba, _predictor(), PLAIN)


def test_a_transparent_region_of_an_image_is_an_error(tmp_path: Path) -> None:
    image = as_shown(_half((0, 0, 0), 48), name="a")
    with pytest.raises(InputError, match=r"all of its pixels are transparent.*choose another region"):
        run(cam_steps(image.rgb[:, 48:], _predictor(), PLAIN, valid=image.valid[:, 48:]))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_files_arrays_and_pillow_images_agree(tmp_path: Path, mode: str) -> None:
    rgba = Image.fromarray(_half((0, 0, 0), 40))
    if mode in ("RGBA", "LA", "PA"):
        image = rgba.convert(mode)
    else:  # a colour that means transparent
        image = Image.fromarray(np.asarray(rgba)[..., :3]).convert(mode)
        image.info["transparency"] = image.getpixel((90, 5))
    if mode == "P":
        image.putpixel((0, 0), image.getpixel((0, 0)))
    result = segment(image, _predictor(), PLAIN)
    assert not result.labels[:, 56:].any()
    assert result.labels[:, :56].all()
    if mode != "PA":  # which no format stores
        path = tmp_path / "a.png"
        image.save(path, transparency=image.info.get("transparency"))
        stored = read_image(path)
        assert stored.valid is not None
        np.testing.assert_array_equal(segment(path, _predictor(), PLAIN).labels, result.labels)


def test_decisions_on_windows_and_with_other_settings_keep_it() -> None:
    image = as_shown(_half((0, 0, 0), 48), name="a")
    predictor = _predictor()
    activation = run(cam_steps(image.rgb, predictor, PLAIN, valid=image.valid))
    decider = Decider(activation, predictor)
    for rule in (NO_GLASS, BackgroundRule(enabled=True), None):
        window = (slice(10, 70), slice(20, 90))
        part = run(decider.steps(PLAIN.changed(background=rule, classes=("dark", "pale")), window))
        assert not part.labels[:, 28:].any()
        assert part.labels[:, :28].all()
