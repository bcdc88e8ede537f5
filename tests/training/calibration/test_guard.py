"""A guard from real patches: what it flags, what it costs, where it is stored."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image, ImageFilter
from tests.guarded import doubled, guarded, unguarded

from napari_construct.data.image_level import load_dataset
from napari_construct.data.images import read_image
from napari_construct.events import Doubt, Notice, run
from napari_construct.exceptions import CheckpointError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment, segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.archive import read_archive, write_archive
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import KIND, Checkpoint, load_checkpoint, save_checkpoint
from napari_construct.models.checkpoints.summary import UNWATCHED, WATCHED, summarise
from napari_construct.models.library.overview import model_facts
from napari_construct.models.network.guard import COLOURS, Guard
from napari_construct.results.read import load_result
from napari_construct.training.calibration.guard import add_guard
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train

NATURAL = ("astronaut", "chelsea", "coffee")


@pytest.fixture(scope="module")
def model(camelyon: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return guarded(camelyon, tmp_path_factory.mktemp("patches"))


@pytest.fixture(scope="module")
def predictor(model: Checkpoint) -> Predictor:
    return Predictor(model, "cpu", name="lymph")


@pytest.fixture(scope="module")
def tissue(camelyon: Path) -> Path:
    """A region of another slide."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return path


def test_familiar_tissue_passes_and_other_images_do_not(predictor: Predictor, camelyon: Path) -> None:
    patch = next((camelyon / "train" / "tumour").glob("*.png"))
    known = segment(patch, predictor, crf=None, mpp=0.5)
    found = known.out_of_distribution
    assert found is not None
    assert not found.flagged
    assert not any("out of distribution" in text for text in known.record["notices"])
    for name in NATURAL:
        other = segment(getattr(skimage.data, name)(), predictor, crf=None, mpp=0.5, name=name)
        assert other.out_of_distribution is not None
        assert other.out_of_distribution.flagged, name
        (said,) = other.record["notices"]
        assert isinstance(said, Doubt)
        assert said.startswith(f"{name}: the model lymph does not know this tissue")
        assert "choose another model" in said


def test_white_is_flagged_in_other_words(predictor: Predictor) -> None:
    result = segment(np.full((128, 128, 3), 250, np.uint8), predictor, crf=None, mpp=0.5)
    assert result.out_of_distribution is not None
    assert result.out_of_distribution.flagged
    assert "no tissue was found" in result.record["notices"][0]


def test_glass_around_tissue_has_no_say(predictor: Predictor, tissue: Path) -> None:
    pixels = read_image(tissue).pixels
    pixels = np.pad(pixels, ((0, 256), (0, 256), (0, 0)), mode="symmetric")
    slide = np.full((768, 1024, 3), 245, np.uint8)
    slide[128:640, 256:768] = pixels
    alone = segment(pixels, predictor, crf=None, mpp=0.5).out_of_distribution
    found = segment(slide, predictor, crf=None, mpp=0.5).out_of_distribution
    assert alone is not None
    assert found is not None
    assert found.score == pytest.approx(alone.score, rel=0.25)


def test_the_map_has_the_size_of_the_image_and_shows_where(predictor: Predictor, tissue: Path) -> None:
    pixels = read_image(tissue).pixels[:250, :240]
    both = np.concatenate([pixels, skimage.data.astronaut()[:250, :240]], axis=1)
    result = segment(both, predictor, crf=None, mpp=0.5)
    assert result.distances is not None
    found = result.distances.map()
    assert found.shape == both.shape[:2]
    assert found.dtype == np.float32
    assert np.median(found[:, 350:]) > 1.5 * np.median(found[:, :130])
    assert found.min() >= result.distances.values.min()


def test_sentence_comes_once_as_an_event(predictor: Predictor) -> None:
    events = []
    settings = SegmentSettings(crf=None, views="four")
    run(segment_steps(skimage.data.astronaut(), predictor, settings, mpp=0.5, name="a"), events.append)
    said = [e.message for e in events if isinstance(e, Notice)]
    assert len([text for text in said if "out of distribution" in text]) == 1


def test_views_and_tiles_change_the_score_little(predictor: Predictor, tissue: Path) -> None:
    scores = [
        segment(tissue, predictor, crf=None, mpp=0.5, **changes).out_of_distribution.score  # type: ignore[union-attr]
        for changes in ({}, {"views": "four"}, {"tile": 128})
    ]
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0] == pytest.approx(scores[2], rel=0.25)  # a tile is as small as a window


