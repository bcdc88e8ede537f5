"""A batch on a graphics card."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.graphics_card import GraphicsCard

from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.sources import find_sources
from napari_construct.data.masks import read_mask
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment

from .conftest import QUICK

pytestmark = pytest.mark.cuda


@pytest.fixture
def on_card(predictor: Predictor, card: GraphicsCard) -> Predictor:
    return Predictor(predictor.checkpoint, "cuda", encoder=TinyEncoder(), name="tiny")


def test_masks_are_the_cpus_and_memory_does_not_grow(
    on_card: Predictor, predictor: Predictor, card: GraphicsCard, folder: Path, tmp_path: Path, tissue
) -> None:
    segment(tissue, on_card, QUICK.segment)
    before = card.allocated()
    report = run(run_batch_steps(find_sources([folder]), on_card, QUICK, tmp_path / "out"))
    assert [Path(entry.error.split(":")[0]).name for entry in report.failed] == ["broken.png"]
    mask = read_mask(tmp_path / "out" / "a_mask.tif")
    assert (mask == segment(tissue, predictor, QUICK.segment).labels).mean() >= 0.999
    assert card.gave_back(before)


def test_an_image_too_large_for_the_card_does_not_stop_the_rest(
    on_card: Predictor, card: GraphicsCard, folder: Path, tmp_path: Path, tissue: np.ndarray
) -> None:
    Image.fromarray(np.tile(tissue, (12, 12, 1))).save(folder / "large.png")
    settings = QUICK.changed(segment=QUICK.segment.changed(tile=1536).model_dump())
    segment(tissue, on_card, settings.segment)
    with card.only(30):
        report = run(run_batch_steps(find_sources([folder]), on_card, settings, tmp_path / "out"))
    errors = {entry.name: entry.error for entry in report.failed}
    assert set(errors) == {"broken", "large"}
    assert "choose smaller tiles or the device cpu" in errors["large"]
    with (tmp_path / "out" / "batch.csv").open(encoding="utf-8") as stream:
        assert [row["state"] for row in csv.DictReader(stream)].count("done") == 5
