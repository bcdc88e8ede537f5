"""Choosers follow the layer that a person selects, until one is chosen by hand."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QComboBox, QPushButton
from tests.widgets import person
from tests.widgets.conftest import docked

from napari_construct.widgets.evaluate import Evaluate
from napari_construct.widgets.refine import Refine

pytestmark = [pytest.mark.gui, pytest.mark.shown]


@pytest.fixture
def segment(qtbot, viewer, tissue, fake):
    for name in ("one", "two"):
        viewer.add_image(tissue[:128, :128], name=name, rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    segment = docked(qtbot, viewer, fake)
    segment._parts.class_maps.click()
    return segment


def run_button(dock) -> QPushButton:
    return person.find(dock, "Segment", QPushButton)


def images(dock) -> QComboBox:
    return person.find(dock, "Image layer", QComboBox)


def press_run(qtbot, dock) -> None:
    with qtbot.waitSignal(dock.finished, timeout=60_000):
        person.click(run_button(dock))


def test_the_selected_image_is_segmented_and_its_results_lead_to_it(qtbot, viewer, segment, fake) -> None:
    assert run_button(segment).text() == "Segment two"
    person.click_layer(viewer, "one")
    assert run_button(segment).text() == "Segment one"
    press_run(qtbot, segment)
    assert fake.runs[-1].name == "one"
    assert viewer.layers.selection.active.name == "one mask"
    assert run_button(segment).text() == "Segment one"  # not another image, now that a mask is active
    person.click_layer(viewer, "two")
    press_run(qtbot, segment)
    assert fake.runs[-1].name == "two"
    for layer, image in (("one tumour (class map)", "one"), ("two mask", "two"), ("one mask", "one")):
        person.click_layer(viewer, layer)
        assert run_button(segment).text() == f"Segment {image}"
    viewer.layers.remove("one")
    person.click_layer(viewer, "one mask")  # its image is not there any more
    assert run_button(segment).text() == "Segment two"


def test_a_choice_by_hand_is_kept_until_it_is_given_up(viewer, segment) -> None:
    person.choose(images(segment), "one")
    person.click_layer(viewer, "two")
    assert run_button(segment).text() == "Segment one"
    assert "Kept" in images(segment).toolTip()
    assert "Kept" in images(segment).accessibleDescription()
    person.choose(images(segment), "two (as selected)")
    assert run_button(segment).text() == "Segment two"
    assert "Follows" in images(segment).toolTip()
    person.click_layer(viewer, "one")
    assert run_button(segment).text() == "Segment one"


def test_a_kept_layer_that_is_closed_is_kept_no_longer(viewer, segment) -> None:
    segment.setLayer(viewer.layers["one"])  # from Python: kept as well
    person.click_layer(viewer, "two")
    assert segment.layer().name == "one"
    viewer.layers.remove("one")
    assert run_button(segment).text() == "Segment two"
    viewer.add_image(np.zeros((64, 64, 3), np.uint8), name="three", rgb=True)
    assert run_button(segment).text() == "Segment three"


def test_a_running_job_stays_with_its_image(qtbot, viewer, segment, fake) -> None:
    person.click_layer(viewer, "one")
    fake.seconds = 0.2
    person.click(run_button(segment))
    person.click_layer(viewer, "two")
    assert segment.layer().name == "one"
    qtbot.waitUntil(lambda: not segment.isRunning(), timeout=20_000)
    assert fake.runs[-1].name == "one"
    assert segment.layer().name == "one"
    assert "one: tumour 52 %" in person.words(segment)  # what was found is still that of this image


def test_names_are_shown_as_they_are_and_cut_in_the_middle(viewer, segment) -> None:
    viewer.layers["two"].name = "H&E & <b>"
    button = run_button(segment)
    assert button.text() == "Segment H&&E && <b>"  # what Qt draws as H&E & <b>
    long = "TCGA-CR-7395-01A-01-TS1." + "0123456789" * 8 + ".svs"
    viewer.layers["H&E & <b>"].name = long
    width = segment.minimumSizeHint().width()
    assert "…" in button.text()
    assert button.text().startswith("Segment TCGA")
    assert button.text().endswith(".svs")
    assert f"Segment {long}" in button.toolTip()
    assert f"Segment {long}" in button.accessibleDescription()
    assert button.accessibleName() == "Segment"
    viewer.layers[long].name = "a"
    assert segment.minimumSizeHint().width() == width  # a name does not widen the dock


def test_the_button_says_which_part(viewer, segment, tissue) -> None:
    person.choose(person.find(segment, "Region", QComboBox), "Visible part")
    assert run_button(segment).text() == "Segment the visible part of two"
    viewer.add_image(np.stack([tissue[:64, :64]] * 5), name="stack", rgb=True)
    person.choose(person.find(segment, "Planes", QComboBox), "All 5")
    assert "Segment the visible part of 5 planes of stack" in run_button(segment).toolTip()
    assert run_button(segment).text().startswith("Segment the")
    assert run_button(segment).text().endswith("of stack")
    person.choose(person.find(segment, "Region", QComboBox), "Whole image")
    assert run_button(segment).text() == "Segment 5 planes of stack"


def test_evaluate_follows_masks_and_annotations(qtbot, viewer, segment) -> None:
    press_run(qtbot, segment)
    viewer.add_labels(np.ones((128, 128), np.uint8), name="truth")
    evaluate = Evaluate(viewer)
    viewer.window.add_dock_widget(evaluate, name="Evaluate", tabify=True)
    person.click_layer(viewer, "one")
    evaluate.parentWidget().raise_()
    assert person.find(evaluate, "Evaluate", QPushButton).text() == "Evaluate two mask"
    viewer.add_labels(np.ones((128, 128), np.uint8), name="second truth")
    assert evaluate._input.truth.layer().name == "second truth"
    person.click_layer(viewer, "truth")
    assert evaluate._input.truth.layer().name == "truth"
    assert evaluate._input.prediction.layer().name == "two mask"


def test_refine_goes_from_an_image_to_its_mask(qtbot, viewer, tissue, checkpoint) -> None:
    from napari_construct.widgets.segment.segment_tissue import SegmentTissue

    for name in ("one", "two"):
        viewer.add_image(tissue[:64, :64], name=name, rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    segment = SegmentTissue(viewer)
    viewer.window.add_dock_widget(segment, name="Segment")
    segment.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: not segment.message(), timeout=60_000)
    person.click(person.find(segment, "Show class maps"))
    for name in ("one", "two"):
        person.click_layer(viewer, name)
        press_run(qtbot, segment)
    refine = Refine(viewer)
    viewer.window.add_dock_widget(refine, name="Refine", tabify=True)
    assert refine.layer().name == "two mask"
    for active, mask in (("one", "one"), ("two tumour (class map)", "two"), ("one mask", "one")):
        person.click_layer(viewer, active)
        assert refine.layer().name == f"{mask} mask"
    with qtbot.waitSignal(refine.updated, timeout=60_000):
        refine.setValue(refine.value().changed(min_confidence=0.6))
    assert viewer.layers.selection.active.name == "one (refined)"
    assert refine.layer().name == "one mask"
    person.click_layer(viewer, "two")
    person.click_layer(viewer, "one (refined)")
    assert refine.layer().name == "one mask"
