"""Slides in Batch: progress in the table while they are segmented, and their layers by a double click."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from tests.large_slides import TILE, write_large_slide

from napari_construct.batch.settings import BatchSettings
from napari_construct.data import limits
from napari_construct.data.slides.slide import open_slide
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.layers import pixel_size, slide_of

pytestmark = pytest.mark.gui


@pytest.fixture
def folder(tissue, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(limits, "MAX_PIXELS", 8_000_000)
    root = tmp_path / "slides"
    root.mkdir()
    part = np.ascontiguousarray(tissue[:128, :128])
    Picture.fromarray(part).save(root / "a.png")
    write_large_slide(root / "b.svs", part, side=8 * TILE)
    (root / "text.svs").write_text("no slide", encoding="utf-8")
    return root


def test_a_slide_beside_an_image(qtbot, viewer, checkpoint, folder, tmp_path) -> None:
    widget = Batch(viewer)
    viewer.window.add_dock_widget(widget, name="Batch")
    quick = SegmentSettings(tile=128, overlap=32, crf=None)
    widget.setValue(BatchSettings(model=str(checkpoint), segment=quick))
    widget.setOutput(str(tmp_path / "out"))
    qtbot.waitUntil(lambda: not widget._loader.isLoading(), timeout=60_000)
    widget.addPaths([str(folder)])
    seen: set[str] = set()
    table = widget._inputs.items()
    table.itemChanged.connect(lambda item: seen.add(item.text()))
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        widget.run()
    qtbot.waitUntil(lambda: not widget.isRunning())
    assert not table.entries()[1].error
    assert {entry.name: entry.state for entry in table.entries()} == {
        "a": "done", "b": "done", "text": "failed"
    }  # fmt: skip
    tiles = sorted(int(text.split()[1]) for text in seen if text.startswith("tiles "))
    assert len(tiles) > 5
    assert all(0 <= percent <= 100 for percent in tiles)
    assert any(text.startswith("refining ") for text in seen)
    assert "expected a slide" in table.item(2, 1).toolTip()
    assert "Over all: tumour" in widget.message()
    entry = table.entries()[1]
    widget._on_opened(entry)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    picture, labels = viewer.layers
    assert labels.multiscale
    assert picture.multiscale
    assert picture.data[0].shape == (8 * TILE, 8 * TILE, 3)  # not a picture of it: read where one looks
    assert slide_of(picture).path == folder / "b.svs"
    assert pixel_size(picture).mpp == 0.25
    part = np.s_[2 * TILE : 2 * TILE + 64, 3 * TILE : 3 * TILE + 64]
    with open_slide(folder / "b.svs") as slide:
        np.testing.assert_array_equal(picture.data[0][part], slide.read(0, 2 * TILE, 3 * TILE, 64, 64))
    np.testing.assert_allclose(picture.extent.world, labels.extent.world, atol=1)
    assert str(picture.units[0]) == str(labels.units[0]) == "micrometer"
