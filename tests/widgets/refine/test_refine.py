"""Refine in a real viewer on a real H&E region, with a small real network behind the mask."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from napari.layers import Labels
from qtpy.QtWidgets import QApplication, QPushButton, QWidget
from tests.widgets import person
from tests.widgets.conftest import CLASSES, button
from tests.widgets.refine.conftest import SETTINGS, segmented

from napari_construct.crf import CRFParameters
from napari_construct.events import Event, run
from napari_construct.exceptions import ConstructError
from napari_construct.inference.decision import decider as finishing
from napari_construct.inference.decision.decider import finish
from napari_construct.inference.segment import decided_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.layers import (
    Decided,
    camera,
    evidence,
    evidences,
    is_untouched,
    labels_layer,
    look_at,
    plane_at,
)
from napari_construct.widgets.refine.job import WindowDone
from napari_construct.widgets.refine.refine import Refine
from napari_construct.widgets.refine.refined_mask import why_not_refined
from napari_construct.widgets.segment.job import SegmentRequest, segment_job

pytestmark = pytest.mark.gui


def changed(qtbot, widget: Refine, **changes: Any) -> SegmentSettings:
    value = widget.value().changed(**changes)
    with qtbot.waitSignal(widget.updated, timeout=20_000):
        widget.setValue(value)
    return value


def expected(mask: Labels, settings: SegmentSettings) -> np.ndarray:
    decided = evidence(mask)
    return finish(decided.activation, decided.predictor, settings).labels


def settings_objects() -> st.SearchStrategy[SegmentSettings]:
    weights, sigmas = st.floats(0, 1e4), st.floats(0.01, 1000)
    crf = st.builds(
        CRFParameters,
        smoothness_sigma=sigmas,
        smoothness_weight=weights,
        appearance_sigma_xy=sigmas,
        appearance_sigma_rgb=sigmas,
        appearance_weight=weights,
        iterations=st.integers(0, 1000),
    )
    rule = st.builds(
        BackgroundRule,
        enabled=st.booleans(),
        brightness=st.floats(0, 255),
        chroma=st.floats(0, 255),
        sigma=st.floats(0, 50),
        min_area=st.floats(0, 1e12),
    )
    return st.builds(
        SegmentSettings,
        classes=st.none() | st.just(("tumour",)),
        mpp=st.none() | st.just(0.3),
        crf=st.none() | crf,
        min_confidence=st.floats(0, 1),
        presence_threshold=st.none() | st.floats(0, 1),
        background=st.none() | rule,
        background_exponent=st.floats(0.1, 100),
    )


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=settings_objects())
def test_value_is_what_was_set(widget: Refine, value: SegmentSettings) -> None:
    widget._live.setChecked(False)
    widget.setValue(value)
    assert widget.value() == value


def test_starts_from_the_settings_of_the_mask(widget, viewer) -> None:
    assert widget.value() == SETTINGS
    assert not widget.isRunning()
    assert len(viewer.layers) == 2


def test_a_moved_slider_gives_what_finish_gives(qtbot, viewer, widget, mask) -> None:
    before = np.array(mask.data)
    for changes in (
        {"crf": CRFParameters(appearance_weight=5, smoothness_weight=3)},
        {"min_confidence": 0.51},
        {"background": BackgroundRule(brightness=180)},
        {"crf": None},
    ):
        settings = changed(qtbot, widget, **changes)
        np.testing.assert_array_equal(widget.refinedLayer().data, expected(mask, settings))
    np.testing.assert_array_equal(mask.data, before)  # the segmented mask stays
    assert not is_untouched(mask)  # also where Segment runs again
    assert [layer.name for layer in viewer.layers] == ["slide", "slide mask", "slide (refined)"]
    refined = viewer.layers["slide (refined)"]
    np.testing.assert_allclose(refined.extent.world, mask.extent.world)
    assert refined.features["pixels"].sum() == (refined.data > 0).sum()
    assert refined.metadata["napari_construct"]["record"]["settings"]["crf"] is None


def test_a_mask_is_refined_without_its_network(qtbot, widget, mask) -> None:
    with pytest.raises(ConstructError, match="without"):
        _ = evidence(mask).predictor.network
    settings = changed(qtbot, widget, crf=CRFParameters(appearance_weight=60.0))
    np.testing.assert_array_equal(widget.refinedLayer().data, expected(mask, settings))


def test_compiling_is_told(qtbot, widget, monkeypatch) -> None:
    """Twenty seconds, once after an installation."""

    def compiling(*_):
        for done in (0, 1):
            yield Event("compiling, once after an installation", done, 1)

    monkeypatch.setattr(finishing, "compile_steps", compiling)
    texts: list[str] = []
    widget.job.progressed.connect(lambda _: texts.append(widget._status.text()))
    changed(qtbot, widget, crf=CRFParameters(appearance_weight=7.0))
    at = texts.index("Compiling, once after an installation...")
    assert texts[at + 1] == "Refining..."


def test_napari_undoes_a_change(qtbot, widget) -> None:
    changed(qtbot, widget, crf=None)
    first = np.array(widget.refinedLayer().data)
    changed(qtbot, widget, min_confidence=0.52)
    assert (widget.refinedLayer().data != first).any()
    widget.refinedLayer().undo()
    np.testing.assert_array_equal(widget.refinedLayer().data, first)


def test_one_undo_takes_back_one_change_also_where_the_part_on_view_came_first(qtbot, viewer, widget) -> None:
    changed(qtbot, widget, min_confidence=0.5)
    first = np.array(widget.refinedLayer().data)
    look_at(viewer, widget.refinedLayer(), (70.0, 80.0), 100.0, float(max(viewer.canvas.size)))
    changed(qtbot, widget, crf=None)
    assert (widget.refinedLayer().data != first).any()
    widget.refinedLayer().undo()
    np.testing.assert_array_equal(widget.refinedLayer().data, first)


def test_the_part_on_view_comes_first(qtbot, viewer, widget, mask) -> None:
    changed(qtbot, widget, min_confidence=0.5)
    look_at(viewer, widget.refinedLayer(), (70.0, 80.0), 100.0, float(max(viewer.canvas.size)))
    parts = []
    widget.job.progressed.connect(lambda e: parts.append(e) if isinstance(e, WindowDone) else None)
    settings = changed(qtbot, widget, crf=None)
    assert len(parts) == 1
    rows, columns = parts[0].change.indices
    assert rows.size > 0
    assert 20 <= rows.min() <= rows.max() <= 120
    assert 30 <= columns.min() <= columns.max() <= 130
    np.testing.assert_array_equal(widget.refinedLayer().data, expected(mask, settings))


def test_only_the_last_of_many_changes_counts(qtbot, widget, mask) -> None:
    told = []
    widget.updated.connect(lambda: told.append(True))
    for weight in range(30):
        widget.setValue(widget.value().changed(crf=CRFParameters(appearance_weight=weight)))
    qtbot.waitUntil(lambda: bool(told) and not widget.isRunning(), timeout=20_000)
    assert len(told) <= 3
    np.testing.assert_array_equal(widget.refinedLayer().data, expected(mask, widget.value()))


def test_not_live_waits_for_the_button(qtbot, widget) -> None:
    widget._live.setChecked(False)
    widget.setValue(widget.value().changed(min_confidence=0.6))
    assert "Update once" in widget._status.text()
    assert widget.refinedLayer() is None
    with qtbot.waitSignal(widget.updated, timeout=20_000):
        widget._buttons.once.click()
    assert widget._status.text() == "Up to date"


def test_before_and_after(qtbot, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    assert (mask.visible, widget.refinedLayer().visible) == (False, True)
    widget._before.click()
    assert (mask.visible, widget.refinedLayer().visible) == (True, False)
    widget._before.click()
    assert (mask.visible, widget.refinedLayer().visible) == (False, True)


def test_erased_regions_are_listed_and_lead_there(qtbot, viewer, widget, mask) -> None:
    changed(qtbot, widget, crf=CRFParameters(smoothness_sigma=3))
    assert "The CRF changed" in widget._erased._summary.text()
    assert widget._erased.count() > 0
    zoom = camera(viewer).zoom
    item = widget._erased._list.item(0)
    widget._erased._list.itemClicked.emit(item)
    row, column = widget._erased._regions[0].centre
    np.testing.assert_allclose(camera(viewer).center[-2:], mask.data_to_world((row, column)))
    assert camera(viewer).zoom > zoom


def test_reset_goes_back_to_the_paper(qtbot, widget) -> None:
    changed(qtbot, widget, crf=CRFParameters(iterations=1), min_confidence=0.7, presence_threshold=0.2)
    with qtbot.waitSignal(widget.updated, timeout=20_000):
        widget._buttons.reset.click()
    assert widget.value() == SETTINGS.changed(background=None)


def copied(widget: Refine, name: str) -> str:
    pressed = next(b for b in widget.findChildren(QPushButton) if b.accessibleName() == f"Copy as {name}")
    pressed.click()
    return QApplication.clipboard().text()


def test_what_is_copied_gives_identical_arrays(qtbot, widget, tmp_path, monkeypatch) -> None:
    from typer.testing import CliRunner

    from napari_construct.cli import app
    from napari_construct.data.masks import read_mask

    changed(
        qtbot, widget, crf=CRFParameters(appearance_weight=9), min_confidence=0.505, presence_threshold=0.1
    )
    names: dict[str, Any] = {}
    exec(copied(widget, "Python"), names)
    np.testing.assert_array_equal(names["result"].labels, widget.refinedLayer().data)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, shlex.split(copied(widget, "Command line"))[1:])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(
        read_mask(tmp_path / "results" / "slide_mask.tif"), widget.refinedLayer().data
    )


def test_plane_of_a_stack(qtbot, viewer, tissue, predictor, checkpoint) -> None:
    stack = viewer.add_image(np.stack([tissue, tissue[::-1]]), name="stack", rgb=True, scale=(2, 0.5, 0.5))
    viewer.dims.set_point(0, 2)
    mask = segmented(viewer, stack, predictor, str(checkpoint))
    widget = Refine(viewer)
    viewer.window.add_dock_widget(widget, name="Refine")
    settings = changed(qtbot, widget, crf=None)
    refined = widget.refinedLayer()
    np.testing.assert_array_equal(refined.data[0], expected(mask, settings))
    np.testing.assert_allclose(refined.translate, mask.translate)
    viewer.dims.set_point(0, 0)  # the plane is not on view
    settings = changed(qtbot, widget, min_confidence=0.52)
    np.testing.assert_array_equal(refined.data[0], expected(mask, settings))


def test_why_a_mask_cannot_be_refined_is_said(qtbot, viewer, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    opened = labels_layer(np.array(mask.data), CLASSES, "stored", features={}, record={}, kind="labels")
    assert "without its class maps" in why_not_refined(opened)
    assert "choose the mask" in why_not_refined(widget.refinedLayer())
    assert "run Segment" in why_not_refined(Labels(np.array(mask.data)))
    assert why_not_refined(viewer.layers["slide"]) == "It is not a mask."
    assert why_not_refined(mask) == ""


def test_only_an_opened_mask_says_why_nothing_can_be_refined(qtbot, viewer, tissue) -> None:
    zeros = np.zeros(tissue.shape[:2], np.uint8)
    viewer.add_layer(labels_layer(zeros, CLASSES, "stored", features={}, record={}, kind="labels"))
    widget = Refine(viewer)
    qtbot.addWidget(widget)
    assert "without its class maps" in widget.message()


def test_layers_that_go_away(qtbot, viewer, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    assert not mask.visible
    viewer.layers.remove(widget.refinedLayer())
    assert widget.refinedLayer() is None
    assert mask.visible  # nothing stands for it any more
    settings = changed(qtbot, widget, min_confidence=0.6)  # it is made again
    assert not mask.visible
    np.testing.assert_array_equal(widget.refinedLayer().data, expected(mask, settings))
    widget.setValue(settings.changed(min_confidence=0.7))
    viewer.layers.remove(mask)
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=20_000)
    assert "Run Segment first" in widget.message()
    assert not widget._buttons.once.isEnabled()


def test_layers_renamed_and_deleted_while_it_refines(qtbot, viewer, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    acts: list[Any] = []

    def act(_: Any) -> None:
        if acts:
            acts.pop()()

    widget.job.progressed.connect(act)

    def rename() -> None:
        mask.name, widget.refinedLayer().name = "mask", "mine"

    acts.append(rename)
    settings = changed(qtbot, widget, min_confidence=0.6)
    np.testing.assert_array_equal(viewer.layers["mine"].data, expected(mask, settings))
    assert widget.layer().name == "mask"
    acts.append(lambda: viewer.layers.remove("mine"))
    widget.setValue(settings.changed(min_confidence=0.7))
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=20_000)
    assert "was deleted" in widget._status.text()
    settings = changed(qtbot, widget, min_confidence=0.65)
    assert "Up to date" in widget._status.text()
    np.testing.assert_array_equal(widget.refinedLayer().data, expected(mask, settings))


def test_source_deleted_while_its_refined_mask_is_added(
    qtbot, viewer, widget, mask, tissue, predictor, checkpoint
) -> None:
    other = viewer.add_image(tissue[::-1].copy(), name="other", rgb=True)
    second = segmented(viewer, other, predictor, str(checkpoint))
    widget.setLayer(mask)
    widget.job.returned.connect(lambda: viewer.layers.remove(mask))
    widget.setValue(widget.value().changed(crf=None))
    qtbot.waitUntil(lambda: mask not in viewer.layers and not widget.isRunning(), timeout=20_000)
    assert widget.layer() == second
    assert widget._status.text() == "As segmented"  # and not what became of the other mask


def test_other_layers_are_not_offered(qtbot, viewer, tissue) -> None:
    viewer.add_labels(np.zeros((32, 32), np.uint8))
    widget = Refine(viewer)
    qtbot.addWidget(widget)
    assert widget.layer() is None
    assert "Run Segment first" in widget.message()


def test_duplicated_masks_share_what_they_were_made_from(mask) -> None:
    import copy

    twin = copy.deepcopy(mask.metadata)
    (decided,) = twin["napari_construct"]["decided"]
    assert isinstance(decided, Decided)
    assert decided is evidence(mask)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_fits_a_dock_of_320_pixels(qtbot, viewer, widget, theme) -> None:
    viewer.theme = theme
    changed(qtbot, widget, crf=CRFParameters(smoothness_sigma=3))
    widget.resize(320, 800)
    assert widget.minimumSizeHint().width() <= 320
    assert widget.findChild(QWidget, "inside").minimumSizeHint().width() <= 300


@pytest.fixture
def stack(viewer, tissue, predictor, checkpoint) -> Labels:
    """The mask of two different planes."""
    planes = np.stack([tissue, tissue[::-1]])
    layer = viewer.add_image(planes, rgb=True, name="stack", scale=(1, 0.25, 0.25))
    given = tuple(plane_at(layer, (i,)) for i in range(2))
    request = SegmentRequest(given, 0, str(checkpoint), SETTINGS, lambda: predictor, decided_steps)
    return viewer.add_layer(run(segment_job(request)).mask)


def test_planes_of_a_stack_one_by_one_and_all(qtbot, viewer, stack) -> None:
    widget = Refine(viewer)
    viewer.window.add_dock_widget(widget, name="Refine")
    widget.setLayer(stack)
    viewer.dims.set_current_step(0, 0)
    value = changed(qtbot, widget, crf=None, min_confidence=0.2)
    first, second = evidences(stack)
    expected_planes = [finish(d.activation, d.predictor, value) for d in (first, second)]
    refined = widget.refinedLayer()
    np.testing.assert_array_equal(refined.data[0], expected_planes[0].labels)
    np.testing.assert_array_equal(refined.data[1], stack.data[1])
    assert "1 other plane not yet" in widget._status.text()
    with qtbot.waitSignal(widget.updated, timeout=20_000):
        viewer.dims.set_current_step(0, 1)  # live: the plane on view follows
    np.testing.assert_array_equal(refined.data[1], expected_planes[1].labels)
    assert widget._status.text() == "Up to date"
    value = widget.value().changed(min_confidence=0.4)
    widget._live.setChecked(False)
    widget.setValue(value)
    with qtbot.waitSignal(widget.updated, timeout=20_000):
        widget._buttons.every.click()
    for i, decided in enumerate((first, second)):
        result = finish(decided.activation, decided.predictor, value)
        np.testing.assert_array_equal(refined.data[i], result.labels)
    counts = [int((refined.data == label).sum()) for label in (1, 2)]
    assert refined.features["pixels"].tolist() == counts
    assert len(refined.metadata["napari_construct"]["record"]["planes"]) == 2


def test_all_planes_is_offered_for_stacks_only(viewer, widget, mask) -> None:
    assert widget._buttons.every.isHidden()


def strokes(layer: Labels, label: int) -> np.ndarray:
    """Paint with the brush and the bucket, and say where the layer changed."""
    before = np.array(layer.data)
    layer.brush_size = 20
    with layer.block_history():
        for column in range(60, 100, 5):
            layer.paint((100, column), label)
    layer.fill((200, 200), label)
    return layer.data != before


STRONG = CRFParameters(appearance_weight=30, smoothness_weight=9)


def test_what_the_user_painted_stays(qtbot, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    refined = widget.refinedLayer()
    painted = strokes(refined, 2) | strokes(refined, 0)
    assert painted.sum() > 400
    before = np.array(refined.data)
    settings = changed(qtbot, widget, crf=STRONG, min_confidence=0.5)
    after = expected(mask, settings)
    np.testing.assert_array_equal(refined.data[painted], before[painted])
    np.testing.assert_array_equal(refined.data[~painted], after[~painted])
    assert (before != after)[~painted].any()
    assert (before != after)[painted].any()
    assert widget._status.text() == f"Up to date; {painted.sum():,} painted pixels kept"


def test_what_was_painted_before_the_first_refinement_stays(qtbot, widget, mask) -> None:
    painted = strokes(mask, 1)
    settings = changed(qtbot, widget, crf=None, min_confidence=0.5)
    after = expected(mask, settings)
    assert (after[painted] != 1).any()
    np.testing.assert_array_equal(widget.refinedLayer().data, np.where(painted, 1, after))


def test_a_stroke_that_is_undone_is_refined_again(qtbot, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    refined = widget.refinedLayer()
    before = np.array(refined.data)
    with refined.block_history():
        strokes(refined, 2)
    painted = np.array(refined.data)
    changed(qtbot, widget, crf=STRONG)
    refined.undo()
    np.testing.assert_array_equal(refined.data, painted)
    refined.undo()
    np.testing.assert_array_equal(refined.data, before)
    settings = changed(qtbot, widget, min_confidence=0.55)
    np.testing.assert_array_equal(refined.data, expected(mask, settings))


def test_a_refinement_that_is_undone_is_not_taken_for_painting(qtbot, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    refined = widget.refinedLayer()
    changed(qtbot, widget, crf=STRONG)
    refined.undo()
    painted = strokes(refined, 2)
    settings = changed(qtbot, widget, min_confidence=0.55)
    after = expected(mask, settings)
    assert (after[painted] != 2).any()
    np.testing.assert_array_equal(refined.data, np.where(painted, 2, after))


def test_what_a_slider_erased_and_the_user_painted_again_stays(qtbot, widget, mask) -> None:
    changed(qtbot, widget, crf=None)
    refined = widget.refinedLayer()
    first = np.array(refined.data)
    changed(qtbot, widget, min_confidence=0.55)
    erased = refined.data != first
    assert erased.any()
    refined.data_setitem(np.nonzero(erased), first[erased])
    refined.refresh()
    changed(qtbot, widget, min_confidence=0.56)
    np.testing.assert_array_equal(refined.data[erased], first[erased])


def test_a_refined_mask_leads_to_batch_with_its_settings(qtbot, viewer, widget, mask) -> None:
    assert "Looks right:" not in person.words(widget)
    settings = changed(qtbot, widget, min_confidence=0.2)
    assert "Looks right:" in person.words(widget)
    assert "Refine" not in person.words(widget._next).split("\n")  # it is here already
    button(widget, "Batch with these settings").click()
    _, batch = viewer.window.add_plugin_dock_widget("napari-construct", "Batch")
    qtbot.waitUntil(lambda: "being loaded" not in batch.message(), timeout=60_000)
    assert batch.value().model == evidence(mask).model
    assert batch.value().segment == settings.changed(classes=None, mpp=None)
    assert batch._inputs.items().item(0, 0).text() == "slide"
    viewer.layers.remove(widget.refinedLayer())
    assert "Looks right:" not in person.words(widget)
