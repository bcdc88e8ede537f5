from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_construct.crf import CRFParameters
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.evaluation.scores.models import ScoredModels
from napari_construct.events import Event, Notice, SizeAssumed, run
from napari_construct.exceptions import (
    CheckpointError,
    ConfigurationError,
    ConstructError,
    EncoderError,
    InputError,
)
from napari_construct.export.record import plain
from napari_construct.inference.activation import memory
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.prepared_image import check_image
from napari_construct.inference.decision.decider import Decider, finish, finish_steps
from napari_construct.inference.loading import load_model, predictor_of
from napari_construct.inference.segment import segment, segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint, save_checkpoint
from napari_construct.models.network.calibration import BackgroundRule, Calibration, ViewsName
from napari_construct.refinement.cam import published_probabilities
from napari_construct.refinement.safeguard import protect_regions
from napari_construct.refinement.views import VIEWS
from napari_construct.results.result import SegmentationResult

from .conftest import ColourPredictor, checkpoint

PLAIN = SegmentSettings(crf=None)


def _settings(**changes: Any) -> SegmentSettings:
    return PLAIN.changed(**changes)


def _check(result: SegmentationResult, shape: tuple[int, int]) -> None:
    k = len(result.classes)
    assert result.labels.shape == result.confidence.shape == result.background.shape == shape
    assert result.probabilities.shape == result.cams.shape == (k, *shape)
    assert result.labels.dtype == np.uint8
    assert result.probabilities.dtype == result.cams.dtype == result.confidence.dtype == np.float32
    assert result.labels.max() <= k
    for array in (result.probabilities, result.cams, result.confidence):
        assert array.min() >= 0
        assert array.max() <= 1
    total = result.probabilities.sum(0)
    np.testing.assert_allclose(total[~result.background], 1, atol=1e-5)
    assert not total[result.background].any()
    assert not result.labels[result.background].any()


@pytest.mark.parametrize("views", ["one", "four", "six"])
def test_tiled_and_whole_agree(colours: ColourPredictor, tissue: np.ndarray, views: str) -> None:
    whole = run(cam_steps(tissue, colours, _settings(views=views)))
    tiled = run(cam_steps(tissue, colours, _settings(views=views, tile=96, overlap=32)))
    assert whole.record["tiles"] == 1
    assert tiled.record["tiles"] == 16
    np.testing.assert_allclose(tiled.logits, whole.logits, atol=1e-5)
    a, b = (finish(activation, colours, PLAIN) for activation in (whole, tiled))
    np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)
    assert (a.labels == b.labels).mean() > 0.9999


@pytest.mark.parametrize("shape", [(16, 16), (17, 333), (300, 40), (130, 129)])
def test_any_size(tiny: Predictor, tissue: np.ndarray, shape: tuple[int, int]) -> None:
    image = np.tile(tissue, (2, 2, 1))[: shape[0], : shape[1]].copy()
    result = run(segment_steps(image, tiny, _settings(tile=64, overlap=32)))
    _check(result, shape)


def test_labels_lie_where_the_colours_are(colours: ColourPredictor) -> None:
    image = np.full((75, 90, 3), (120, 60, 150), dtype=np.uint8)
    image[:, 40:] = (225, 200, 225)
    result = run(segment_steps(image, colours, _settings(classes=("dark", "pale"))))
    assert (result.labels[:, :36] == 1).all()
    assert (result.labels[:, 44:] == 2).all()


def test_resampled_where_both_resolutions_are_known(colours: ColourPredictor, tissue: np.ndarray) -> None:
    events: list[Event] = []
    result = run(segment_steps(tissue, colours, PLAIN, mpp=0.25, name="region.png"), events.append)
    _check(result, (256, 256))
    assert colours.shapes == [(1, 3, 128, 128)]
    (notice,) = [e for e in events if isinstance(e, Notice)]
    assert notice.message.startswith(
        "region.png: 0.25 um per pixel, the model was trained at 0.5; the image is reduced"
    )
    assert result.mpp == 0.25
    assert result.record["notices"] == [notice.message]
    colours.shapes.clear()
    run(segment_steps(tissue, colours, PLAIN))
    run(segment_steps(tissue, colours, _settings(mpp=1.0), mpp=0.25))
    assert colours.shapes[:2] == [(1, 3, 256, 256), (1, 3, 512, 512)]


