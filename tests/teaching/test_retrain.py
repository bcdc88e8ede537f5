"""Retraining with corrections, on a constructed tissue whose two classes differ in colour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import EpochDone, StepDone
from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.losses.partial_cross_entropy import UNKNOWN, partial_cross_entropy
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.checkpoint import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.unet import build_unet
from napari_construct.teaching.retrain import RetrainResult, RetrainSettings, retrain, retrain_steps
from napari_construct.teaching.retraining.corrections import checked
from napari_construct.teaching.retraining.held_out import painted_by, split, strokes_of
from napari_construct.teaching.retraining.job import RetrainJob
from napari_construct.teaching.retraining.looks import believed
from napari_construct.teaching.retraining.parts import Crops, at_shape, make_part
from napari_construct.teaching.retraining.scores import compare, share_changed, stroke_matrices
from napari_construct.teaching.strokes import Strokes
from napari_construct.training.loop.identity import state_path

NAMES = ("pale", "dark")
TINY = ModelConfig(
    encoder="tiny", teacher=None, prototype_width=16, projection_hidden=16, fusion_width=16, cam_stride=8
)
SETTINGS = RetrainSettings(
    steps=6,
    batch_size=4,
    learning_rate=3e-3,
    average_from=0.0,
    held_out=0.25,
    seed=1,
)


def tissue(seed: int, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Left half pale, right half dark, with noise; and its truth, 0 and 1."""
    random = np.random.default_rng(seed)
    truth = np.zeros((size, size), np.uint8)
    truth[:, size // 2 :] = 1
    colours = np.array([[230, 190, 215], [120, 60, 140]], float)
    image = colours[truth] + random.normal(0, 12, (size, size, 3))
    return np.clip(image, 0, 255).astype(np.uint8), truth


def corrected(seed: int, every: int = 24) -> Strokes:
    """Short strokes of both classes on a tissue, in the right class."""
    image, truth = tissue(seed)
    painted = np.zeros(truth.shape, np.uint8)
    for row in range(8, 90, every):
        for column in (10, 70):
            painted[row : row + 4, column : column + 14] = truth[row, column] + 1
    return Strokes(f"t{seed}.png", image, painted, None)


@pytest.fixture
def model() -> Checkpoint:
    """An untrained first stage on the tiny encoder."""
    made = build_model(TINY, TinyEncoder(), 2, seed=5)
    return checkpoint_of(
        made,
        ClassTable.from_names(NAMES),
        Calibration(presence_thresholds=(0.0, 0.0), crf=False),
        training={"patch": 64},
        mpp=None,
    )


@pytest.fixture
def file(model: Checkpoint, tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "old.construct", model)


@pytest.fixture
def corrections() -> list[Strokes]:
    return [corrected(seed) for seed in range(4)]


@pytest.fixture
def replay(tmp_path: Path) -> ImageLevelDataset:
    """Patches of a single class each."""
    for name, columns in (("pale", slice(0, 64)), ("dark", slice(64, 128))):
        (tmp_path / "old" / name).mkdir(parents=True)
        for seed in range(5):
            image = tissue(10 + seed, 128)[0][:64, columns]
            Image.fromarray(image).save(tmp_path / "old" / name / f"{seed}.png")
    return load_dataset(tmp_path / "old", class_names=NAMES)


def encoder() -> TinyEncoder:
    return TinyEncoder()


def run_of(
    model: Any, corrections: list[Strokes], settings: RetrainSettings = SETTINGS, **more: Any
) -> RetrainResult:
    return retrain(model, corrections, settings, encoder=encoder(), device="cpu", **more)


def right(checkpoint: Checkpoint, seed: int) -> float:
    """Share of the pixels of a tissue that are right."""
    image, truth = tissue(seed)
    predictor = Predictor(checkpoint, "cpu", encoder=encoder())
    settings = SegmentSettings(classes=NAMES, crf=None)
    return float((segment(image, predictor, settings).labels == truth + 1).mean())


# --- the loss


def test_unpainted_pixels_have_no_gradient() -> None:
    logits = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0)).double().requires_grad_()
    truth = torch.full((2, 6, 5), UNKNOWN, dtype=torch.uint8)
    truth[0, 1, 2], truth[1, 4, 4], truth[1, 4, 3] = 2, 0, 0
    partial_cross_entropy(logits, truth).backward()
    assert logits.grad is not None
    painted = logits.grad.abs().sum(1) > 0
    torch.testing.assert_close(painted, truth != UNKNOWN)