def test_record_holds_score_and_limit_and_is_read_back(
    predictor: Predictor, tissue: Path, tmp_path: Path
) -> None:
    result = segment(tissue, predictor, crf=None, mpp=0.5)
    result.save(tmp_path, "one", kinds=("mask", "ood"))
    again = load_result(tmp_path, "one")
    assert again.out_of_distribution == result.out_of_distribution
    assert set(again.record["out_of_distribution"]) == {"score", "limit", "share", "flagged"}
    assert (tmp_path / "one_ood.ome.tif").is_file()


def test_round_trip_in_a_checkpoint(model: Checkpoint, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "m", model)
    again = load_checkpoint(path)
    assert again.guard is not None
    assert model.guard is not None
    assert all(torch.equal(again.guard.state()[k], v) for k, v in model.guard.state().items())
    assert again.guard.limits == pytest.approx(model.guard.limits)
    assert (again.guard.patches, again.guard.groups) == (12, 3)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("guard.safetensors").file_size < 200_000
    assert WATCHED in summarise(path).limits
    assert model_facts(path)["out-of-distribution guard"].startswith("of 12 patches of 3 slides")


def test_guards_of_a_deeper_level_still_work(model: Checkpoint, tissue: Path, tmp_path: Path) -> None:
    """Earlier versions made them of the last level but one, with more channels."""
    d = 112 + COLOURS
    old = Guard((2,), torch.arange(d), torch.zeros(d), torch.eye(d), (2.0, 1.5, 1.2), 65, 3)
    again = load_checkpoint(save_checkpoint(tmp_path / "m", replace(model, guard=old)))
    assert again.guard is not None
    assert again.guard.levels == (2,)
    found = [
        segment(tissue, Predictor(one, "cpu"), crf=None, mpp=0.5).out_of_distribution
        for one in (again, model)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].limit == pytest.approx(1.5)  # of four windows
    assert found[0].score != pytest.approx(found[1].score, rel=0.05)


@pytest.mark.parametrize("scanner", ["soft", "sharp", "stain"])
def test_another_scanner_stays_familiar(predictor: Predictor, tissue: Path, scanner: str) -> None:
    pixels = read_image(tissue).pixels
    with Image.fromarray(pixels) as image:
        if scanner == "soft":
            shown = np.asarray(image.filter(ImageFilter.GaussianBlur(1)))
        elif scanner == "sharp":
            shown = np.asarray(image.filter(ImageFilter.UnsharpMask(1, 80, 0)))
        else:
            shown = (255 * (pixels / 255.0) ** np.array([1.1, 1.2, 1.0])).astype(np.uint8)
    as_it_is, changed = (
        segment(one, predictor, crf=None, mpp=0.5).out_of_distribution for one in (pixels, shown)
    )
    assert as_it_is is not None
    assert changed is not None
    assert changed.score < 1.35 * as_it_is.score


def test_checkpoints_without_a_guard_are_as_before(tissue: Path, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "m", unguarded())
    manifest, states = read_archive(path, kind=KIND, version=1, required=("head",))
    assert "guard" not in manifest
    assert list(states) == ["head"]
    result = segment(tissue, Predictor(load_checkpoint(path), "cpu"), crf=None, mpp=0.5)
    assert result.out_of_distribution is None
    assert result.distances is None
    assert "out_of_distribution" not in result.record
    assert UNWATCHED in summarise(path).limits


@pytest.mark.parametrize("spoil", ["missing", "shape", "large", "nan", "limits", "levels"])
def test_damaged_guards_are_refused(model: Checkpoint, tmp_path: Path, spoil: str) -> None:
    path = save_checkpoint(tmp_path / "m", model)
    manifest, states = read_archive(path, kind=KIND, version=4, required=("head",), optional=("guard",))
    if spoil == "missing":
        del states["guard"]
    if spoil == "shape":
        states["guard"]["whitening"] = states["guard"]["whitening"][:-1]
    if spoil == "large":
        states["guard"] = {
            "channels": torch.arange(500),
            "mean": torch.zeros(500),
            "whitening": torch.eye(500),
        }
    if spoil == "nan":
        states["guard"]["mean"] = states["guard"]["mean"] * torch.nan
    if spoil == "limits":
        manifest["guard"]["limits"] = [1.0, -1.0, 2.0]
    if spoil == "levels":
        manifest["guard"]["levels"] = [7]
    write_archive(path, manifest, states)
    with pytest.raises(CheckpointError):
        build_from_checkpoint(load_checkpoint(path))