def test_resampling_moves_nothing(colours: ColourPredictor) -> None:
    image = np.full((128, 192, 3), (225, 200, 225), dtype=np.uint8)
    image[32:64, 96:160] = (120, 60, 150)
    named = _settings(classes=("dark", "pale"))
    for mpp in (0.125, 0.25, 0.5, 1.0):
        labels = run(segment_steps(image, colours, named, mpp=mpp)).labels
        rows, columns = np.nonzero(labels == 1)
        assert rows.mean() == pytest.approx(47.5, abs=2)
        assert columns.mean() == pytest.approx(127.5, abs=2)


def test_a_strong_enlargement_is_said_and_an_unknown_size_is_recorded(
    colours: ColourPredictor, tissue: np.ndarray
) -> None:
    strong = run(segment_steps(tissue[:64, :64], colours, _settings(), mpp=2.5))
    assert "unreliable" in strong.record["notices"][0]
    assert "mpp_assumed" not in strong.record["input"]
    weak = run(segment_steps(tissue[:64, :64], colours, _settings(), mpp=1.0))
    assert "unreliable" not in weak.record["notices"][0]
    unknown = run(segment_steps(tissue[:64, :64], colours, _settings()))
    assert unknown.record["input"]["mpp"] is None
    assert unknown.record["input"]["mpp_assumed"] == colours.patch_mpp == 0.5
    colours.checkpoint.training["scale"] = 0.5  # patches of 0.25, which the network sees at 0.5
    reduced = run(segment_steps(tissue[:64, :64], colours, _settings()))
    assert reduced.record["input"]["mpp_assumed"] == colours.patch_mpp == 0.25
    (notice,) = reduced.record["notices"]
    assert "assumed to be that of the training patches (0.25 um per pixel)" in notice
    assert isinstance(notice, SizeAssumed)


def test_absurd_resolution_is_refused(colours: ColourPredictor, tissue: np.ndarray) -> None:
    with pytest.raises(InputError, match="within 8 times"):
        run(segment_steps(tissue, colours, PLAIN, mpp=5.0))
    assert colours.calls == 0


def test_one_event_a_tile_and_view(colours: ColourPredictor, tissue: np.ndarray) -> None:
    events: list[Event] = []
    run(cam_steps(tissue, colours, _settings(views="six", tile=160, overlap=32)), events.append)
    assert [e.done for e in events] == list(range(4 * 6 + 1))
    assert {e.total for e in events} == {24}
    assert colours.calls == 24


def test_cancel_acts_within_one_tile(colours: ColourPredictor, tissue: np.ndarray) -> None:
    steps = segment_steps(tissue, colours, _settings(tile=96, overlap=32))
    for event in steps:
        if event.done == 3:
            steps.close()
            break
    assert colours.calls == 3
    assert list(steps) == []


def test_named_classes_are_the_only_ones(colours: ColourPredictor, tissue: np.ndarray) -> None:
    result = run(segment_steps(tissue, colours, _settings(classes=("green", "pale"))))
    assert result.presence == (False, True, True)
    assert not result.probabilities[0].any()
    assert not (result.labels == 1).any()
    assert result.cams[0].max() > 0.5  # a CAM shows what it sees, present or not
    _check(result, (256, 256))