def test_classes_count_equally_however_much_is_painted() -> None:
    logits = torch.zeros(1, 2, 4, 4)
    logits[:, 0] = 2.0
    truth = torch.zeros(1, 4, 4, dtype=torch.uint8)
    truth[0, 0, 0] = 1
    p = torch.tensor([2.0, 0.0]).log_softmax(0)
    torch.testing.assert_close(partial_cross_entropy(logits, truth), -p.mean())
    nothing = torch.full((1, 4, 4), UNKNOWN, dtype=torch.uint8)
    assert float(partial_cross_entropy(logits, nothing)) == 0


def test_a_step_learns_from_painted_pixels_and_old_labels_only(model: Checkpoint) -> None:
    """Changing pixels that are neither painted nor believed changes no loss but through the network."""
    job = RetrainJob(
        model, [corrected(0)], SETTINGS.changed(keep=0), None, None, None, None, encoder(), "cpu"
    )
    loop = _loop(job)
    cam = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.full((4, 64, 64), UNKNOWN, dtype=torch.uint8)
    labels[0, 30:34, 30:34], labels[1, :8, :8] = 1, 2  # the second is what the old model believed
    found = loop.losses(cam, labels, None)
    assert set(found) == {"loss", "corrections"}
    found["loss"].backward()
    assert cam.grad is not None
    assert cam.grad[0, :, 3:5, 3:5].abs().min() > 0
    assert float(cam.grad[1:].abs().sum()) == 0
    assert float(cam.grad[0, :, 6:].abs().sum()) == 0


def _loop(job: RetrainJob) -> Any:
    from napari_construct.teaching.retraining import job as module

    made: list[Any] = []
    original = module.Retraining

    class Kept(original):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    module.Retraining = Kept  # type: ignore[misc]
    try:
        steps = job.steps(None, resume=False)
        while not made:
            next(steps)
        steps.close()
    finally:
        module.Retraining = original  # type: ignore[misc]
    return made[0]


# --- what is left out


def test_whole_images_are_left_out_where_there_are_three(corrections: list[Strokes]) -> None:
    strokes = strokes_of(corrections)
    assert len(strokes) == 4 * 8
    found = split(strokes, 0.25, 3)
    assert found.by_image
    assert len(found.images) == 1
    assert {s.image for s in found.learned}.isdisjoint(found.images)
    assert len(found.learned) + len(found.left_out) == len(strokes)
    assert split(strokes, 0.25, 3).images == found.images


def test_strokes_of_every_class_are_left_out_of_one_image(corrections: list[Strokes]) -> None:
    found = split(strokes_of(corrections[:1]), 0.25, 0)
    assert not found.by_image
    assert sorted(s.of_class for s in found.left_out) == [0, 1]
    assert len(found.learned) == 6


def test_a_class_is_never_left_without_strokes_to_learn_from(corrections: list[Strokes]) -> None:
    lone = [replace(s, painted=np.where(s.painted == 2, 0, s.painted)) for s in corrections[:3]]
    only = np.zeros((96, 96), np.uint8)
    only[:4, 60:70] = 2
    strokes = strokes_of([*lone, Strokes("d", tissue(9)[0], only, None)])
    for seed in range(20):
        assert {s.of_class for s in split(strokes, 0.5, seed).learned} == {0, 1}


def test_too_few_or_switched_off_strokes_are_not_left_out(corrections: list[Strokes]) -> None:
    few = np.zeros((96, 96), np.uint8)
    few[4:8, 4:20], few[4:8, 70:90] = 1, 2
    assert not split(strokes_of([Strokes("a", tissue(0)[0], few, None)]), 0.25, 0).left_out
    assert not split(strokes_of(corrections), 0.0, 0).left_out
    assert not strokes_of([replace(s, used=False) for s in corrections])


