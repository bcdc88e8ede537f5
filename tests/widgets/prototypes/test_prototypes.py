"""The Prototypes widget in a real viewer, on a real H&E region, with a small real network."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image as Picture
from qtpy.QtWidgets import QApplication, QPushButton, QRadioButton
from superqt import QCollapsible
from tests.widgets import person
from typer.testing import CliRunner

from napari_construct.cli import app
from napari_construct.events import run as drive
from napari_construct.inference.loading import load_model
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import prototype_steps
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.widgets.layers import plane_on_view
from napari_construct.widgets.prototypes.layers import painted_region
from napari_construct.widgets.prototypes.prototypes import Prototypes
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui

SETTINGS = PrototypeSettings(tile=128, overlap=32)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def widget(qtbot, viewer, tissue, tmp_path, checkpoint) -> Prototypes:
    path = tmp_path / "slide.png"
    Picture.fromarray(tissue).save(path)
    (layer,) = viewer.open(str(path), plugin="napari")
    layer.scale, layer.units = (0.25, 0.25), ("um", "um")
    widget = Prototypes(viewer)
    viewer.window.add_dock_widget(widget, name="Prototypes")
    widget.setValue(SETTINGS)
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: not widget.model.isLoading(), timeout=30_000)
    assert widget.message() == ""
    return widget


def wait(qtbot: Any, widget: Prototypes) -> None:
    qtbot.waitUntil(lambda: not widget.isRunning(), timeout=30_000)


def compare(qtbot: Any, widget: Prototypes) -> Any:
    with qtbot.waitSignal(widget.finished, timeout=30_000):
        widget.run()
    wait(qtbot, widget)
    return widget.view.layer()


def paint(viewer: Any) -> Any:
    layer = viewer.add_labels(np.zeros((256, 256), int), name="paint", scale=(0.25, 0.25), units=("um", "um"))
    layer.data[64:192, 64:192] = 1
    return layer


def press(widget: Prototypes, name: str) -> None:
    (found,) = [b for b in widget.findChildren(QPushButton) if b.accessibleName() == name]
    assert found.isEnabled(), name
    found.click()


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=st.builds(
        PrototypeSettings,
        prototype=st.sampled_from(["", "tumour 1", "lymphoid 1", "no such 3"]),
        tile=st.integers(2048, 4096),
        overlap=st.integers(0, 1024),
        mpp=st.none() | st.floats(1e-6, 100, exclude_min=True),
        count=st.integers(1, 200),
        per_image=st.integers(1, 200),
    )
)
def test_value_is_what_was_set(widget: Prototypes, value: PrototypeSettings) -> None:
    widget.setValue(value)
    assert widget.value() == value


def test_prototypes_are_listed_by_class(widget: Prototypes) -> None:
    shown = widget.model.prototypes
    texts = [[shown.item(i, j).text() for j in range(2)] for i in range(shown.rowCount())]
    assert texts == [["tumour 1", "trained"], ["lymphoid 1", "trained"]]


def test_the_map_is_a_layer_in_the_images_place_and_follows_the_choice(
    qtbot, viewer, widget: Prototypes, tissue, checkpoint, monkeypatch
) -> None:
    layer = compare(qtbot, widget)
    assert layer.name == "slide tumour 1 (similarity)"
    np.testing.assert_allclose(layer.extent.world, viewer.layers[0].extent.world)
    assert layer.units == viewer.layers[0].units
    maps = drive(prototype_steps(tissue, load_model(checkpoint, device="cpu"), SETTINGS, mpp=0.25))
    np.testing.assert_array_equal(layer.data, maps.of("tumour 1"))
    asked: list[Any] = []
    monkeypatch.setattr(
        "napari_construct.inference.activation.predictor.Predictor.maps", lambda *_: asked.append(1)
    )
    with qtbot.waitSignal(widget.view.shown, timeout=10_000):
        widget.setValue(widget.value().changed(prototype="lymphoid 1"))
    np.testing.assert_array_equal(layer.data, maps.of("lymphoid 1"))
    assert layer.name == "slide lymphoid 1 (similarity)"
    assert asked == []  # the network did not look again
    assert [one.name for one in viewer.layers] == ["slide", "slide lymphoid 1 (similarity)"]
    assert widget.source.layer().name == "slide"  # the map is not offered as an image


def test_what_decides_is_told_under_the_cursor_and_as_a_layer(qtbot, viewer, widget: Prototypes) -> None:
    compare(qtbot, widget)
    maps = widget.view.compared().maps
    for row, column in ((3, 5), (200, 90)):
        prototype, similarity = maps.at(row, column)
        widget.view.tell(tuple(viewer.layers[0].data_to_world((row, column))))
        text = f"{prototype.name} decides here, similarity {similarity[prototype.index]:.2f}"
        assert f"{text}: {prototype.tissue}." in widget.view.text()
    widget.view.tell((-50.0, 3.0))
    assert "Point at the image" in widget.view.text()
    with qtbot.waitSignal(widget.finished, timeout=20_000):
        choice(widget, "Show which prototype decides").click()
    layer = viewer.layers["slide (deciding prototype)"]
    np.testing.assert_array_equal(layer.data, maps.deciding())
    assert list(layer.features["prototype"]) == ["tumour 1", "lymphoid 1"]


def test_compared_again_the_layers_are_those_before_until_they_are_touched(
    qtbot, viewer, widget: Prototypes
) -> None:
    similarity = compare(qtbot, widget)
    with qtbot.waitSignal(widget.view.shown, timeout=10_000):
        widget.setValue(widget.value().changed(prototype="lymphoid 1"))
    for _ in range(2):
        assert compare(qtbot, widget) is similarity
        with qtbot.waitSignal(widget.finished, timeout=20_000):
            choice(widget, "Show which prototype decides").click()
        deciding = viewer.layers["slide (deciding prototype)"]
        assert deciding == widget.view.deciding()
        assert (similarity.visible, deciding.visible) == (False, True)
    assert [one.name for one in viewer.layers] == ["slide", "slide lymphoid 1 (similarity)", deciding.name]
    widget.setValue(widget.value().changed(mpp=0.5))
    compare(qtbot, widget)
    assert tuple(similarity.contrast_limits) == pytest.approx(widget.view.compared().maps.limits())
    similarity.name = "mine"
    assert compare(qtbot, widget) is not similarity
    assert len(viewer.layers) == 4


def choice(widget: Prototypes, name: str) -> QRadioButton:
    return next(b for b in widget.findChildren(QRadioButton) if b.accessibleName() == name)


@pytest.mark.shown
def test_one_of_the_two_is_on_the_canvas(qtbot, viewer, widget: Prototypes) -> None:
    """Similarity and decision are layers of their own; a choice says which of them is looked at."""
    similar = person.find(widget, "Show the similarity", QRadioButton)
    assert not similar.isEnabled()
    similarity = compare(qtbot, widget)
    assert "unlike" in person.words(widget)
    with qtbot.waitSignal(widget.finished, timeout=20_000):
        person.click(person.find(widget, "Show which prototype decides", QRadioButton))
    deciding = viewer.layers["slide (deciding prototype)"]
    assert (similarity.visible, deciding.visible) == (False, True)
    assert "unlike" not in person.words(widget)
    person.click(similar)
    assert (similarity.visible, deciding.visible) == (True, False)
    person.click(person.find(widget, "Show which prototype decides", QRadioButton))
    assert (similarity.visible, deciding.visible) == (False, True)
    with qtbot.waitSignal(widget.view.shown, timeout=10_000):
        widget.model.prototypes.selectRow(1)  # its map is looked at
    assert (similarity.visible, deciding.visible) == (True, False)
    assert len(viewer.layers) == 3


def test_a_painted_region_changes_the_model_that_can_be_used_and_saved(
    qtbot, viewer, widget: Prototypes, tmp_path, home
) -> None:
    widget.adding.setLayer(paint(viewer))
    widget.adding.setTissue("lymphoid")
    press(widget, "Add from region")
    wait(qtbot, widget)
    assert "The model was changed" in widget.message()
    assert "fitted without the new prototype" in widget.message()
    shown = widget.model.prototypes
    assert [shown.item(i, 0).text() for i in range(3)] == ["tumour 1", "lymphoid 1", "lymphoid 2"]
    assert shown.item(2, 1).text() == "region of slide"
    compare(qtbot, widget)
    owners = widget.view.compared().maps.deciding()[64:192, 64:192]
    assert np.isin(owners, [2, 3]).mean() > 0.8
    widget.save(tmp_path / "more.construct")
    wait(qtbot, widget)
    assert load_checkpoint(tmp_path / "more.construct").config.placed == (1,)
    dock, segment = viewer.window.add_plugin_dock_widget("napari-construct", "Segment")
    assert isinstance(segment, SegmentTissue)
    dock.hide()
    press(widget, "Use the changed model")
    wait(qtbot, widget)
    assert not dock.isHidden()  # it is brought to the front
    model = Path(segment.model())
    assert model.parent == home / "models"
    assert load_model(model.stem, device="cpu").checkpoint.config.placed == (1,)
    qtbot.waitUntil(lambda: "being loaded" not in segment.message(), timeout=30_000)
    widget.setValue(widget.value().changed(prototype="lymphoid 2"))
    press(widget, "Remove prototype")
    wait(qtbot, widget)
    assert shown.rowCount() == 2


def test_words_only_where_the_encoder_knows_words(widget: Prototypes) -> None:
    widget.adding.setText("glands")
    assert not widget.adding._add_words.isEnabled()
    assert "The encoder tiny knows no words: paint a region" in widget.adding._text.toolTip()


def test_shapes_and_labels_mark_the_same_region_whatever_the_transform(viewer, tissue) -> None:
    image = viewer.add_image(tissue, rgb=True, scale=(0.5, 0.5), translate=(10, 20), rotate=30)
    plane = plane_on_view(image, tuple(viewer.dims.point))
    corners = [[20, 30], [20, 101], [90, 101], [90, 30]]
    shapes = viewer.add_shapes(
        [corners], shape_type="polygon", scale=(0.5, 0.5), translate=(10, 20), rotate=30
    )
    world = np.array([image.data_to_world(c) for c in corners])
    other = viewer.add_shapes([world], shape_type="polygon")
    expected = np.zeros((256, 256), bool)
    expected[20:91, 30:102] = True
    for layer in (shapes, other):
        assert (painted_region(layer, image, plane) != expected).mean() < 0.005
    ellipse = viewer.add_shapes(
        [corners], shape_type="ellipse", scale=(0.5, 0.5), translate=(10, 20), rotate=30
    )
    share = painted_region(ellipse, image, plane).sum() / expected.sum()
    assert share == pytest.approx(np.pi / 4, abs=0.03)


def test_top_patches_of_a_stack_and_of_a_folder(qtbot, viewer, widget: Prototypes, tissue, tmp_path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Picture.fromarray(tissue).save(folder / "a.png")
    (folder / "broken.png").write_bytes(b"x")
    widget.setValue(widget.value().changed(prototype="lymphoid 1", count=3))
    widget.search(str(folder))
    wait(qtbot, widget)
    assert "3 patches found" in widget.message()
    assert widget.message().count("broken.png") == 1
    assert widget.gallery._list.count() == len(widget.gallery.patches()) == 3
    viewer.add_image(np.stack([tissue, tissue[::-1]]), name="stack", rgb=True)
    widget.setLayer(viewer.layers["stack"])
    press(widget, "Search the image")
    wait(qtbot, widget)
    assert {patch.key for patch in widget.gallery.patches()} == {"stack#0", "stack#1"}
    widget.gallery.opened.emit(widget.gallery.patches()[0])


@pytest.mark.parametrize("how", ["python", "command"])
def test_copied_text_gives_identical_arrays(
    qtbot, widget: Prototypes, how: str, tmp_path, monkeypatch
) -> None:
    widget.setValue(widget.value().changed(prototype="lymphoid 1"))
    layer = compare(qtbot, widget)
    press(widget, "Copy as Python" if how == "python" else "Copy as Command line")
    text = QApplication.clipboard().text()
    monkeypatch.chdir(tmp_path)
    if how == "python":
        names: dict[str, Any] = {}
        exec(text, names)
        found = names["similarity"]
    else:
        done = CliRunner().invoke(app, shlex.split(text)[1:])
        assert done.exit_code == 0, done.output
        found = tifffile.imread(tmp_path / "results" / "slide_similarity.ome.tif")[1]
    np.testing.assert_array_equal(found, layer.data)


def test_a_deleted_or_renamed_layer_is_fine(qtbot, viewer, widget: Prototypes) -> None:
    layer = compare(qtbot, widget)
    layer.name = "mine"
    with qtbot.waitSignal(widget.view.shown, timeout=10_000):
        widget.setValue(widget.value().changed(prototype="lymphoid 1"))
    assert layer.name == "mine"
    viewer.layers.remove(layer)
    widget.view.tell((3.0, 3.0))
    widget.setValue(widget.value().changed(prototype="tumour 1"))
    widget.run()
    viewer.layers.remove(viewer.layers[0])
    wait(qtbot, widget)
    assert [one.name for one in viewer.layers] == ["slide tumour 1 (similarity)"]
    assert "Open an H&E image" in widget.control._blocked.text()


def test_another_model_chosen_while_a_job_runs_is_not_mixed_up(
    qtbot, viewer, widget: Prototypes, tmp_path, checkpoint
) -> None:
    other = tmp_path / "other.construct"
    other.write_bytes(checkpoint.read_bytes())
    widget.adding.regionRequested.emit("tumour", paint(viewer))
    assert widget.control.isRunning()
    widget.setModel(str(other))
    wait(qtbot, widget)
    qtbot.waitUntil(lambda: not widget.model.isLoading(), timeout=30_000)
    assert not widget.model.isAltered()
    assert widget.model.prototypes.rowCount() == 2


def test_a_model_without_prototypes_says_so(qtbot, viewer, widget: Prototypes, tmp_path) -> None:
    widget.setModel(str(tmp_path / "no.construct"))
    qtbot.waitUntil(lambda: not widget.model.isLoading(), timeout=20_000)
    assert "expected a checkpoint" in widget.message()
    assert widget.model.prototypes.rowCount() == 0


def test_fits_a_narrow_dock_with_everything_unfolded(widget: Prototypes) -> None:
    for part in widget.findChildren(QCollapsible):
        part.expand(animate=False)
    QApplication.processEvents()
    assert widget.minimumSizeHint().width() <= 320
