"""A slide is decided as an image of it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct import load_model
from napari_construct.events import run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.activation.tiling import plan_tiles
from napari_construct.inference.segment import segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.blocks import Block, BlockDecider
from napari_construct.inference.slides.glass import is_tissue, large_squares
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.presence import slide_out_of_distribution, slide_presence
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.refinement.views import VIEWS

pytestmark = pytest.mark.slow


class ArrayPixels:
    """An image in memory."""

    def __init__(self, image: np.ndarray) -> None:
        self._image = image

    @property
    def shape(self) -> tuple[int, int]:
        return self._image.shape[0], self._image.shape[1]

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self._image[top : top + height, left : left + width]


@pytest.fixture(scope="module")
def model() -> Predictor:
    loaded = load_model("lymph-node")
    assert isinstance(loaded, Predictor)
    return loaded


@pytest.fixture
def image(tissue: np.ndarray) -> np.ndarray:
    """(900, 640, 3): tissue, turned and mirrored, with glass across it."""
    upper = np.concatenate([tissue, tissue[::-1], tissue[:, :128]], 1)
    whole = np.concatenate([upper, upper[:, ::-1], upper[::-1], upper[:132]], 0)
    whole[300:560, 100:480] = 246
    return whole


def network_pass(image: np.ndarray, model: Predictor, wanted: object = None) -> NetworkPass:
    settings = model.resolved(SegmentSettings(tile=256))
    plan = plan_tiles(image.shape[:2], settings.tile, settings.overlap, model.spec.multiple)
    views = VIEWS[settings.views or model.calibration.views]
    chosen = frozenset(plan) if wanted is None else frozenset(tile for tile in plan if wanted(tile))
    rule = settings.background or model.calibration.background
    return NetworkPass(ArrayPixels(image), plan, chosen, model, views, rule)


def glass_of(seen: NetworkPass, store: NetworkStore) -> tuple[np.ndarray, np.ndarray]:
    white = store.map("white")[0]
    large = large_squares(white, seen.stride, seen.rule)
    return large, is_tissue(white, large, seen.stride)


def test_labels_are_those_of_the_whole_image(image: np.ndarray, model: Predictor, tmp_path: Path) -> None:
    settings = model.resolved(SegmentSettings(tile=256))
    expected = run(segment_steps(image, model, settings, mpp=model.mpp))
    seen = network_pass(image, model)
    store = NetworkStore(tmp_path, {}, seen.shapes())
    run(seen.steps(store))
    large, tissue = glass_of(seen, store)
    presence, scores = slide_presence(seen, store, tissue, settings)
    assert presence == expected.presence
    np.testing.assert_allclose(scores, expected.presence_scores, atol=1e-3)
    unlike = slide_out_of_distribution(seen, store, tissue)
    assert unlike is not None
    assert unlike.score == pytest.approx(expected.record["out_of_distribution"]["score"], rel=0.01)
    decider = BlockDecider(seen, store, large, settings, presence, scores)
    labels, confidence = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], np.float32)
    for top in range(0, 900, 320):
        for left in range(0, 640, 320):
            block = Block(top, left, min(320, 900 - top), 320)
            (found,) = (one for one in decider.decided([block]) if one is not None)
            part = np.s_[top : top + block.height, left : left + block.width]
            labels[part], confidence[part] = found.labels, found.confidence
    assert (labels == expected.labels).mean() >= 0.999
    assert (labels == 0).mean() > 0.1
    np.testing.assert_allclose(confidence, expected.confidence, atol=0.05)


def test_a_run_that_was_stopped_gives_the_same_bytes(
    image: np.ndarray, model: Predictor, tmp_path: Path
) -> None:
    seen = network_pass(image, model)
    once = NetworkStore(tmp_path / "once", {}, seen.shapes())
    run(seen.steps(once))
    for stop in (1, 5, 8, 11):
        folder = tmp_path / f"stopped{stop}"
        steps = seen.steps(NetworkStore(folder, {}, seen.shapes()))
        for _ in range(stop):
            next(steps)
        steps.close()
        again = NetworkStore(folder, {}, seen.shapes())
        run(seen.steps(again))
        for name in seen.shapes():
            assert (folder / f"{name}.raw").read_bytes() == (tmp_path / "once" / f"{name}.raw").read_bytes()


def test_tiles_without_tissue_are_not_looked_at(image: np.ndarray, model: Predictor, tmp_path: Path) -> None:
    seen = network_pass(image, model, lambda tile: tile.y == 0)
    store = NetworkStore(tmp_path, {}, seen.shapes())
    totals = {(event.done, event.total) for event in seen.steps(store)}
    columns = len({tile.x for tile in seen.plan})
    assert totals == {(done, columns) for done in range(columns + 1)}
    stride = seen.stride
    assert store.map("logits")[:, : 192 // stride].any()
    assert not store.map("logits")[:, 256 // stride :].any()
    assert not store.map("white")[:, 256 // stride :].any()


def test_a_slide_of_glass_has_no_class(model: Predictor, tmp_path: Path) -> None:
    image = np.full((300, 300, 3), 247, np.uint8)
    seen = network_pass(image, model)
    store, settings = NetworkStore(tmp_path, {}, seen.shapes()), model.resolved(SegmentSettings(tile=256))
    run(seen.steps(store))
    large, tissue = glass_of(seen, store)
    presence, scores = slide_presence(seen, store, tissue, settings)
    assert presence == (False, False)
    decider = BlockDecider(seen, store, large, settings, presence, scores)
    (found,) = decider.decided([Block(0, 0, 300, 300)])
    assert found is not None
    assert not found.labels.any()