def test_left_out_strokes_are_never_trained_on(model: Checkpoint, corrections: list[Strokes]) -> None:
    """With other classes painted in what is left out, the same weights come out."""
    settings = SETTINGS.changed(keep=0)
    job = RetrainJob(model, corrections, settings, None, None, None, None, encoder(), "cpu")
    (out,) = job.split.images
    other = list(corrections)
    swapped = np.array([0, 2, 1], np.uint8)[corrections[out].painted]
    other[out] = replace(corrections[out], painted=swapped)
    states = [run_of(model, given, settings).checkpoint.head_state for given in (corrections, other)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=0, atol=0)
    one = [corrections[0]]
    job = RetrainJob(model, one, SETTINGS, None, None, None, None, encoder(), "cpu")
    seen = [painted_by(part, 0, (96, 96)) > 0 for part in (job.split.learned, job.split.left_out)]
    assert seen[1].any()
    assert not (seen[0] & seen[1]).any()
    loop = _loop(job)
    labels = loop.crops.parts[0].labels
    assert (labels[seen[1]] == UNKNOWN).all()
    assert (labels[seen[0]] == one[0].painted[seen[0]] - 1).all()


# --- views


def test_thin_strokes_stay_on_a_coarser_grid() -> None:
    painted = np.zeros((90, 120), np.uint8)
    painted[11, 5:100] = 2
    shrunk = at_shape(painted, (30, 40))
    assert set(np.unique(shrunk)) == {0, 2}
    assert (shrunk[3, 2:33] == 2).all()
    np.testing.assert_array_equal(at_shape(painted, (180, 240))[::2, ::2], painted)


def test_views_hold_the_stroke_they_were_drawn_for() -> None:
    strokes = corrected(0)
    believe = np.where(strokes.painted == 0, 1, UNKNOWN).astype(np.uint8)
    part = make_part(strokes.image, strokes.painted, believe, (96, 96), 2, 64)
    assert set(np.unique(part.labels)) == {0, 1, 3}
    crops = Crops([part], 2, 64, 0)
    images, labels = crops.batch(0, 8, 4)
    assert images.shape == (12, 64, 64, 3)
    assert all(bool((one < 2).any()) for one in labels[:8])
    again = Crops([part], 2, 64, 0).batch(0, 8, 4)
    assert torch.equal(again[0], images)
    assert torch.equal(again[1], labels)
    assert not torch.equal(crops.batch(1, 8, 4)[0], images)


def test_small_images_are_padded_and_their_border_is_open() -> None:
    strokes = corrected(0)
    part = make_part(strokes.image, strokes.painted, None, (96, 96), 2, 128)
    assert part.image.shape == (128, 128, 3)
    assert (part.labels[96:] == UNKNOWN).all()


def test_the_old_model_is_not_believed_where_it_is_corrected() -> None:
    labels = np.ones((60, 60), np.uint8)
    labels[:, 40:] = 2
    painted, out = np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)
    painted[30, 10], painted[5, 5], out[50, 50] = 2, 1, 2
    confidence = np.full((60, 60), 0.9, np.float32)
    confidence[0] = 0.5
    found = believed(labels, confidence, painted, out, 0.8, 8.0)
    assert found[30, 14] == UNKNOWN  # near the mistake, in its region
    assert found[30, 30] == 0
    assert found[30, 50] == 1  # the other region
    assert found[5, 6] == 0  # the correction beside it agrees
    assert found[0, 3] == UNKNOWN  # not sure
    assert found[50, 50] == UNKNOWN  # left out


# --- scores


def test_scores_are_those_of_painted_pixels_with_paired_intervals(corrections: list[Strokes]) -> None:
    left = split(strokes_of(corrections), 0.5, 0)
    truth = {i: tissue(i)[1] + 1 for i in left.images}
    wrong = {i: np.ones((96, 96), np.uint8) for i in left.images}
    counts = [stroke_matrices(left, masks, 2) for masks in (wrong, truth)]
    before, after, difference = compare(
        left, counts[0], counts[1], NAMES, 0, share_changed(left, wrong, truth)
    )
    assert before.recall == (1.0, 0.0)
    assert before.iou == (0.5, 0.0)
    assert after.mean_iou == 1
    assert difference.mean_iou == pytest.approx(0.75)
    assert difference.interval is not None
    low, high = difference.interval
    assert 0 < low <= 0.75 <= high
    assert difference.words.startswith("Better by 0.75 (")
    assert f"on {len(left.left_out)} left-out strokes of 2 images" in difference.words
    assert difference.drawn == "strokes"
    same = compare(left, counts[0], counts[0], NAMES, 0)[2]
    assert same.words.startswith("No difference shown: +0.00")
    worse = compare(left, counts[1], counts[0], NAMES, 0)[2]
    assert worse.words.startswith("Worse by 0.75 (")


