"""napari's preferences page, and that widgets start with what it says."""

from __future__ import annotations

from types import SimpleNamespace

import napari.settings
import pytest
from npe2 import PluginManifest

from napari_construct.classes import BCSS_COLOURS, PALETTES, ClassTable
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.jobs.model_loader import rebased
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
    assert widget.value() == SegmentSettings(device="cpu", tile=256, overlap=32)
    assert [tissue.colour for tissue in widget._model.table.value()] == list(BCSS_COLOURS[:2])
    batch = Batch(viewer, load_model=fake.load_model)
    qtbot.addWidget(batch)
    qtbot.waitUntil(lambda: not batch._loader.isLoading(), timeout=20_000)
    assert batch.value().segment == SegmentSettings(device="cpu", tile=256, overlap=32)


def test_contradiction_is_left_out() -> None:
    assert Preferences(tile=64, overlap=512, device="cpu").settings() == SegmentSettings(device="cpu")


def test_palette_of_the_model_is_the_default() -> None:
    table = ClassTable.from_names(("a", "b"), palette=("#010203", "#040506"))
    assert Preferences().coloured(table) == table


def test_only_what_nobody_changed_follows_the_model() -> None:
    before, after = SegmentSettings(), SegmentSettings(crf=None, tile=128, overlap=32)
    value = SegmentSettings(min_confidence=0.2, tile=640)
    assert rebased(value, before, after) == SegmentSettings(
        crf=None, min_confidence=0.2, tile=640, overlap=32
    )


def test_a_model_without_crf_switches_it_off(qtbot, viewer, fake) -> None:
    load = fake.load_model

    def second_stage(model: str, *, device: str = "auto") -> SimpleNamespace:
        return SimpleNamespace(**vars(load(model, device=device)), defaults=SegmentSettings(crf=None))

    widget = SegmentTissue(viewer, load_model=second_stage)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget._model.isLoading(), timeout=20_000)
    assert widget.value() == SegmentSettings(crf=None)
