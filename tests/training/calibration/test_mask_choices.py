"""Whether a model's masks get the CRF by default is asked of images with masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.images import read_image
from napari_construct.events import run
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import ViewsName
from napari_construct.training.calibration.mask_choices import best_choices_steps
from napari_construct.training.calibration.recalibrate import recalibrate_steps, with_calibration
from napari_construct.training.calibration.validation import open_masked


@pytest.mark.parametrize("truth_has_crf", [True, False])
def test_the_crf_is_used_where_masks_ask_for_it(assets: Path, tmp_path: Path, truth_has_crf: bool) -> None:
    model = load_model("lymph-node", device="cpu")
    (tmp_path / "img").mkdir()
    (tmp_path / "mask").mkdir()
    settings = SegmentSettings(mpp=0.25)
    pixels = read_image(max((assets / "camelyon" / "val" / "img").iterdir())).pixels
    refined = segment(pixels, model, settings).labels
    plain = segment(pixels, model, settings.changed(crf=None)).labels
    assert (refined != plain).any()
    labels = refined if truth_has_crf else plain
    # the truth of this test: what the model itself says, with or without the CRF
    Image.fromarray(pixels).save(tmp_path / "img" / "a.png")
    mask = np.where(labels > 0, labels - 1, 255).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "mask" / "a.png")
    data = open_masked(tmp_path, 0.25)
    assert run(best_choices_steps(data, model)) == ("one", truth_has_crf)
    fitted = run(recalibrate_steps(model.checkpoint, tmp_path, mpp=0.25, device="cpu"))
    assert fitted.calibration.crf is truth_has_crf


@pytest.mark.parametrize("views", ["one", "four"])
def test_four_views_are_taken_where_masks_ask_for_them(
    assets: Path, tmp_path: Path, views: ViewsName
) -> None:
    model = load_model("lymph-node", device="cpu")
    (tmp_path / "img").mkdir()
    (tmp_path / "mask").mkdir()
    pixels = read_image(max((assets / "camelyon" / "val" / "img").iterdir())).pixels
    settings = SegmentSettings(mpp=0.25, crf=None)
    found = {name: segment(pixels, model, settings.changed(views=name)).labels for name in ("one", "four")}
    assert (found["one"] != found["four"]).any()
    Image.fromarray(pixels).save(tmp_path / "img" / "a.png")
    mask = np.where(found[views] > 0, found[views] - 1, 255).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / "mask" / "a.png")
    assert run(best_choices_steps(open_masked(tmp_path, 0.25), model))[0] == views
    fitted = run(recalibrate_steps(model.checkpoint, tmp_path, mpp=0.25, device="cpu"))
    assert fitted.calibration.views == views
    chosen = segment(pixels, type(model)(fitted, "cpu"), settings)
    assert chosen.record["views"] == (1 if views == "one" else 4)


def test_the_choice_is_the_models_default() -> None:
    model = load_model("lymph-node", device="cpu")
    assert model.resolved(SegmentSettings()).crf is not None
    without = model.calibration.model_copy(update={"crf": False})
    other = type(model)(with_calibration(model.checkpoint, without), "cpu")
    assert other.resolved(SegmentSettings()).crf is None