def test_unknown_class_is_refused_before_the_work(colours: ColourPredictor, tissue: np.ndarray) -> None:
    with pytest.raises(ConfigurationError, match="dark, pale, green, got 'tumor'"):
        run(segment_steps(tissue, colours, _settings(classes=("tumor",))))
    with pytest.raises(ConfigurationError, match="at least one"):
        run(segment_steps(tissue, colours, _settings(classes=())))
    assert colours.calls == 0


def test_finish_never_runs_the_network(colours: ColourPredictor, tissue: np.ndarray) -> None:
    activation = run(cam_steps(tissue, colours, PLAIN))
    calls = colours.calls
    first = finish(activation, colours, PLAIN)
    certain = finish(activation, colours, _settings(min_confidence=0.9))
    assert colours.calls == calls
    assert (first.labels == run(segment_steps(tissue, colours, PLAIN)).labels).all()
    kept = first.confidence >= 0.9
    assert (certain.labels[kept] == first.labels[kept]).all()
    assert not certain.labels[~kept].any()
    assert 0 < kept.mean() < 1


def test_confidence_is_the_probability_of_the_label(colours: ColourPredictor, tissue: np.ndarray) -> None:
    result = run(segment_steps(tissue, colours, PLAIN))
    labelled = result.labels > 0
    np.testing.assert_array_equal(result.confidence[labelled], result.probabilities.max(0)[labelled])
    assert (result.confidence[result.background] == 1).all()


def test_temperature_and_thresholds_of_the_calibration(tissue: np.ndarray) -> None:
    hard = ColourPredictor(checkpoint(Calibration(presence_thresholds=(0.01, 1, 1))))
    soft = ColourPredictor(checkpoint(Calibration(temperature=4, presence_thresholds=(0, 0, 0))))
    a, b = (run(segment_steps(tissue, model, PLAIN)) for model in (hard, soft))
    assert a.presence == (True, False, False)
    assert b.presence == (True, True, True)
    np.testing.assert_allclose(a.presence_scores, b.presence_scores)
    logit = np.log(a.cams[0] / (1 - a.cams[0]))
    np.testing.assert_allclose(b.cams[0], 1 / (1 + np.exp(-logit / 4)), atol=1e-4)


def test_glass_alone_has_no_classes(colours: ColourPredictor) -> None:
    image = np.full((64, 80, 3), 245, dtype=np.uint8)
    result = run(segment_steps(image, colours, SegmentSettings()))
    assert result.presence == (False, False, False)
    assert result.background.all()
    _check(result, (64, 80))
    off = run(segment_steps(image, colours, _settings(background=BackgroundRule(enabled=False))))
    assert any(off.presence)
    assert (off.labels > 0).all()


def test_crf_follows_colours_and_leaves_glass(colours: ColourPredictor, tissue: np.ndarray) -> None:
    image = np.ascontiguousarray(tissue[96:160, 96:160])
    activation = run(cam_steps(image, colours, PLAIN))
    before, after = (finish(activation, colours, s) for s in (PLAIN, SegmentSettings()))
    assert (before.probabilities == after.probabilities).all()
    assert (before.background == after.background).all()
    assert (before.labels != after.labels).any()
    assert ((after.labels == 0) == after.background).all()
    _check(after, (64, 64))
    assert before.refinement is before.record["refinement"] is None
    assert after.refinement is not None
    assert after.refinement.changed == (before.labels != after.labels).mean()
    said = after.record["refinement"]
    assert sum(said["area_change"].values()) == 0
    assert said["area_change"]["dark"] == (after.labels == 1).sum() - (before.labels == 1).sum()
    assert len(said["largest_erased"]) == min(said["erased_regions"], 50)
    json.dumps(plain(after.record))


