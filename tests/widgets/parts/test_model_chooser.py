"""Which models can be chosen, and what is said about them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from qtpy.QtWidgets import QComboBox
from tests.widgets import person

from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.evaluate.evaluate import Evaluate
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.prototypes.prototypes import Prototypes
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = [pytest.mark.gui, pytest.mark.shown]


def offered(widget) -> list[str]:
    combo = person.find(widget, "Model", QComboBox)
    return [combo.itemText(i) for i in range(combo.count())]


def own_model(checkpoint: Path, folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(checkpoint, folder / f"{name}.construct"))


@pytest.mark.parametrize("dock", [SegmentTissue, Batch, Evaluate, Prototypes])
def test_own_models_are_in_every_chooser(qtbot, viewer, checkpoint, tmp_path, dock) -> None:
    good = own_model(checkpoint, tmp_path / "anywhere", "my glands")
    damaged = own_model(checkpoint, tmp_path / "anywhere", "damaged")
    damaged.write_bytes(checkpoint.read_bytes()[:-3000])
    absent = tmp_path / "anywhere" / "absent.construct"
    for path in (good, damaged, absent):
        remember_model(path)
    widget = dock(viewer)
    viewer.window.add_dock_widget(widget, name="dock")
    qtbot.waitUntil(widget.isVisible)
    if dock is Evaluate:
        person.choose(person.find(widget, "Compare", QComboBox), "Model on folders")
    qtbot.waitUntil(lambda: "my glands.construct" in offered(widget), timeout=10_000)
    assert not {"damaged.construct", "absent.construct"} & set(offered(widget))
    later = own_model(checkpoint, tmp_path / "anywhere", "trained meanwhile")
    remember_model(later)
    combo = person.find(widget, "Model", QComboBox)
    combo.showPopup()
    qtbot.waitUntil(lambda: "trained meanwhile.construct" in offered(widget), timeout=10_000)
    later.unlink()
    combo.hidePopup()
    combo.showPopup()
    qtbot.waitUntil(lambda: "trained meanwhile.construct" not in offered(widget), timeout=10_000)
    combo.hidePopup()
    qtbot.wait(200)  # jobs of the dock end


def test_one_line_says_what_a_model_is_for(qtbot, viewer, checkpoint, tmp_path) -> None:
    own = own_model(checkpoint, tmp_path / "anywhere", "mine")
    chooser = ModelChooser()
    viewer.window.add_dock_widget(chooser, name="chooser")
    qtbot.waitUntil(lambda: "Lymph node H&E" in person.words(chooser), timeout=10_000)
    assert "research only" in person.words(chooser)
    chooser.describe("Knows tumour; trained at 0.5 µm per pixel; encoder mini")
    assert "encoder" not in person.words(chooser)
    remember_model(own)
    chooser.refresh()
    combo = person.find(chooser, "Model", QComboBox)
    qtbot.waitUntil(lambda: combo.findText("mine.construct") >= 0, timeout=10_000)
    person.choose(combo, "mine.construct")
    qtbot.waitUntil(lambda: "Own model: tumour, lymphoid" in person.words(chooser), timeout=10_000)
    qtbot.wait(200)
