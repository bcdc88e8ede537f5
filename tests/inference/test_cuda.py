"""Segmentation on a graphics card: the CPU's masks, and memory that is given back."""

from __future__ import annotations

import threading
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.graphics_card import GraphicsCard

from napari_construct.data.images import read_image
from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.exceptions import ConstructError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import decided_steps, segment, segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.default_model import DEFAULT_MODEL

pytestmark = pytest.mark.cuda

PLAIN = SegmentSettings(crf=None)


@pytest.fixture(scope="module")
def region() -> np.ndarray:
    """The bundled sample: H&E with tumour, lymphoid tissue and glass."""
    samples = Path(str(files("napari_construct.data"))) / "samples"
    return read_image(samples / "lymph_node_tumour.png").pixels


@pytest.fixture
def bundled(card: GraphicsCard) -> Predictor:
    return load_model(DEFAULT_MODEL, device="cuda")


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float((a == b).mean())


def test_the_card_is_found_and_named(card: GraphicsCard, region: np.ndarray) -> None:
    predictor = load_model(DEFAULT_MODEL)
    assert predictor.device.type == "cuda"
    assert segment(region[:256, :256], predictor, PLAIN, mpp=0.25).record["device"].startswith("cuda")


@pytest.mark.parametrize("views", ["one", "four"])
def test_the_mask_is_the_cpus(bundled: Predictor, region: np.ndarray, views: str) -> None:
    settings = PLAIN.changed(views=views)
    there = segment(region, bundled, settings, mpp=0.25)
    here = segment(region, load_model(DEFAULT_MODEL, device="cpu"), settings, mpp=0.25)
    assert there.presence == here.presence
    assert alike(there.labels, here.labels) >= 0.999
    assert np.abs(there.probabilities - here.probabilities).mean() < 1e-3
    np.testing.assert_allclose(there.presence_scores, here.presence_scores, atol=5e-3)


def test_the_refined_mask_is_the_cpus(bundled: Predictor, region: np.ndarray) -> None:
    there = segment(region, bundled, mpp=0.25)
    here = segment(region, load_model(DEFAULT_MODEL, device="cpu"), mpp=0.25)
    assert here.refinement is not None
    assert there.refinement is not None
    assert alike(there.labels, here.labels) >= 0.995


def test_other_settings_without_the_network(bundled: Predictor, region: np.ndarray) -> None:
    """The prepared factorisation stays on the card and gives what a run from the start gives."""
    first, decider = run(decided_steps(region[:400, :400], bundled, mpp=0.25))
    again = run(decider.steps(SegmentSettings()))
    assert alike(again.labels, first.labels) >= 0.9999


def test_a_model_moves_between_devices(tiny_checkpoint: Checkpoint, card: GraphicsCard, tissue) -> None:
    masks = []
    for device in ("cuda", "cpu", "cuda", "cuda:0"):
        predictor = Predictor(tiny_checkpoint, device, encoder=TinyEncoder())
        assert encoder_hash(predictor.network.encoder) == tiny_checkpoint.encoder_hash
        masks.append(segment(tissue, predictor, PLAIN, mpp=0.5).labels)
    assert all(alike(mask, masks[0]) >= 0.999 for mask in masks)


def test_words_find_tissue_on_the_card(small_clip: str, card: GraphicsCard, tissue: np.ndarray) -> None:
    settings = ZeroShotSettings(
        encoder=small_clip, classes="tumour: malignant glands; stroma: fibrous tissue"
    )
    there, here = (
        segment(tissue, load_model(settings, device=device), PLAIN, mpp=0.5) for device in ("cuda", "cpu")
    )
    assert alike(there.labels, here.labels) >= 0.99
    assert np.abs(there.probabilities - here.probabilities).mean() < 5e-3


def test_nothing_stays_on_the_card(bundled: Predictor, card: GraphicsCard, region: np.ndarray) -> None:
    segment(region, bundled, mpp=0.25)
    before = card.allocated()
    for _ in range(3):
        segment(region, bundled, mpp=0.25)
        assert card.gave_back(before)


def test_a_cancelled_job_gives_its_memory_back(
    bundled: Predictor, card: GraphicsCard, region: np.ndarray
) -> None:
    segment(region, bundled, mpp=0.25)
    before = card.allocated()
    for stage in ("tiles", "dense CRF"):
        steps = segment_steps(region, bundled, mpp=0.25)
        while (event := next(steps)).stage != stage or not event.done:
            pass
        steps.close()
        del steps
        assert card.gave_back(before)


def test_too_large_tiles_are_told_and_smaller_ones_fit(
    bundled: Predictor, card: GraphicsCard, region: np.ndarray
) -> None:
    image = np.tile(region, (3, 3, 1))
    segment(region[:256, :256], bundled, PLAIN, mpp=bundled.mpp)
    before = card.allocated()
    with card.only(150):
        says = r"cuda ran out of memory on .* pixels; choose smaller tiles or the device cpu"
        with pytest.raises(ConstructError, match=says):
            segment(image, bundled, PLAIN.changed(tile=3072), mpp=bundled.mpp)
        assert card.gave_back(before)
    assert segment(image, bundled, PLAIN, mpp=bundled.mpp).labels.shape == image.shape[:2]


def test_too_large_an_image_for_refinement_is_told(
    bundled: Predictor, card: GraphicsCard, region: np.ndarray
) -> None:
    image = np.tile(region, (2, 2, 1))
    segment(region, bundled, mpp=bundled.mpp)
    before = card.allocated()
    steps = segment_steps(image, bundled, mpp=bundled.mpp)
    while next(steps).stage != "refine":
        pass
    with card.only(100), pytest.raises(ConstructError, match=r"while refining 2048 x 2048 .* choose no ref"):
        for _ in steps:
            pass
    del steps
    assert card.gave_back(before)


def test_too_large_a_model_is_told(tiny_checkpoint: Checkpoint, card: GraphicsCard) -> None:
    encoder = TinyEncoder()
    encoder.register_buffer("weight_of_a_large_model", torch.zeros(2**26), persistent=False)
    with card.only(100), pytest.raises(ConstructError, match="over the model large; choose the device cpu"):
        Predictor(tiny_checkpoint, "cuda", encoder=encoder, name="large")


def test_two_threads_and_two_models_at_once(tiny_checkpoint: Checkpoint, bundled: Predictor, region) -> None:
    other = Predictor(tiny_checkpoint, "cuda", encoder=TinyEncoder())
    image = np.ascontiguousarray(region[:512, :512])
    wanted = {p: segment(image, p, mpp=p.mpp).labels for p in (bundled, other)}
    found: list[tuple[Predictor, np.ndarray]] = []

    def work(predictor: Predictor) -> None:
        found.extend((predictor, segment(image, predictor, mpp=predictor.mpp).labels) for _ in range(3))

    threads = [threading.Thread(target=work, args=(p,)) for p in (bundled, other, bundled)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 9
    assert all(alike(labels, wanted[predictor]) >= 0.999 for predictor, labels in found)