def test_confident_regions_can_be_protected_from_the_crf(
    colours: ColourPredictor, tissue: np.ndarray
) -> None:
    image = np.ascontiguousarray(tissue[96:160, 96:160])
    activation = run(cam_steps(image, colours, PLAIN))
    before, free = (finish(activation, colours, s) for s in (PLAIN, SegmentSettings()))
    flipped = before.labels != free.labels
    threshold = float(np.quantile(before.confidence[flipped], 0.2))
    held = finish(activation, colours, SegmentSettings(protect_confidence=threshold))
    expected = protect_regions(
        before.labels, free.labels, before.confidence, threshold=threshold, ignore=(0,)
    )
    np.testing.assert_array_equal(held.labels, expected)
    assert (held.labels != free.labels).any()
    assert held.refinement is not None
    assert free.refinement is not None
    assert held.refinement.changed < free.refinement.changed
    assert held.record["settings"]["protect_confidence"] == threshold
    assert SegmentSettings().protect_confidence is None
    with pytest.raises(ConfigurationError, match="protect_confidence"):
        SegmentSettings().changed(protect_confidence=0)


def test_record_says_what_was_done(colours: ColourPredictor, tissue: np.ndarray) -> None:
    result = run(segment_steps(tissue, colours, _settings(views="six"), mpp=0.25, name="a.png"))
    record = json.loads(json.dumps(plain(result.record)))
    assert record["input"]["name"] == "a.png"
    assert record["input"]["shape"] == [256, 256, 3]
    assert len(record["input"]["sha256"]) == 64
    assert record["model"]["encoder_sha256"] == colours.checkpoint.encoder_hash
    assert SegmentSettings.model_validate(record["settings"]) == _settings(views="six")
    assert record["views"] == 6
    assert record["times"]["network_seconds"] > 0
    assert {"napari-construct", "torch", "numpy"} <= record["software"].keys()


def test_too_large_for_memory(
    colours: ColourPredictor, tissue: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 2**20)
    with pytest.raises(InputError, match=r"region.png.*fits into 0.0 GiB.*cut out a region"):
        run(segment_steps(tissue, colours, PLAIN, name="region.png"))
    assert colours.calls == 0


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        [[1, 2, 3]],
    ],
    ids=["grey", "rgba", "float", "one pixel", "empty", "list"],
)
def test_arrays_that_are_no_image(image: Any) -> None:
    with pytest.raises(InputError, match=r"^layer: expected"):
        check_image(image, "layer")