def test_strokes_on_mistakes_alone_are_said_to_show_little(corrections: list[Strokes]) -> None:
    left = split(strokes_of(corrections), 0.5, 0)
    wrong = {i: 2 - tissue(i)[1] for i in left.images}
    counts = stroke_matrices(left, wrong, 2)
    assert "paint some where it is right" in compare(left, counts, counts, NAMES, 0)[2].words


# --- the whole run


def test_corrections_are_learned_scored_and_recorded(
    file: Path, corrections: list[Strokes], tmp_path: Path
) -> None:
    before = file.read_bytes()
    settings = SETTINGS.changed(steps=40, keep=0)
    result = run_of(file, corrections, settings, output=tmp_path / "new")
    assert file.read_bytes() == before
    assert result.before is not None
    assert result.after is not None
    assert result.difference is not None
    assert result.after.mean_iou > result.before.mean_iou + 0.2
    assert right(result.checkpoint, 30) > right(load_checkpoint(file), 30) + 0.2
    stored = load_checkpoint(tmp_path / "new.construct")
    record = stored.training["corrections"]
    assert record["model"]["sha256"] == file_hash(file)
    assert record["settings"]["steps"] == 40
    assert [one["name"] for one in record["images"]] == [s.name for s in corrections]
    assert record["images"][0]["pixels"] == {"pale": 224, "dark": 224}
    assert len(record["images"][0]["sha256"]) == 64
    assert stored.training["patch"] == 64
    again = RetrainResult.of(stored)
    assert (again.before, again.after, again.difference) == (result.before, result.after, result.difference)
    assert stored.encoder_state is None
    assert stored.encoder_hash == load_checkpoint(file).encoder_hash
    assert not state_path(tmp_path / "new.construct").exists()


def test_equal_seeds_give_equal_models(model: Checkpoint, corrections: list[Strokes]) -> None:
    first, second, other = (
        run_of(model, corrections, SETTINGS.changed(steps=3, seed=seed)).checkpoint.head_state
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_old_data_keeps_its_score(model: Checkpoint, replay: ImageLevelDataset) -> None:
    """Corrections that call everything dark: without old data the model forgets the pale class."""
    learned = run_of(model, [corrected(s) for s in range(2)], SETTINGS.changed(steps=40, keep=0, held_out=0))
    image = tissue(3)[0]
    painted = np.zeros((96, 96), np.uint8)
    painted[20:60, 60:90] = 2
    lopsided = [Strokes("x", image, painted, None)]
    settings = SETTINGS.changed(steps=40, keep=0, held_out=0)
    alone = run_of(learned.checkpoint, lopsided, settings)
    kept = run_of(learned.checkpoint, lopsided, settings, replay=replay)
    distilled = run_of(learned.checkpoint, lopsided, settings.changed(keep=1.0))
    assert right(learned.checkpoint, 31) > 0.9
    assert right(kept.checkpoint, 31) > right(alone.checkpoint, 31) + 0.1
    assert right(distilled.checkpoint, 31) > right(alone.checkpoint, 31) + 0.1


def test_a_cancelled_run_resumes_to_the_same_model(
    model: Checkpoint, corrections: list[Strokes], replay: ImageLevelDataset, tmp_path: Path
) -> None:
    output = tmp_path / "new.construct"
    given = {"replay": replay, "encoder": encoder(), "device": "cpu"}
    whole = retrain(model, corrections, SETTINGS, **given)
    steps = retrain_steps(model, corrections, SETTINGS, output=output, **given)
    while not (isinstance(event := next(steps), StepDone) and event.done == 3):
        pass
    steps.close()
    assert not output.exists()
    assert state_path(output).exists()
    with pytest.raises(ConfigurationError, match="resume=True"):
        retrain(model, corrections, SETTINGS, output=output, **given)
    with pytest.raises(ConfigurationError, match="learning_rate"):
        retrain(model, corrections, SETTINGS.changed(learning_rate=1e-3), output=output, resume=True, **given)
    seen: list[int] = []
    resumed = retrain(
        model, corrections, SETTINGS, output=output, resume=True,
        progress=lambda e: seen.append(e.done) if isinstance(e, StepDone) else None, **given,
    )  # fmt: skip
    assert seen == [4, 5, 6]
    for name, value in whole.checkpoint.head_state.items():
        torch.testing.assert_close(resumed.checkpoint.head_state[name], value, rtol=0, atol=0)
    assert resumed.difference == whole.difference
    finished = retrain(model, corrections, SETTINGS, output=output, resume=True, **given)
    assert finished.difference == whole.difference
    with pytest.raises(CheckpointError, match="found no file"):
        retrain(model, corrections, SETTINGS, output=tmp_path / "other", resume=True, **given)


def test_the_old_model_is_refused_as_output(file: Path, corrections: list[Strokes], tmp_path: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="another file than the model"):
        run_of(file, corrections, output=file, overwrite=True)
    link = tmp_path / "link.construct"
    link.symlink_to(file)
    with pytest.raises(ConfigurationError, match="another file than the model"):
        run_of(file, corrections, output=link, overwrite=True)
    (tmp_path / "taken.construct").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="existing one"):
        run_of(file, corrections, output=tmp_path / "taken")
    assert file.read_bytes() == before


