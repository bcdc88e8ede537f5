"""Warnings of a batch: a number in the table, the texts on request, kept by a run that goes on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PIL import Image as Picture
from qtpy.QtTest import QTest
from tests.widgets import person

from napari_construct.batch.settings import BatchSettings
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.batch.item_table import ItemTable

pytestmark = [pytest.mark.gui, pytest.mark.shown]


@pytest.fixture
def widget(qtbot, viewer, checkpoint, tissue, tmp_path) -> Batch:
    """A batch of a plain image and one without colour, ready to run."""
    images = tmp_path / "images"
    images.mkdir()
    part = tissue[:128, :128]
    Picture.fromarray(part).save(images / "plain.png", dpi=(101600, 101600))
    Picture.fromarray(part).convert("L").save(images / "grey.png", dpi=(101600, 101600))
    widget = Batch(viewer)
    viewer.window.add_dock_widget(widget, name="Batch")
    quick = SegmentSettings(tile=128, overlap=32, crf=None, mpp=0.25)
    widget.setValue(BatchSettings(model=str(checkpoint), segment=quick, outputs=("mask",)))
    widget.setOutput(str(tmp_path / "out"))
    widget.addPaths([str(images)])
    qtbot.waitUntil(lambda: not widget._loader.isLoading(), timeout=60_000)
    return widget


def test_a_column_of_warnings(qtbot, widget: Batch, tmp_path: Path) -> None:
    for _ in range(2):  # the second run takes both from the ledger
        with qtbot.waitSignal(widget.finished, timeout=60_000):
            widget.run()
        qtbot.waitUntil(lambda: not widget.isRunning())
        table = widget.findChild(ItemTable)
        assert table is not None
        rows = {table.item(i, 0).text(): table.item(i, 2) for i in range(table.rowCount())}
        assert rows["plain"].text() == ""
        assert int(rows["grey"].text()) >= 1
        assert "grey" in rows["grey"].toolTip()
        place = table.visualItemRect(rows["grey"]).center()
        person.reach(table)
        QTest.mouseClick(table.viewport(), person.LEFT, person.NONE, place)
        QTest.mouseDClick(table.viewport(), person.LEFT, person.NONE, place)
        assert "grey" in widget.message()
        assert "grey" in widget.message()
        with (tmp_path / "out" / "batch.csv").open(encoding="utf-8") as stream:
            said = {Path(row["item"]).stem: row["warnings"] for row in csv.DictReader(stream)}
        assert said["plain"] == ""
        assert "grey" in said["grey"]
