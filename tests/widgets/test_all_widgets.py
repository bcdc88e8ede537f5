"""What holds for every dock widget of the manifest."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from importlib import import_module
from typing import Any

import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QProgressBar,
    QSlider,
    QTableWidget,
    QWidget,
)

pytestmark = pytest.mark.gui

CONTROLS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QProgressBar, QSlider, QTableWidget)
MANIFEST = PluginManifest.from_distribution("napari-construct")
COMMANDS = {command.id: command.python_name for command in MANIFEST.contributions.commands}
WIDGETS = {widget.display_name: COMMANDS[widget.command] for widget in MANIFEST.contributions.widgets}


def test_opening_a_widget_does_not_load_torch() -> None:
    """It takes seconds and holds the interpreter; the worker's thread loads it with the model."""
    modules = sorted({path.split(":")[0] for path in WIDGETS.values()})
    code = f"import sys\nfor name in {modules}: __import__(name)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def opened(viewer: Any, name: str) -> QWidget:
    module, cls = WIDGETS[name].split(":")
    widget = getattr(import_module(module), cls)(viewer)
    viewer.window.add_dock_widget(widget, name=name)
    return widget


def settle(qtbot: Any, widget: Any) -> None:
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)


@pytest.mark.parametrize("name", WIDGETS)
def test_controls_have_names_and_tooltips(qtbot, viewer, name) -> None:
    widget = opened(viewer, name)
    settle(qtbot, widget)
    own = [
        control
        for kind in CONTROLS
        for control in widget.findChildren(kind)
        if not control.objectName().startswith("qt_") and not _inside_another(control)
    ]
    assert len(own) > 8
    assert [(type(c).__name__, c.accessibleName()) for c in own if not c.toolTip()] == []
    assert [(type(c).__name__, c.toolTip()) for c in own if not c.accessibleName()] == []


def _inside_another(control: QWidget) -> bool:
    """Parts that Qt made: the line edit of a spin box, the corner button of a table."""
    return isinstance(control.parent(), (QAbstractSpinBox, QComboBox, QTableWidget))


@pytest.mark.parametrize("name", WIDGETS)
def test_opens_without_an_image_and_says_what_to_do(qtbot, viewer, name) -> None:
    widget = opened(viewer, name)
    settle(qtbot, widget)
    assert widget.message()
    assert not widget.isRunning()


@pytest.mark.parametrize("name", WIDGETS)
def test_fits_a_dock_of_320_pixels(qtbot, viewer, name) -> None:
    widget = opened(viewer, name)
    settle(qtbot, widget)
    for theme in ("light", "dark"):
        viewer.theme = theme
        QApplication.processEvents()
        assert widget.minimumSizeHint().width() <= 320


@pytest.mark.parametrize("name", WIDGETS)
def test_two_in_two_viewers_and_none_outlives_its_own(qtbot, viewer, make_napari_viewer_proxy, name) -> None:
    first = opened(viewer, name)
    other = make_napari_viewer_proxy()
    second = opened(other, name)
    settle(qtbot, first)
    settle(qtbot, second)
    watched = weakref.ref(second)
    gone = []
    second.destroyed.connect(lambda: gone.append(True))
    del second
    other.close()
    end = time.monotonic() + 10
    while (not gone or watched() is not None) and time.monotonic() < end:
        QApplication.processEvents()
        gc.collect()
    assert gone
    assert watched() is None
    assert first.message() or first.isEnabled()
