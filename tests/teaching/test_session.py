"""A head is fitted to strokes while they are painted, and is a model like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.events import run
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from napari_construct.teaching.session import TeachSession
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.strokes import Strokes

TWO = TeachSettings(classes="lymphoid; tumour")


def shared(mask: np.ndarray, labels: np.ndarray) -> float:
    """Share of the pixels of both classes that got theirs."""
    return float(np.mean([(labels[mask == i] == i + 1).mean() for i in (0, 1)]))


def test_strokes_teach_two_classes(region: tuple[np.ndarray, np.ndarray], strokes: Strokes) -> None:
    image, mask = region
    session = TeachSession(TWO, "cpu")
    session.put("a", strokes)
    taught = run(session.fit_steps())
    labels = segment(image, taught.predictor, mpp=0.25, background=None).labels
    assert shared(mask, labels) > 0.75
    assert taught.predictor.mpp == 0.25  # the encoder has no resolution of its own
    swapped = strokes.painted.copy()
    swapped[strokes.painted == 1], swapped[strokes.painted == 2] = 2, 1
    session.put("a", Strokes("a", image, swapped, 0.25))
    assert shared(mask, segment(image, run(session.fit_steps()).predictor, mpp=0.25).labels) < 0.25


def test_a_taught_model_is_a_file_like_any_other(
    region: tuple[np.ndarray, np.ndarray], strokes: Strokes, tmp_path: Path
) -> None:
    session = TeachSession(TWO, "cpu")
    session.put("a", strokes)
    taught = run(session.fit_steps())
    path = save_checkpoint(tmp_path / "m", taught.checkpoint)
    loaded = load_model(path, device="cpu")
    expected = segment(region[0], taught.predictor, mpp=0.25)
    found = segment(region[0], loaded, mpp=0.25)
    np.testing.assert_allclose(found.cams, expected.cams, atol=1e-5)
    np.testing.assert_array_equal(found.labels, expected.labels)
    record = load_checkpoint(path).training["teaching"]
    assert record["images"][0]["classes"]["tumour"]["pixels"] == int((strokes.painted == 2).sum())
    assert not loaded.checkpoint.uses_crf
    assert loaded.calibration.presence_thresholds == (0.0, 0.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_strokes_teach_the_same(strokes: Strokes, seed: int) -> None:
    found = []
    for _ in range(2):
        session = TeachSession(TWO.changed(seed=seed, most_cells=20), "cpu")
        session.put("a", strokes)
        found.append(run(session.fit_steps()).checkpoint.head_state)
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=0, atol=0)


def test_a_start_says_the_same_until_it_is_taught(region: tuple[np.ndarray, np.ndarray]) -> None:
    image, _ = region
    model = load_model("lymph-node", device="cpu")
    names = model.classes.names
    expected = segment(image, model, mpp=0.25, crf=None, classes=names)
    for classes in ("; ".join(names), "; ".join((*names, "fat"))):
        session = TeachSession(TeachSettings(classes=classes, start="lymph-node"), "cpu")
        before = segment(image, session.untaught(), mpp=0.25, classes=names)
        found = before.probabilities[:2] / before.probabilities[:2].sum(0)
        np.testing.assert_allclose(found, expected.probabilities, atol=1e-4)


def test_a_new_class_beside_a_model(region: tuple[np.ndarray, np.ndarray]) -> None:
    """The upper half is called another tissue; what the model knew stays below."""
    image, _ = region
    image = image.copy()
    image[:128] = image[:128, :, ::-1]  # exchanged colours: no tissue that it knows
    painted = np.zeros((256, 256), dtype=np.uint8)
    painted[20:24, 20:200] = painted[60:64, 20:200] = 1
    session = TeachSession(TeachSettings(classes="blue", start="lymph-node"), "cpu")
    assert session.classes.names == (*load_model("lymph-node").classes.names, "blue")
    session.put("a", Strokes("a", image, painted, 0.25))
    taught = run(session.fit_steps())
    before = segment(image, session.untaught(), mpp=0.25, classes=session.classes.names[:2]).labels
    labels = segment(image, taught.predictor, mpp=0.25).labels
    assert (labels[:112] == 3).mean() > 0.8
    assert (labels[144:] == before[144:]).mean() > 0.9
