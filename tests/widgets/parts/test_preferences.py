"""napari's preferences page, and that widgets start with what it says."""

from __future__ import annotations

from types import SimpleNamespace

import napari.settings
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QComboBox

from napari_construct.classes import BCSS_COLOURS, PALETTES, ClassTable
from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.parts.memory import Memory
from napari_construct.widgets.parts.preferences import Preferences, preferences
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

CHOSEN = Preferences(device="cpu", tile=256, overlap=32, palette="Paper (BCSS)", cache_gb=3.0)


@pytest.fixture
def chosen(monkeypatch) -> None:
    """As napari gives them."""
    values = CHOSEN.as_dict()
    training = SimpleNamespace(cache_gb=values.pop("cache_gb"))
    kept = SimpleNamespace(segmentation=SimpleNamespace(**values), training=training)
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda _: kept, raising=False)


def test_page_has_every_preference_with_its_default() -> None:
    pages = PluginManifest.from_distribution("napari-construct").contributions.configurations
    properties = {key: p for page in pages.values() for key, p in page.properties.items()}
    assert {key: p.default for key, p in properties.items()} == Preferences().as_dict()
    assert properties["palette"].enum == ["Of the model", *PALETTES]


def test_read_as_napari_keeps_them(chosen) -> None:
    assert preferences() == CHOSEN


def test_without_a_page_there_are_defaults(monkeypatch) -> None:
    monkeypatch.delattr(napari.settings, "get_plugin_settings", raising=False)
    assert preferences() == Preferences()


def test_widgets_start_with_them(qtbot, viewer, fake, chosen) -> None:
    widget = SegmentTissue(viewer, load_model=fake.load_model)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget._model.isLoading(), timeout=20_000)
    assert widget.value() == SegmentSettings(tile=256, overlap=32)
    assert [tissue.colour for tissue in widget._model.table.value()] == list(BCSS_COLOURS[:2])
    batch = Batch(viewer, load_model=fake.load_model)
    qtbot.addWidget(batch)
    qtbot.waitUntil(lambda: not batch._loader.isLoading(), timeout=20_000)
    assert batch.value().segment == SegmentSettings(tile=256, overlap=32)


def test_contradiction_is_left_out() -> None:
    assert Preferences(tile=64, overlap=512, device="cpu").settings() == SegmentSettings()


def test_palette_of_the_model_is_the_default() -> None:
    table = ClassTable.from_names(("a", "b"), palette=("#010203", "#040506"))
    assert Preferences().coloured(table) == table


class WithoutCrf:
    """What the options ask a second-stage model."""

    uses_crf = False


def test_automatic_says_what_it_stands_for_and_stays_automatic(qtbot, viewer, fake) -> None:
    def second_stage(model: str, *, device: str = "auto") -> SimpleNamespace:
        return SimpleNamespace(**vars(fake.load_model(model, device=device)), checkpoint=WithoutCrf())

    widget = SegmentTissue(viewer, load_model=second_stage)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget._model.isLoading(), timeout=20_000)
    choice = next(c for c in widget.findChildren(QComboBox) if c.accessibleName() == "Refine borders")
    assert choice.currentText() == "automatic (off)"
    assert widget.value() == SegmentSettings()
    choice.setCurrentIndex(choice.findText("on"))
    assert widget.value() == SegmentSettings(crf=CRFParameters())
    widget.setModel("another")
    qtbot.waitUntil(lambda: not widget._model.isLoading(), timeout=20_000)
    assert widget.value() == SegmentSettings(crf=CRFParameters())  # what was chosen by hand stays


def test_the_device_of_the_preferences_and_of_before(qtbot, viewer, fake, chosen) -> None:
    widget = SegmentTissue(viewer, load_model=fake.load_model)
    qtbot.addWidget(widget)
    assert widget.device() == "cpu"
    batch = Batch(viewer, load_model=fake.load_model)
    qtbot.addWidget(batch)
    assert batch.value().device == "cpu"
    qtbot.waitUntil(lambda: not (widget._model.isLoading() or batch._loader.isLoading()), timeout=20_000)


def test_what_was_remembered_when_the_device_was_a_setting(qtbot, viewer, fake) -> None:
    stored = SegmentSettings(crf=None, tile=640).model_dump(mode="json") | {"device": "cpu"}
    Memory("segment tissue").keep({"settings": stored, "preferences": Preferences().as_dict()})
    widget = SegmentTissue(viewer, load_model=fake.load_model)
    qtbot.addWidget(widget)
    assert (widget.device(), widget.value()) == ("cpu", SegmentSettings(crf=None, tile=640))
    qtbot.waitUntil(lambda: not widget._model.isLoading(), timeout=20_000)
