"""What a person sees of results in Segment: of this image, of this plane, of this model; layers in order."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QPushButton
from tests.widgets import person
from tests.widgets.conftest import CLASSES, by_colour, docked

from napari_construct.classes import ClassTable
from napari_construct.events import Notice

pytestmark = [pytest.mark.gui, pytest.mark.shown]


def segment(qtbot, widget) -> None:
    with qtbot.waitSignal(widget.finished, timeout=60_000):
        person.click(person.find(widget, "Segment", QPushButton))
    qtbot.waitUntil(lambda: not widget.isRunning())


def names(viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_after_a_run_the_mask_is_on_top_selected_and_the_image_shown(qtbot, viewer, widget) -> None:
    viewer.layers["slide"].visible = False
    segment(qtbot, widget)
    assert names(viewer) == ["slide", "slide mask"]
    assert viewer.layers.selection.active.name == "slide mask"
    assert viewer.layers["slide mask"].visible
    assert viewer.layers["slide"].visible


def test_a_rerun_replaces_its_untouched_mask_and_keeps_its_looks(qtbot, viewer, widget, fake) -> None:
    segment(qtbot, widget)
    mask = viewer.layers["slide mask"]
    mask.opacity, mask.visible = 0.9, False
    viewer.layers.move(1, 0)
    mask.data = np.array(mask.data)  # as napari does where nothing is changed
    fake.decided_steps, usual = _halved(fake.decided_steps), np.array(mask.data)
    widget._decided_steps = fake.decided_steps
    segment(qtbot, widget)
    assert names(viewer) == ["slide mask", "slide"]
    assert viewer.layers[0].unique_id == mask.unique_id
    assert not np.array_equal(mask.data, usual)
    assert mask.features["pixels"].sum() == (mask.data > 0).sum()
    assert (mask.opacity, mask.visible) == (0.9, False)
    assert viewer.layers.selection.active.unique_id == mask.unique_id


def _halved(steps):
    def decided_steps(image, *args, **kwargs):
        result, decider = yield from steps(image, *args, **kwargs)
        result.labels[: len(result.labels) // 2] = 0
        return result, decider

    return decided_steps


@pytest.mark.parametrize("how", ["painted", "renamed", "moved"])
def test_a_touched_mask_stays(qtbot, viewer, widget, how) -> None:
    segment(qtbot, widget)
    mask = viewer.layers["slide mask"]
    if how == "painted":
        on = person.canvas(viewer)
        person.press(on, "p")
        mask.brush_size = 40
        person.stroke(on)
        assert not np.array_equal(mask.data, by_colour(np.asarray(viewer.layers["slide"].data), 0.25).labels)
    elif how == "renamed":
        mask.name = "final"
    else:
        mask.translate = (3, 3)
    before, name = np.array(mask.data), mask.name
    segment(qtbot, widget)
    assert len(viewer.layers) == 3
    assert viewer.layers[1].unique_id == mask.unique_id
    assert mask.name == name
    np.testing.assert_array_equal(mask.data, before)


def test_strokes_that_were_undone_are_no_touch(qtbot, viewer, widget) -> None:
    segment(qtbot, widget)
    on = person.canvas(viewer)
    person.press(on, "p")
    viewer.layers["slide mask"].brush_size = 40
    person.stroke(on)
    person.undo(on)
    segment(qtbot, widget)
    assert names(viewer) == ["slide", "slide mask"]


def test_class_maps_come_on_request_below_the_mask_and_the_wish_is_kept(qtbot, viewer, widget, fake) -> None:
    segment(qtbot, widget)
    assert names(viewer) == ["slide", "slide mask"]
    tick = person.find(widget, "Show class maps", QCheckBox)
    person.click(tick)
    qtbot.waitUntil(lambda: not widget.isRunning() and len(viewer.layers) == 4)
    assert names(viewer) == ["slide", "slide tumour (class map)", "slide lymphoid (class map)", "slide mask"]
    maps = [layer for layer in viewer.layers if "class map" in layer.name]
    assert all(one.visible and one.opacity < 1 and "translucent" in one.blending for one in maps)
    np.testing.assert_array_equal(maps[0].data, by_colour(np.asarray(viewer.layers[0].data), 0.25).cams[0])
    segment(qtbot, widget)
    assert len(viewer.layers) == 4
    maps[0].name = "mine"
    person.click(tick)
    assert names(viewer) == ["slide", "mine", "slide mask"]
    person.click(tick)
    segment(qtbot, widget)
    assert docked(qtbot, viewer, fake)._parts.class_maps.isChecked()


def stack_of(viewer, tissue, fake, widget, choose: bool = True) -> None:
    """A stack of four planes, of which the last has no tumour."""
    white = np.full_like(tissue, 250)
    planes = np.stack([tissue, tissue[::-1], tissue[:, ::-1], white])
    viewer.add_image(planes, name="stack", rgb=True)
    steps = fake.decided_steps

    def decided_steps(image, predictor, settings, *, mpp=None, name="image", valid=None):
        yield Notice("tiles", 0, 1, f"{name}: 0.5 um per pixel")
        result, decider = yield from steps(image, predictor, settings, mpp=mpp, name=name, valid=valid)
        found = bool((result.labels == 1).any())
        scores = (0.93, 0.41) if found else (0.2, 0.3)
        return _with(result, presence=(found, found), presence_scores=scores), decider

    widget._decided_steps = decided_steps
    person.choose(person.find(widget, "Image layer", QComboBox), "stack")
    person.choose(person.find(widget, "Planes", QComboBox), "All 4")


def _with(result, **changes):
    return replace(result, **changes)


def test_a_stack_is_summed_up_and_its_rows_follow_the_plane_on_view(
    qtbot, viewer, widget, fake, tissue
) -> None:
    stack_of(viewer, tissue, fake, widget)
    segment(qtbot, widget)
    data = viewer.layers["stack mask"].data
    said = widget.message()
    share = 100 * (data == 1).sum() / (np.asarray(viewer.layers["stack"].data).mean(-1) <= 225).sum()
    assert said.startswith(f"stack, 4 planes: tumour {share:.0f} % (in 3 of 4 planes)")
    assert said.count("0.5 µm per pixel") == 1
    assert "In all planes: 0.5 µm per pixel" in said
    assert said.count("stack") == 1
    viewer.dims.set_current_step(0, 0)
    first = person.words(widget)
    assert "stack, plane 1 of 4, fake" in first
    assert "not found" not in first
    viewer.dims.set_current_step(0, 3)
    last = person.words(widget)
    assert "stack, plane 4 of 4, fake" in last
    assert last.count("not found") == 2


def test_results_belong_to_the_image_chosen_and_come_back_with_it(qtbot, viewer, widget, tissue) -> None:
    segment(qtbot, widget)
    assert "slide, fake" in person.words(widget)
    viewer.add_image(tissue[:128], name="other", rgb=True)
    images = person.find(widget, "Image layer", QComboBox)
    person.choose(images, "other")
    assert not widget.message()
    assert "found" not in person.words(widget).splitlines()
    person.choose(images, "slide")
    assert widget.message().startswith("slide: tumour")
    assert person.words(widget).splitlines().count("found") == 2
    viewer.layers.remove("slide mask")
    assert not widget.message()
    assert "found" not in person.words(widget).splitlines()


def test_results_of_other_settings_and_of_another_model_are_not_those_on_view(
    qtbot, viewer, widget, fake
) -> None:
    segment(qtbot, widget)
    widget._options.field("min_confidence").setValue(0.5)
    assert "the settings were others" in person.words(widget)
    widget.setModel("other")
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=10_000)
    assert "found" not in person.words(widget).splitlines()
    assert not widget.message()


def test_found_or_not_is_said_and_the_threshold_is_marked(qtbot, viewer, widget, fake) -> None:
    load = fake.load_model

    def with_thresholds(model, *, device="auto"):
        loaded = load(model, device=device)
        return SimpleNamespace(**vars(loaded), calibration=SimpleNamespace(presence_thresholds=(0.62, 0.98)))

    steps = fake.decided_steps

    def decided_steps(*args, **kwargs):
        result, decider = yield from steps(*args, **kwargs)
        result.labels[result.labels == 1] = 2
        return _with(result, presence=(True, False), presence_scores=(0.93, 0.97)), decider

    widget._loaded._load_model, widget._decided_steps = with_thresholds, decided_steps
    widget.setModel("calibrated")
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=10_000)
    segment(qtbot, widget)
    tumour, lymphoid = widget._parts.classes._rows["tumour"], widget._parts.classes._rows["lymphoid"]
    assert tumour.bar.threshold() == 0.62
    assert "Found where presence is at least 62 %" in tumour.bar.toolTip()
    assert lymphoid.score.text() == "not found"
    assert "97 %" not in person.words(widget)
    assert tumour.score.text() == "found"
    assert "found, no area: another class is more likely in every pixel" in person.words(widget)


def test_a_change_of_the_class_table_keeps_areas_and_presence(qtbot, viewer, widget) -> None:
    segment(qtbot, widget)
    before = person.words(widget._parts.classes)
    table = widget._model.table
    person.click(person.find(widget, "Class table, open or close", QPushButton))
    person.choose(person.find(widget, "Palette", QComboBox), "Paper", stays=False)
    assert table.value() != CLASSES
    assert person.words(widget._parts.classes) == before
    box = table._table.visualItemRect(table._table.item(1, 3))
    person.click(table._table.viewport(), QPoint(box.left() + 10, box.center().y()))
    assert not table.value()[1].shown
    assert person.words(widget._parts.classes) == before
    table.setNamesEditable(True)
    table._table.item(0, 1).setText("cancer")
    QApplication.processEvents()
    assert person.words(widget._parts.classes) == before.replace("tumour", "cancer")


def test_results_do_not_hide_layers_of_the_user(qtbot, viewer, widget, tissue) -> None:
    viewer.add_layer(Image(tissue, name="other", rgb=True))
    person.choose(person.find(widget, "Image layer", QComboBox), "slide")
    segment(qtbot, widget)
    assert all(layer.visible for layer in viewer.layers)


def test_a_class_has_the_colour_that_the_user_gave_it_also_with_another_model(
    qtbot, viewer, widget, fake
) -> None:
    person.click(person.find(widget, "Class table, open or close", QPushButton))
    person.choose(person.find(widget, "Palette", QComboBox), "Paper", stays=False)
    red = widget._model.table.value()[0].colour
    assert red == "#FF0000"
    load = fake.load_model
    other = ClassTable.from_names(("fat", "tumour"))
    widget._loaded._load_model = lambda *a, **k: SimpleNamespace(**vars(load(*a, **k)) | {"classes": other})
    widget.setModel("other")
    qtbot.waitUntil(lambda: widget._model.table.value().names == other.names, timeout=10_000)
    table = widget._model.table.value()
    assert table[1].colour == red
    assert table[0].colour != red
    widget._loaded._load_model = load
    widget.setModel("fake")
    qtbot.waitUntil(lambda: widget._model.table.value().names == CLASSES.names, timeout=10_000)
    assert widget._model.table.value()[0].colour == red