def test_damaged_network_and_full_device(
    tiny: Predictor, tissue: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spoilt(torch.nn.Module):
        spec = TinyEncoder().spec

        def forward(self, images: torch.Tensor) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with torch.no_grad():
        tiny._network.head.logit_scale.fill_(float("nan"))
    with pytest.raises(ConstructError, match="returned NaN or infinity"):
        run(segment_steps(tissue, tiny, PLAIN))
    monkeypatch.setattr(tiny, "_network", Spoilt())
    with pytest.raises(ConstructError, match=r"cpu ran out of memory on 1 tile.*choose smaller tiles"):
        run(segment_steps(tissue, tiny, PLAIN))


@pytest.mark.parametrize("side", [48, 256], ids=["made anew", "kept"])
def test_a_device_too_full_to_refine_on_is_told(
    colours: ColourPredictor, tissue: np.ndarray, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    for name in ("Factorisation", "dense_crf_steps"):
        monkeypatch.setattr(f"napari_construct.inference.decision.decider.{name}", full)
    says = f"cpu ran out of memory while refining {side} x {side} pixels; choose no refinement.*device cpu"
    with pytest.raises(ConstructError, match=says):
        run(segment_steps(tissue[:side, :side], colours, SegmentSettings(classes=("dark", "pale"))))


def test_a_device_too_full_for_the_model_is_told(tiny_checkpoint: Checkpoint) -> None:
    class Large(TinyEncoder):
        def _apply(self, *_: Any, **__: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ConstructError, match="cpu ran out of memory over the model large; choose the dev"):
        Predictor(tiny_checkpoint, "cpu", encoder=Large(), name="large")


@pytest.mark.parametrize("name", ["one", "six"])
def test_published_preset_has_the_released_arithmetic(tissue: np.ndarray, name: ViewsName) -> None:
    made = checkpoint(preset="published", fusion="none", class_bias=False, prototype_mlp=False, mpp=None)
    predictor = Predictor(made, "cpu", encoder=TinyEncoder())
    image = np.ascontiguousarray(tissue[:224, :224])
    settings = _settings(classes=("dark", "green"), views=name)
    result = run(segment_steps(image, predictor, settings))
    batch = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    views = VIEWS[name]
    cams = [v.undo(predictor.logits(v.apply(batch, predictor.mean))) for v in views]
    expected = published_probabilities(cams, torch.tensor([[1, 0, 1]]), (224, 224))[0].numpy()
    np.testing.assert_allclose(result.probabilities, expected[:3], atol=1e-5)
    best = expected.argmax(0)
    assert (result.labels == np.where(best == 3, 0, best + 1)).mean() > 0.999
    assert (result.background == (result.labels == 0)).all()


def test_load_and_segment(tiny_checkpoint: Checkpoint, tissue: np.ndarray, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "small.construct", tiny_checkpoint)
    predictor = load_model(path, device="cpu")
    assert (predictor.name, len(predictor.sha256 or "")) == ("small", 64)
    assert "dark, pale, green; on cpu" in repr(predictor)
    with pytest.raises(EncoderError, match="tiny: expected no file of weights"):
        load_model(path, encoder_weights=tmp_path / "weights.bin")
    by_path = segment(tissue, path, crf=None, device="cpu", tile=128)
    by_model = segment(tissue, predictor, PLAIN.changed(tile=128))
    assert (by_path.labels == by_model.labels).all()
    with pytest.raises(ConfigurationError, match=r"setting tile: .*got 3"):
        segment(tissue, predictor, tile=3)
    with pytest.raises(ConfigurationError, match="setting tiles"):
        segment(tissue, predictor, tiles=128)


def test_missing_models_and_devices(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no-such-model"):
        load_model("no-such-model")
    with pytest.raises(ConfigurationError, match="expected a device"):
        load_model(tmp_path / "x.construct", device="gpu")
    with pytest.raises(ConfigurationError, match=r"expected a device of this machine \(.*cpu\), got"):
        load_model(tmp_path / "x.construct", device="cpu:7" if torch.cuda.is_available() else "cuda")


def test_a_loaded_model_stays_on_its_device(tiny_checkpoint: Checkpoint, tissue: np.ndarray) -> None:
    predictor = Predictor(tiny_checkpoint, "cpu", name="small")
    for device in (None, "auto", "cpu", "cpu:0"):
        assert predictor_of(predictor, device) is predictor
    here = segment(tissue, predictor, PLAIN, device="cpu")
    assert here.record["device"] == "cpu"
    assert "device" not in here.record["settings"]
    predictor.device = torch.device("cuda:1")
    says = r"model small \(cuda:1\), got 'cpu'; leave the device out"
    with pytest.raises(ConfigurationError, match=says):
        segment(tissue, predictor, PLAIN, device="cpu")
    with pytest.raises(ConfigurationError, match=says):
        ScoredModels([predictor], device="cpu")


def test_decider_on_a_window_is_the_part_of_the_whole(colours: ColourPredictor, tissue: np.ndarray) -> None:
    activation = run(cam_steps(tissue, colours, PLAIN))
    decider = Decider(activation, colours)
    window = (slice(40, 200), slice(16, 230))
    for settings in (
        PLAIN,
        _settings(min_confidence=0.7),
        _settings(background=BackgroundRule(brightness=150)),
    ):
        whole, part = finish(activation, colours, settings), run(decider.steps(settings, window))
        assert part.presence == whole.presence
        for name in ("labels", "confidence", "background"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[window])
        np.testing.assert_array_equal(part.probabilities, whole.probabilities[:, *window])


def test_decider_gives_what_finish_gives_whatever_came_before(
    colours: ColourPredictor, tissue: np.ndarray
) -> None:
    activation = run(cam_steps(tissue, colours, PLAIN))
    decider = Decider(activation, colours)
    for crf in (
        CRFParameters(),
        CRFParameters(appearance_weight=5),
        CRFParameters(appearance_sigma_rgb=40),
        None,
        CRFParameters(iterations=2),
    ):
        settings = SegmentSettings(crf=crf)
        np.testing.assert_array_equal(
            run(decider.steps(settings)).labels, finish(activation, colours, settings).labels
        )


def test_presence_threshold_of_the_settings(colours: ColourPredictor, tissue: np.ndarray) -> None:
    activation = run(cam_steps(tissue, colours, PLAIN))
    assert finish(activation, colours, _settings(presence_threshold=0)).presence == (True, True, True)
    scores = finish(activation, colours, PLAIN).presence_scores
    one = finish(activation, colours, _settings(presence_threshold=1)).presence
    assert one == tuple(score == max(scores) for score in scores)


def test_overlap_and_tile_are_judged_together() -> None:
    with pytest.raises(ConfigurationError, match="overlap of 32 or less, or tiles of 96 or more"):
        SegmentSettings().changed(tile=64, overlap=48)
    assert SegmentSettings(tile=64, overlap=32).overlap == 32


def test_refinement_can_be_cancelled_between_its_steps(colours: ColourPredictor, tissue: np.ndarray) -> None:
    activation = run(cam_steps(tissue, colours, PLAIN))
    events: list[Event] = []
    run(finish_steps(activation, colours, SegmentSettings()), events.append)
    iterations = [event for event in events if event.stage == "dense CRF"]
    assert [event.done for event in iterations] == [1, 2, 3, 4, 5]
    steps = finish_steps(activation, colours, SegmentSettings())
    while next(steps).stage != "dense CRF":
        pass
    steps.close()
    assert list(steps) == []


def test_a_path_a_lazy_array_and_an_array_give_the_same(tmp_path: Path) -> None:
    import dask.array
    from PIL import Image

    pixels = np.random.default_rng(0).integers(80, 256, (64, 96, 3), np.uint8)
    path = tmp_path / "slide.png"
    Image.fromarray(pixels).save(path, dpi=(25400 / 0.5, 25400 / 0.5))  # 0.5 um per pixel
    predictor = ColourPredictor(checkpoint())
    events: list[Event] = []
    from_file = segment(path, predictor, crf=None, progress=events.append)
    assert from_file.mpp == pytest.approx(0.5, rel=1e-3)
    assert from_file.record["input"]["name"] == "slide.png"
    assert {event.stage for event in events} == {"tiles", "refine"}
    for given in (pixels, dask.array.from_array(pixels), Image.fromarray(pixels)):
        result = segment(given, predictor, crf=None, mpp=from_file.mpp)
        np.testing.assert_array_equal(result.cams, from_file.cams)
        assert result.record["input"]["sha256"] == from_file.record["input"]["sha256"]
    assert segment(path, predictor, crf=None, mpp=0.25).mpp == 0.25  # what is said goes before the file


def test_what_had_to_be_changed_on_the_way_is_in_the_record_and_among_the_events() -> None:
    grey = np.random.default_rng(0).integers(80, 256, (64, 64), np.uint8)
    events: list[Event] = []
    result = segment(grey, ColourPredictor(checkpoint()), crf=None, name="section", progress=events.append)
    said = [event.message for event in events if isinstance(event, Notice)]
    (repeated,) = [text for text in result.record["notices"] if "greyscale is copied" in text]
    assert repeated.startswith("section")
    assert repeated in said


@pytest.mark.parametrize("image", [None, "nowhere.png", np.zeros((3, 64, 64, 3), np.uint8)])
def test_what_is_no_image_is_refused_before_a_model_is_loaded(image: Any) -> None:
    with pytest.raises(InputError):
        segment(image, "no such model")
