"""Pseudo masks and the network that learns from them, with real patches."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.classes import ClassTable
from napari_construct.crf import CRFParameters
from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.images import read_image
from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Notice, StepDone, run
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.checkpoint import Checkpoint, checkpoint_of
from napari_construct.models.checkpoints.states import halved
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.training.calibration.recalibrate import view_config
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.config.second_stage import SecondStageConfig
from napari_construct.training.second_stage.loop import class_weights, full_batch, pseudo_mask_loss
from napari_construct.training.second_stage.network import chosen_encoder
from napari_construct.training.second_stage.pseudo_masks import UNKNOWN, pseudo_mask, pseudo_mask_steps
from napari_construct.training.second_stage.train import train_second_stage, train_second_stage_steps
from napari_construct.training.views.augmentation import augment, augment_with_masks
from napari_construct.training.views.patches import PatchView, load_patches, read_patch

NAMES = ("lymphoid", "tumour")
SMALL = SecondStageConfig(
    encoder="first", width=8, steps=4, batch_size=3, patch_mpp=0.25, crf=None, min_confidence=0.0, seed=3
)


@pytest.fixture
def first(tiny_config: TrainingConfig) -> Checkpoint:
    """An untrained first stage at 0.5 um per pixel."""
    made = build_model(tiny_config.model, TinyEncoder(), 2)
    return checkpoint_of(made, ClassTable.from_names(NAMES), mpp=0.5, training={"patch": 64})


@pytest.fixture
def patch(camelyon: Path) -> np.ndarray:
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return read_image(path).pixels[:128, :128]


def test_pseudo_masks_hold_the_labels_classes_only(first: Checkpoint, patch: np.ndarray) -> None:
    predictor = Predictor(first, "cpu")
    assert set(np.unique(pseudo_mask(patch, (False, True), predictor, SMALL))) <= {1, UNKNOWN}
    both = pseudo_mask(patch, (True, True), predictor, SMALL)
    assert set(np.unique(both)) <= {0, 1, UNKNOWN}
    assert (pseudo_mask(patch, (False, False), predictor, SMALL) == UNKNOWN).all()


def test_patches_of_unknown_resolution_are_shrunk_once(first: Checkpoint, patches: ImageLevelDataset) -> None:
    """The first stage learned from patches at half their size; pseudo masks are made of such ones."""
    halving = replace(first, mpp=None, training={"patch": 64, "scale": 0.5})
    config = SMALL.changed(patch_mpp=None)
    predictor = Predictor(halving, "cpu")
    store = run(load_patches(patches, view_config(predictor, None), predictor.spec))
    both = np.ones_like(patches.labels)  # so that the first stage decides where each class is
    images, masks = run(pseudo_mask_steps(store, [0, 1], both, predictor, config))
    assert images.shape[1:3] == (64, 64)
    as_they_are = Predictor(replace(halving, training={"patch": 64, "scale": 1.0}), "cpu")
    for image, mask in zip(images, masks, strict=True):
        np.testing.assert_array_equal(mask, pseudo_mask(image, (True, True), as_they_are, config))
        assert len(np.unique(mask)) > 1


def test_what_the_first_stage_doubts_is_left_out(first: Checkpoint, patch: np.ndarray) -> None:
    predictor = Predictor(first, "cpu")
    kept = [
        (pseudo_mask(patch, (True, False), predictor, SMALL.changed(min_confidence=c)) != UNKNOWN).mean()
        for c in (0.0, 0.5, 1.0)
    ]
    assert kept[0] >= kept[1] >= kept[2]
    assert kept[0] > kept[2]


@pytest.mark.parametrize("uses_crf", [True, False])
def test_pseudo_masks_are_refined_where_it_suits_the_first_stage(
    first: Checkpoint, patch: np.ndarray, uses_crf: bool
) -> None:
    predictor = Predictor(replace(first, calibration=Calibration(crf=uses_crf)), "cpu")
    own, refined, raw = (
        pseudo_mask(patch, (True, True), predictor, SMALL.changed(crf=crf))
        for crf in (SecondStageConfig().crf, CRFParameters(), None)
    )
    assert not np.array_equal(refined, raw)
    np.testing.assert_array_equal(own, refined if uses_crf else raw)


def test_masks_move_with_their_patches() -> None:
    """A patch whose red channel is its mask: after any change of geometry it still is, away from edges."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(8, 64, 64, dtype=torch.uint8)
    masks[:, :40, :24] = 1
    patches = (masks * 255)[..., None].repeat(1, 1, 1, 3)
    config = AugmentationConfig.none().model_copy(
        update={"flips": True, "rotations": True, "crop_area": (0.4, 0.9), "aspect": 1.2}
    )
    images, moved = augment_with_masks(patches, masks, config, window=60.0, size=48, generator=generator)
    again = augment(patches, config, window=60.0, size=48, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(images, again, rtol=0, atol=0)
    sure = (images[:, 0] < 0.01) | (images[:, 0] > 0.99)
    assert sure.float().mean() > 0.9
    assert torch.equal(moved[sure].bool(), images[:, 0][sure] > 0.5)
    assert len({tuple(mask.flatten().tolist()) for mask in moved}) > 4


def test_loss_has_a_closed_form_and_skips_the_unknown() -> None:
    """Logits of log 3 and 0 give probabilities of 3/4 and 1/4."""
    cam = torch.tensor([math.log(3.0), 0.0]).view(1, 2, 1, 1).repeat(1, 1, 2, 2)
    masks = torch.full((1, 8, 8), UNKNOWN, dtype=torch.uint8)
    assert float(pseudo_mask_loss(cam, masks, torch.ones(2))) == 0
    masks[:, :4] = 1
    assert float(pseudo_mask_loss(cam, masks, torch.ones(2))) == pytest.approx(math.log(4))
    masks[:, 4:] = 0
    expected = (math.log(4) + 3 * math.log(4 / 3)) / 4  # class 0 counts three times
    assert float(pseudo_mask_loss(cam, masks, torch.tensor([3.0, 1.0]))) == pytest.approx(expected)


def test_rare_classes_weigh_more_but_not_without_bound() -> None:
    masks = np.array([0] * 60 + [1] * 20 + [UNKNOWN] * 7, dtype=np.uint8)
    assert class_weights(masks, 2).tolist() == pytest.approx([80 / 120, 80 / 40])
    assert class_weights(masks, 3).tolist()[2] == 10


def test_batches_are_full_and_patches_are_seen_equally_often() -> None:
    batches = [full_batch(step, 16, 65, 0) for step in range(65)]
    assert {len(batch) for batch in batches} == {16}
    assert np.bincount(np.concatenate(batches)).tolist() == [16] * 65
    assert sorted(full_batch(0, 6, 2, 0)) == [0, 0, 0, 1, 1, 1]


def test_result_is_a_model_like_any_other(
    first: Checkpoint, patches: ImageLevelDataset, camelyon: Path, tmp_path: Path, patch: np.ndarray
) -> None:
    seen: list[str] = []
    made = run(
        train_second_stage_steps(
            patches, first, SMALL, val=camelyon / "val", output=tmp_path / "second", device="cpu"
        ),
        lambda event: seen.append(event.stage),
    )
    assert [stage for stage in dict.fromkeys(seen) if stage not in ("read", "planned")] == [
        "pseudo masks", "train", "average", "statistics", "calibrate", "validate",
    ]  # fmt: skip
    assert made.config.network == "unet"
    assert made.mpp == 0.5
    assert 0 <= made.metrics["val_miou"] <= 1
    assert made.encoder_state is not None
    assert any(
        not torch.equal(value, made.encoder_state[name])
        for name, value in halved(TinyEncoder().state_dict()).items()
    )
    predictor = load_model(tmp_path / "second.construct", device="cpu")
    result = segment(patch, predictor, mpp=0.25, crf=None)
    assert result.labels.shape == patch.shape[:2]
    assert len(made.calibration.presence_thresholds) == 2


def test_equal_seeds_give_equal_networks_and_a_frozen_encoder_stays(
    first: Checkpoint, patches: ImageLevelDataset
) -> None:
    config = SMALL.changed(encoder_learning_rate=None)
    once, again, other = (
        run(train_second_stage_steps(patches, first, config.changed(seed=seed), device="cpu"))
        for seed in (3, 3, 4)
    )
    assert once.encoder_state is None
    assert once.encoder_hash == first.encoder_hash
    assert all(torch.equal(value, again.head_state[name]) for name, value in once.head_state.items())
    assert not all(torch.equal(value, other.head_state[name]) for name, value in once.head_state.items())


@pytest.mark.parametrize(
    ("first_id", "asked", "expected"),
    [
        ("lite0", "auto", "first"),
        ("lite2", "auto", "first"),
        ("mini", "auto", "lite0"),
        ("conch", "auto", "lite0"),
        ("conch", "first", "first"),
        ("lite0", "lite0", "lite0"),  # the pre-trained weights, not those of the first stage
        ("mini", "smp:resnet18", "smp:resnet18"),
    ],
)
def test_the_encoder_is_pre_trained_unless_another_is_named(
    first: Checkpoint, first_id: str, asked: str, expected: str
) -> None:
    config = first.config.model_copy(update={"encoder": first_id})
    trained = replace(first, config=config, encoder_state={})
    assert chosen_encoder(SMALL.changed(encoder=asked), trained) == expected


def test_a_frozen_encoder_that_is_named_is_the_first_stages(first: Checkpoint) -> None:
    assert first.encoder_state is None
    assert chosen_encoder(SMALL.changed(encoder="tiny"), first) == "first"


def test_by_default_it_stands_on_the_bundled_encoder(
    first: Checkpoint, patches: ImageLevelDataset, tmp_path: Path, patch: np.ndarray
) -> None:
    """The first stage's patches had a side that the bundled encoder does not take."""
    odd = replace(first, mpp=None, training={"patch": 112, "scale": 112 / 128})
    config = SMALL.changed(encoder=SecondStageConfig().encoder, patch_mpp=None, steps=2)
    said: list[str] = []
    made = run(
        train_second_stage_steps(patches, odd, config, output=tmp_path / "second", device="cpu"),
        lambda event: said.append(event.message) if isinstance(event, Notice) else None,
    )
    assert made.config.encoder == "lite0"
    assert made.training["patch"] == 96
    assert ["--encoder first" in text for text in said] == [True]
    bundled = halved(create_encoder("lite0").state_dict())
    assert made.encoder_state is not None
    kept = {name for name, value in made.encoder_state.items() if torch.equal(value, bundled[name])}
    statistics = {name for name in bundled if name.endswith(("running_mean", "running_var"))}
    # every patch has one class: then the pre-training's statistics stay
    assert (patches.labels.sum(1) == 1).all()
    assert statistics <= kept < set(bundled)
    assert made.training["config"]["norm_statistics"] == "frozen"
    result = segment(patch, load_model(tmp_path / "second.construct", device="cpu"), crf=None)
    assert result.labels.shape == patch.shape[:2]


def test_validation_patches_are_read_once(
    first: Checkpoint, patches: ImageLevelDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path, view: PatchView) -> np.ndarray:
        read.append(path)
        return read_patch(path, view)

    monkeypatch.setattr("napari_construct.training.views.patches.read_patch", counted)
    enough = patches.subset(np.arange(12) % len(patches))  # for a guard
    made = run(train_second_stage_steps(enough, first, SMALL, val=enough, device="cpu"))
    assert made.guard is not None
    assert "calibration_f1" in made.metrics
    assert len(read) == 2 * len(enough), "once to train, once to validate"


def test_validation_data_is_checked_before_the_training(
    first: Checkpoint, patches: ImageLevelDataset, tmp_path: Path
) -> None:
    renamed = ImageLevelDataset(patches.paths, patches.labels, ("lymphoid", "stroma"), patches.names)
    for val, error in ((renamed, "lymphoid, stroma"), (tmp_path, "img")):
        steps = train_second_stage_steps(patches, first, SMALL, val=val, device="cpu")
        with pytest.raises(ConstructError, match=error):
            next(steps)


def test_a_model_is_replaced_only_when_this_is_asked_for(
    first: Checkpoint, patches: ImageLevelDataset, tmp_path: Path
) -> None:
    (tmp_path / "second.construct").write_bytes(b"of last week")
    with pytest.raises(ConfigurationError, match=r"second\.construct: .*another name or overwrite=True"):
        run(train_second_stage_steps(patches, first, SMALL, output=tmp_path / "second", device="cpu"))
    assert (tmp_path / "second.construct").read_bytes() == b"of last week"
    train_second_stage(patches, first, SMALL, output=tmp_path / "second", device="cpu", overwrite=True)
    assert load_model(tmp_path / "second.construct", device="cpu").classes == first.classes


def test_cancelled_run_writes_nothing(first: Checkpoint, patches: ImageLevelDataset, tmp_path: Path) -> None:
    steps = train_second_stage_steps(patches, first, SMALL, output=tmp_path / "second", device="cpu")
    for event in steps:
        if isinstance(event, StepDone):
            break
    steps.close()
    assert list(tmp_path.iterdir()) == []


def test_other_classes_are_refused(first: Checkpoint, patches: ImageLevelDataset) -> None:
    renamed = ImageLevelDataset(patches.paths, patches.labels, ("lymphoid", "stroma"), patches.names)
    with pytest.raises(ConfigurationError, match="the classes lymphoid, tumour"):
        run(train_second_stage_steps(renamed, first, SMALL, device="cpu"))
    with pytest.raises(ConfigurationError, match="setting steps"):
        SMALL.changed(steps=0)