def test_refreshing_gives_the_same_guard(model: Checkpoint, camelyon: Path, tmp_path: Path) -> None:
    again = guarded(camelyon, tmp_path).guard
    assert again is not None
    assert model.guard is not None
    assert torch.equal(again.whitening, model.guard.whitening)
    assert again.limits == model.guard.limits


def test_few_patches_give_no_guard(model: Checkpoint, camelyon: Path, tmp_path: Path) -> None:
    dataset = doubled(camelyon, tmp_path).subset(range(9))
    assert add_guard(model, dataset, mpp=0.5).guard is None


def test_unknown_slides_have_higher_limits(model: Checkpoint, camelyon: Path, tmp_path: Path) -> None:
    guard = add_guard(replace(model, guard=None), doubled(camelyon, tmp_path), mpp=0.5).guard
    assert guard is not None
    assert guard.groups == 0
    assert all(limit > 0 for limit in guard.limits)


def _green(folder: Path, val: Path) -> Path:
    """A validation folder with one region in green."""
    for part in ("img", "mask"):
        (folder / part).mkdir(parents=True)
        (path,) = (val / part).glob("*.png")
        with Image.open(path) as image:
            small = np.array(image.crop((0, 0, 256, 256)))
        Image.fromarray(small[..., [1, 0, 2]] if part == "img" else small).save(folder / part / "one.png")
    return folder


def test_a_validation_image_that_would_be_flagged_is_not(
    camelyon: Path, tmp_path: Path, tiny_config: TrainingConfig
) -> None:
    dataset = doubled(camelyon, tmp_path / "patches")
    folder = _green(tmp_path / "val", camelyon / "val")
    config = tiny_config.changed(epochs=1, patch_mpp=0.5, group_pattern="tumor_([0-9]+)")
    stages = []
    alone = train(dataset, config)
    both = train(dataset, config, val=folder, progress=lambda event: stages.append(event.stage))
    assert "limits" in stages
    assert alone.guard is not None
    assert both.guard is not None
    image = folder / "img" / "one.png"
    before = segment(image, Predictor(replace(both, guard=alone.guard), "cpu"), crf=None, mpp=0.5)
    after = segment(image, Predictor(both, "cpu"), crf=None, mpp=0.5)
    assert before.out_of_distribution is not None
    assert after.out_of_distribution is not None
    assert before.out_of_distribution.flagged
    assert not after.out_of_distribution.flagged
    assert torch.equal(both.guard.mean, alone.guard.mean)  # what is familiar stays that of the patches


def test_validation_patches_pass_too(model: Checkpoint, camelyon: Path, tmp_path: Path) -> None:
    patches = tmp_path / "val" / "tumour"
    patches.mkdir(parents=True)
    (tmp_path / "val" / "lymphoid").mkdir()
    for n, (y, x) in enumerate(((0, 0), (0, 128), (128, 128))):
        part = skimage.data.astronaut()[y : y + 128, x : x + 128]
        Image.fromarray(part).save(tmp_path / "val" / ("tumour" if n else "lymphoid") / f"{n}.png")
    val = load_dataset(tmp_path / "val")
    again = add_guard(
        model,
        doubled(camelyon, tmp_path / "train"),
        mpp=0.5,
        val=val,
    )
    predictor = Predictor(again, "cpu")
    for path in val.paths:
        found = segment(path, predictor, crf=None, mpp=0.5).out_of_distribution
        assert found is not None
        assert not found.flagged


def test_training_adds_the_guard(camelyon: Path, tmp_path: Path, tiny_config: TrainingConfig) -> None:
    dataset = doubled(camelyon, tmp_path)
    stages = []
    config = tiny_config.changed(epochs=1, patch_mpp=0.5, group_pattern="tumor_([0-9]+)")
    checkpoint = train(dataset, config, progress=lambda event: stages.append(event.stage))
    assert checkpoint.guard is not None
    assert checkpoint.guard.groups == 3
    assert "guard" in stages