def test_a_run_that_is_stopped_is_finished_as_it_is(model: Checkpoint, corrections: list[Strokes]) -> None:
    events: list[StepDone] = []
    result = run_of(
        model, corrections, stop=lambda: True,
        progress=lambda e: events.append(e) if isinstance(e, StepDone) else None,
    )  # fmt: skip
    assert len(events) == 1
    assert result.checkpoint.training["corrections"]["steps"] == 1
    assert set(events[0].losses) == {"loss", "corrections", "kept"}


def test_scores_before_and_after_are_told_as_they_are_known(
    model: Checkpoint, corrections: list[Strokes]
) -> None:
    told: list[EpochDone] = []
    run_of(model, corrections, progress=lambda e: told.append(e) if isinstance(e, EpochDone) else None)
    assert [event.done for event in told] == [0, 1]


def test_classes_are_matched_by_name_and_new_ones_refused(
    model: Checkpoint, corrections: list[Strokes]
) -> None:
    turned = ClassTable.from_names(("dark", "pale"))
    swapped = [replace(s, painted=np.array([0, 2, 1], np.uint8)[s.painted]) for s in corrections]
    for strokes, same in zip(corrections, checked(swapped, turned, model.classes), strict=True):
        np.testing.assert_array_equal(same.painted, strokes.painted)
    more = ClassTable.from_names((*NAMES, "mucus"))
    assert checked(corrections, more, model.classes)  # not painted: no harm
    new = [replace(corrections[0], painted=np.full((96, 96), 3, np.uint8))]
    with pytest.raises(ConfigurationError, match=r"got mucus, too; .* use Teach"):
        run_of(model, new, classes=more)
    with pytest.raises(ConfigurationError, match=r"values from 1 to 2.* got 3"):
        run_of(model, new)
    with pytest.raises(ConfigurationError, match="no pixel is painted"):
        run_of(model, [replace(s, used=False) for s in corrections])


def test_the_second_stage_is_retrained_with_its_encoder(corrections: list[Strokes]) -> None:
    config = ModelConfig(network="unet", encoder="tiny", teacher=None, fusion_width=8, pooling="attention")
    network = build_unet(config, TinyEncoder(), 2, seed=0)
    old = checkpoint_of(
        network,
        ClassTable.from_names(NAMES),
        Calibration(presence_thresholds=(0.0, 0.0)),
        with_encoder=True,
        training={"patch": 64},
    )
    found = run_of(
        old, corrections, SETTINGS.changed(steps=3, norm_statistics="batch", encoder_learning_rate=1e-2)
    )
    assert found.checkpoint.encoder_state is not None
    assert old.encoder_state is not None
    changed = [not torch.equal(found.checkpoint.encoder_state[n], v) for n, v in old.encoder_state.items()]
    assert any(changed)
    assert found.checkpoint.encoder_hash != old.encoder_hash
    frozen = run_of(old, corrections, SETTINGS.changed(steps=3, encoder_learning_rate=None))
    assert frozen.checkpoint.encoder_hash == old.encoder_hash


def test_offsets_keep_their_shift_when_the_temperature_is_fitted(model: Checkpoint) -> None:
    given = [corrected(seed, every=12) for seed in range(4)]
    old = replace(
        model,
        calibration=Calibration(
            temperature=2.0, class_offsets=(-0.25, 0.25), presence_thresholds=(0.0, 0.0), crf=False
        ),
    )
    made = run_of(old, given, SETTINGS.changed(steps=3, held_out=0.5)).checkpoint.calibration
    assert made.temperature != 2.0
    assert made.temperature * np.array(made.class_offsets) == pytest.approx([-0.5, 0.5])
