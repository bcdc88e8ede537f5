"""Saved from napari's menu under the suggested name, or another, a result opens when it is dropped there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog
from tests.widgets import person
from tests.widgets.conftest import CLASSES, by_colour

from napari_construct.widgets.evaluate.errors import errors_layer
from napari_construct.widgets.files.preferred import prefer_us
from napari_construct.widgets.layers import METADATA_KEY, label_features, labels_layer

pytestmark = [pytest.mark.gui, pytest.mark.shown]

ODD = ["tumor 001.svs", "HE 40x (copy)", "Gewebe Übersicht ß", "a.b/c", "100% [1]", "scan.ome.tif"]


@pytest.fixture(autouse=True)
def plugin(root: Path) -> None:
    """The manifest of this working tree, as napari finds it."""
    manager = PluginManager.instance()
    if "napari-construct" not in manager:
        manager.register(PluginManifest.from_file(root / "src" / "napari_construct" / "napari.yaml"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari asked apart from files; each such question is cancelled."""
    seen: list[str] = []
    timer = QTimer()

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QDialog) and not isinstance(dialog, QFileDialog):
            seen.append(person.words(dialog))
            dialog.reject()

    timer.timeout.connect(look)
    timer.start(100)
    yield seen
    timer.stop()


@pytest.fixture
def shown(viewer: Any, tissue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Adds an image and its mask under a name; the dialogs begin in an empty folder."""
    prefer_us()  # the preferences are new in each test, the plugin is not
    (tmp_path / "saved").mkdir()
    monkeypatch.chdir(tmp_path / "saved")
    monkeypatch.setattr("napari._qt.qt_viewer.get_save_history", lambda: [str(tmp_path / "saved")])
    monkeypatch.setattr("napari._qt.qt_viewer.get_open_history", lambda: [str(tmp_path / "saved")])

    def add(name: str) -> tuple[Image, Labels]:
        place: dict[str, Any] = {"scale": (0.5, 0.5), "units": ("um", "um")}
        image = viewer.add_image(tissue, name=name, rgb=True, **place)
        result = by_colour(tissue, 0.5)
        layer = labels_layer(
            result.labels, CLASSES, name, features=label_features(result), record=result.record, **place
        )
        return image, viewer.add_layer(layer)

    return add


def save(viewer: Any, name: str = "", kind: str = "napari-construct Mask") -> list[Path]:
    person.answer(name, kind=kind)
    person.menu(viewer, "File", "Save Selected")
    return sorted(Path.cwd().iterdir())


def reopen(viewer: Any, path: Path) -> list[Any]:
    viewer.layers.clear()
    person.drop(person.canvas(viewer), [path])  # napari takes it without saying so
    return list(viewer.layers)


@pytest.mark.parametrize("name", ["slide", *ODD])
def test_a_mask_under_the_suggested_name(viewer, shown, asked, name) -> None:
    _, mask = shown(name)
    person.click_layer(viewer, mask.name)
    written = save(viewer)
    (file,) = [path for path in written if path.suffix == ".tif"]
    (opened,) = reopen(viewer, file)
    assert not asked
    same(mask, opened)


def same(mask: Labels, opened: Any) -> None:
    assert isinstance(opened, Labels)
    np.testing.assert_array_equal(opened.data, mask.data)
    np.testing.assert_allclose(opened.scale, mask.scale)
    assert [str(unit) for unit in opened.units] == ["micrometer", "micrometer"]
    assert list(opened.features["class"]) == list(CLASSES.names)
    for value in (1, 2):
        np.testing.assert_allclose(opened.get_color(value), mask.get_color(value), atol=1 / 254)


def test_layers_of_one_name_keep_their_numbers_and_open_again(viewer, shown, asked) -> None:
    shown("slide")
    _, second = shown("slide")
    person.click_layer(viewer, second.name)
    assert second.name == "slide mask [1]"
    written = save(viewer)
    assert sorted(path.name for path in written) == ["slide [1] mask.tif", "slide [1].json"]
    (opened,) = reopen(viewer, written[0])
    assert not asked
    same(second, opened)


def test_a_map_of_errors_stays_one(viewer, shown, asked) -> None:
    """It keeps what its values mean, and is offered to nobody as a mask."""
    _, mask = shown("slide")
    errors = viewer.add_layer(errors_layer(np.asarray(mask.data).astype(np.uint8), mask.name))
    person.click_layer(viewer, errors.name)
    (file,) = [path for path in save(viewer) if path.suffix == ".tif"]
    (opened,) = reopen(viewer, file)
    assert not asked
    assert list(opened.features["class"]) == list(errors.features["result"])
    assert opened.name == "slide mask (errors)"
    assert opened.metadata[METADATA_KEY]["kind"] == "errors"


def test_labels_with_a_table_keep_their_names(viewer, shown, asked) -> None:
    _, mask = shown("slide")
    drawn = viewer.add_labels(
        np.asarray(mask.data), name="drawn", features={"index": [1, 2], "class": ["gland", "stroma"]}
    )
    person.click_layer(viewer, drawn.name)
    (file,) = [path for path in save(viewer) if path.suffix == ".tif"]
    (opened,) = reopen(viewer, file)
    assert list(opened.features["class"]) == ["gland", "stroma"]


def test_in_the_format_of_napari_a_mask_says_what_it_lost(viewer, shown, asked) -> None:
    _, mask = shown("slide")
    if "napari" not in PluginManager.instance():
        PluginManager.instance().register(PluginManifest.from_distribution("napari"))
    file = Path.cwd() / "slide mask.tif"
    tifffile.imwrite(file, np.asarray(mask.data).astype(np.int32))  # as napari's own writer does
    seen: list[str] = []
    notification_manager.notification_ready.connect(lambda notice: seen.append(str(notice.message)))
    (opened,) = reopen(viewer, file)
    assert not asked
    assert isinstance(opened, Labels)
    np.testing.assert_array_equal(opened.data, mask.data)
    assert any("napari's own format" in text and file.name in text for text in seen)
