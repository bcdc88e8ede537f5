"""The whole widget in a real viewer, with inference injected."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication, QPushButton, QRadioButton, QShortcut, QWidget
from tests.widgets import person
from tests.widgets.conftest import CLASSES, docked

from napari_construct.classes import ClassTable
from napari_construct.crf import CRFParameters
from napari_construct.exceptions import CheckpointError, InputError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.jobs.run_control import CANCEL_KEY, RUN_KEY
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui


def settings_objects() -> st.SearchStrategy[SegmentSettings]:
    return st.builds(
        SegmentSettings,
        classes=st.none()
        | st.lists(st.sampled_from(["tumour", "lymphoid", "no such"]), unique=True).map(tuple),
        views=st.sampled_from([None, "one", "four", "six"]),
        tile=st.integers(2048, 4096),
        overlap=st.integers(0, 1024),
        mpp=st.none() | st.floats(1e-6, 100, exclude_min=True),
        crf=st.sampled_from([None, "auto"]) | st.builds(CRFParameters, iterations=st.integers(0, 20)),
        min_confidence=st.floats(0, 1),
        background=st.none() | st.builds(BackgroundRule, brightness=st.floats(0, 255)),
    )


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=settings_objects())
def test_value_is_what_was_set(widget: SegmentTissue, value: SegmentSettings) -> None:
    widget.setValue(value)
    assert widget.value() == value


def test_new_widget_holds_the_defaults(widget: SegmentTissue) -> None:
    assert widget.value() == SegmentSettings()


def test_value_is_what_was_set_before_the_model_is_known(qtbot, viewer) -> None:
    widget = SegmentTissue(viewer)
    qtbot.addWidget(widget)
    value = SegmentSettings(classes=("stroma", "tumour"), tile=256)
    widget.setValue(value)
    assert widget.value() == value


def test_change_is_told_once_and_only_if_it_is_one(qtbot, widget: SegmentTissue) -> None:
    with qtbot.waitSignal(widget.valueChanged) as told:
        widget.setValue(SegmentSettings(views="six"))
    assert told.args == [SegmentSettings(views="six")]
    with qtbot.assertNotEmitted(widget.valueChanged):
        widget.setValue(SegmentSettings(views="six"))


def run(qtbot, widget: SegmentTissue, timeout: int = 20_000) -> None:
    with qtbot.waitSignal(widget.finished, timeout=timeout):
        button(widget).click()
    qtbot.waitUntil(lambda: not widget.isRunning())


def button(widget: SegmentTissue) -> QPushButton:
    """Run, Cancel or Cancelling..."""
    return next(
        b
        for b in widget.findChildren(QPushButton)
        if b.accessibleName() in ("Segment", "Cancel", "Cancelling...")
    )


def test_run_adds_the_mask(qtbot, viewer, widget, fake, tissue) -> None:
    run(qtbot, widget)
    names = [layer.name for layer in viewer.layers]
    assert names == ["slide", "slide mask"]
    labels = viewer.layers["slide mask"]
    np.testing.assert_array_equal(fake.runs[0].image, tissue)
    assert fake.runs[0].mpp == pytest.approx(0.25)
    assert list(labels.features["class"]) == ["tumour", "lymphoid"]
    assert labels.features["pixels"].sum() == (labels.data > 0).sum()
    assert labels.features["mm2"].tolist() == pytest.approx((labels.features["pixels"] * 0.0625e-6).tolist())
    assert labels.metadata["napari_construct"]["record"] == {"model": "fake"}
    # the class colours, as the class table has them
    np.testing.assert_allclose(labels.get_color(1), (0xE6 / 255, 0x9F / 255, 0, 1), atol=1e-6)
    assert widget.message().startswith("slide: tumour 5")
    assert widget.message().endswith("of the tissue.")


def test_results_are_not_offered_as_images(qtbot, widget) -> None:
    run(qtbot, widget)
    assert widget.layer().name == "slide"
    offered = widget.source._layer
    assert [offered.itemText(i) for i in range(offered.count())] == ["slide (as selected)", "slide"]


def test_network_is_used_in_the_workers_thread_only_and_loaded_once(qtbot, widget, fake) -> None:
    run(qtbot, widget)
    run(qtbot, widget)
    assert [load for load in fake.loads if load[0] == "fake"] == [
        ("fake", "auto")
    ]  # a bundled model may come first
    assert threading.get_ident() not in fake.threads


def test_cancel_in_the_middle_adds_nothing_and_closes_the_job(qtbot, viewer, widget, fake) -> None:
    fake.steps, fake.seconds = 1000, 0.02
    button(widget).click()
    assert button(widget).text() == "Cancel"
    qtbot.waitUntil(lambda: "of 1000" in person.words(widget.control), timeout=10_000)
    button(widget).click()
    assert button(widget).text() == "Cancelling..."
    assert not button(widget).isEnabled()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=2_000)
    assert fake.closed == 1  # its finally block has run
    assert [layer.name for layer in viewer.layers] == ["slide"]
    assert button(widget).text() == "Segment slide"
    assert button(widget).isEnabled()
    assert "Cancelled" in widget.message()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        CheckpointError("model.construct: expected a complete file, got half of it; copy it again"),
        InputError("slide: expected finite values, got 3 NaN"),
        MemoryError(),
        KeyError("head"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_error_in_the_worker_reaches_the_user_and_frees_the_button(
    qtbot, viewer, widget, fake, error
) -> None:
    fake.error = error
    button(widget).click()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=5_000)
    said = (
        str(error)
        if str(error) and not isinstance(error, KeyError)
        else "memory"
        if not error.args
        else "head"
    )
    assert said in widget.message()
    assert said in notification_manager.records[-1].message
    assert button(widget).text() == "Segment slide"
    assert button(widget).isEnabled()
    assert fake.closed == 1
    assert len(viewer.layers) == 1
    widget.control._message._copy.click()
    assert "napari-construct" in QApplication.clipboard().text()
    assert "Traceback" in QApplication.clipboard().text()
    fake.error = None
    run(qtbot, widget)  # and it works again
    assert len(viewer.layers) == 2


def test_out_of_memory_says_what_to_do(qtbot, widget, fake) -> None:
    class OutOfMemoryError(RuntimeError):
        """As torch names it."""

    fake.error = OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    button(widget).click()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=5_000)
    assert "smaller tiles" in widget.message()


def test_each_error_is_shown_once(qtbot, widget, fake) -> None:
    fake.error = ValueError("once")
    before = len(notification_manager.records)
    button(widget).click()
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=5_000)
    new = [n for n in notification_manager.records[before:] if "once" in n.message]
    assert len(new) == 1


def test_layer_deleted_while_running(qtbot, viewer, widget, fake) -> None:
    fake.steps = 20
    source = viewer.layers["slide"]
    with qtbot.waitSignal(widget.finished, timeout=20_000):
        button(widget).click()
        viewer.layers.remove("slide")
        del source
    assert [layer.name for layer in viewer.layers] == ["slide mask"]
    qtbot.waitUntil(lambda: not widget.isRunning())
    assert not button(widget).isEnabled()
    assert "Open" in widget.control.blockedReason()


def test_keys_run_and_cancel_and_stand_on_the_button(qtbot, viewer, widget, fake) -> None:
    fake.steps, fake.seconds = 100, 0.05
    keys = {short.key().toString(): short for short in widget.findChildren(QShortcut)}
    assert RUN_KEY in button(widget).toolTip()
    keys[RUN_KEY].activated.emit()
    assert widget.isRunning()
    assert CANCEL_KEY in button(widget).toolTip()
    with qtbot.waitSignal(widget.control.runningChanged, timeout=20_000):
        keys[CANCEL_KEY].activated.emit()
    assert len(viewer.layers) == 1
    assert not widget.isRunning()


def test_viewer_closed_while_running(qtbot, viewer, widget, fake) -> None:
    fake.steps, fake.seconds = 1000, 0.01
    button(widget).click()
    qtbot.waitUntil(lambda: bool(fake.runs), timeout=10_000)
    gone = []
    widget.destroyed.connect(lambda: gone.append(True))
    viewer.close()
    qtbot.waitUntil(lambda: fake.closed == 1 and bool(gone), timeout=5_000)


def test_layers_are_followed(viewer, widget, tissue) -> None:
    viewer.add_image(tissue[:64], name="second", rgb=True)
    assert widget.layer().name == "second"
    widget.setLayer(viewer.layers["slide"])
    viewer.layers["slide"].name = "renamed"
    assert widget.source._layer.currentText() == "renamed"
    viewer.layers.remove("renamed")
    assert widget.layer().name == "second"


def test_fits_a_dock_of_320_pixels(qtbot, widget) -> None:
    widget.control.showMessage("C:/a/very/long/path/" + "without_a_single_space_in_it/" * 6 + "slide.tif")
    run(qtbot, widget)
    widget.resize(320, 800)
    assert widget.minimumSizeHint().width() <= 320
    inside = widget.findChild(QWidget, "inside")
    assert inside.minimumSizeHint().width() <= 300


def test_run_says_what_is_missing(qtbot, viewer, fake) -> None:
    widget = docked(qtbot, viewer, fake)
    assert "Open an H&E image" in widget.message()
    assert not button(widget).isEnabled()
    assert button(widget).toolTip() == widget.message()


def test_model_that_cannot_be_loaded(qtbot, viewer, tissue, fake) -> None:
    fake.load_error = CheckpointError("x.construct: expected a checkpoint, found nothing; check the path")
    viewer.add_image(tissue, name="slide", rgb=True)
    widget = docked(qtbot, viewer, fake, model="x.construct")
    assert "x.construct" in widget.message()
    assert not button(widget).isEnabled()
    fake.load_error = None
    widget.setModel("good")
    qtbot.waitUntil(lambda: button(widget).isEnabled(), timeout=5_000)


def test_ticked_classes_are_what_runs(qtbot, widget, fake) -> None:
    widget.setValue(SegmentSettings(classes=()))
    assert "Tick at least one" in widget.message()
    widget.setValue(SegmentSettings(classes=("necrosis",)))
    assert "necrosis" in widget.message()
    assert not button(widget).isEnabled()
    widget.setValue(SegmentSettings(classes=("lymphoid",)))
    run(qtbot, widget)
    assert fake.runs[0].settings.classes == ("lymphoid",)


def test_overlap_is_at_most_half_of_the_tile(widget) -> None:
    widget._options.field("tile").setValue(128)
    widget._options.field("overlap").setValue(96)
    assert "overlap of 64 or less, or tiles of 192 or more" in widget.message()
    assert not button(widget).isEnabled()


def test_alpha_is_dropped_with_a_notice(qtbot, viewer, widget, tissue, fake) -> None:
    alpha = np.full((*tissue.shape[:2], 1), 255, np.uint8)
    viewer.add_image(np.concatenate([tissue, alpha], axis=2), name="with alpha", rgb=True)
    widget.setLayer(viewer.layers["with alpha"])
    run(qtbot, widget)
    np.testing.assert_array_equal(fake.runs[0].image, tissue)
    assert "alpha channel is dropped" in widget.message()


def test_transparent_places_of_a_layer_are_without_data(qtbot, viewer, widget, tissue, fake) -> None:
    alpha = np.full((*tissue.shape[:2], 1), 255, np.uint8)
    alpha[:, :30] = 0
    viewer.add_image(np.concatenate([tissue, alpha], axis=2), name="cut", rgb=True)
    widget.setLayer(viewer.layers["cut"])
    run(qtbot, widget)
    np.testing.assert_array_equal(fake.runs[0].valid, alpha[..., 0] > 0)
    assert (fake.runs[0].image[:, :30] == 255).all()
    assert "of the pixels are transparent" in widget.message()


def test_presence_and_area_of_each_class_are_shown_until_another_image_is_chosen(
    qtbot, viewer, widget, tissue
) -> None:
    run(qtbot, widget)
    row = widget._parts.classes._rows["tumour"]
    assert row.bar.value() == 930
    assert row.score.text() == "found"
    assert "93 %" in row.score.toolTip()
    assert "mm²" in row.area.text()
    viewer.add_image(tissue, name="other", rgb=True)
    widget.setLayer(viewer.layers["other"])
    assert row.bar.isHidden()


def test_all_classes_of_the_model_and_of_the_next_one(qtbot, widget, fake) -> None:
    found, every, ticked = widget._parts.classes.findChildren(QRadioButton)
    assert found.isChecked()
    seen: list[SegmentSettings] = []
    widget.valueChanged.connect(seen.append)
    every.click()
    assert [value.classes for value in seen] == [CLASSES.names]
    widget.setValue(widget.value())
    assert every.isChecked()
    assert len(seen) == 1
    run(qtbot, widget)
    assert fake.runs[-1].settings.classes == CLASSES.names
    assert widget._parts.classes._rows["tumour"].score.text() == "given"
    more = ClassTable.from_names((*CLASSES.names, "stroma"))
    widget._parts.classes.setTable(more)
    assert widget.value().classes == more.names
    ticked.click()
    assert widget.value().classes == CLASSES.names  # as they were set before
    every.click()
    widget.setValue(SegmentSettings(classes=("tumour",)))
    assert ticked.isChecked()
    assert widget.value().classes == ("tumour",)
    every.click()
    widget.setValue(SegmentSettings())
    assert found.isChecked()


def test_second_choice_of_a_model_wins(qtbot, viewer, tissue, fake) -> None:
    viewer.add_image(tissue, name="slide", rgb=True)
    widget = docked(qtbot, viewer, fake)
    widget.setModel("first")
    widget.setModel("second")
    qtbot.waitUntil(lambda: not widget.message(), timeout=5_000)
    assert widget.model() == "second"
    assert fake.loads[-1] == ("second", "auto")
