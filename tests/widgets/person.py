"""What a person does with a window: clicks, keys, drags and drops, all as Qt events.

Nothing here calls a slot or a setter of a widget: a control that is hidden, disabled, covered or scrolled out
of reach cannot be used here either. Each function scrolls to its control first, as a person would.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QMenuBar,
    QRadioButton,
    QScrollArea,
    QStyle,
    QStyleOptionSlider,
    QWidget,
)

Found = TypeVar("Found", bound=QWidget)
LEFT = Qt.MouseButton.LeftButton
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier

USED: list[str] = []
"""What the mouse was used for, in order: clicks, choices, drops."""


def find(inside: QWidget, name: str, kind: type[Found] = QWidget) -> Found:  # type: ignore[assignment]
    """The one control on view with this accessible name or text."""
    here = [w for w in inside.findChildren(kind) if w.isVisibleTo(inside) and name in _names(w)]
    shown = sorted({n for w in inside.findChildren(kind) if w.isVisibleTo(inside) for n in _names(w) if n})
    assert len(here) == 1, f"expected one {name!r}, found {len(here)} among {shown}"
    return here[0]


def click(widget: QWidget, at: QPoint | None = None, modifier: Qt.KeyboardModifier = NONE) -> None:
    """Click on a control, in its middle; ticks on their box."""
    reach(widget)
    if at is None:
        at = widget.rect().center()
        if isinstance(widget, QCheckBox | QRadioButton):  # the rest of a wide one is no part of it
            at.setX(8)
    assert widget.isEnabled(), f"{_names(widget)} is disabled: {widget.toolTip()}"
    USED.append(f"click {_names(widget)[0]}")
    QTest.mouseClick(widget, LEFT, modifier, at)
    QApplication.processEvents()


def press(widget: QWidget, key: str | Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
    """Press and release a key while a widget has the focus."""
    _activate(widget.window())  # shortcuts work only in the active window
    QTest.keyClick(widget, key, modifier)
    QApplication.processEvents()


def write(field: QWidget, text: str, *, end: Qt.Key | None = Qt.Key.Key_Tab) -> None:
    """Click into a field, replace what is in it, and leave it; ``end=None`` stays in it, still typing."""
    reach(field)
    line = field if isinstance(field, QLineEdit) else field.findChild(QLineEdit)
    assert line is not None, f"{_names(field)} has no text"
    assert line.isEnabled(), f"{_names(field)} is disabled"
    assert not line.isReadOnly(), f"{_names(field)} cannot be edited"
    QTest.mouseClick(line, LEFT, NONE, line.rect().center())
    keys = line.focusProxy() or line  # a number's keys go to its spin box
    QTest.keyClick(keys, Qt.Key.Key_A, CONTROL)
    QTest.keyClicks(keys, text)
    if end is not None:
        QTest.keyClick(keys, end)
    QApplication.processEvents()


def choose(combo: QComboBox, text: str, *, stays: bool = True) -> None:
    """Open a list and click on the entry with this text, or that begins with it.

    A list of actions shows its title again: there the entry does not stay (``stays=False``).
    """
    reach(combo)
    assert combo.isEnabled(), f"{_names(combo)} is disabled"
    combo.showPopup()  # a click opens it only with a window manager
    QApplication.processEvents()
    view: QAbstractItemView = combo.view()
    USED.append(f"choose {text}")
    texts = [combo.itemText(i) for i in range(combo.count())]
    rows = [i for i, t in enumerate(texts) if t == text] or [
        i for i, t in enumerate(texts) if t.startswith(text)
    ]
    assert len(rows) == 1, f"expected one {text!r} in {texts}"
    index = combo.model().index(rows[0], combo.modelColumn(), combo.rootModelIndex())
    view.scrollTo(index)
    QTest.mouseClick(view.viewport(), LEFT, NONE, view.visualRect(index).center())
    combo.hidePopup()
    QApplication.processEvents()
    assert combo.currentIndex() == rows[0] or not stays


def slide(slider: Any, part: float) -> None:
    """Drag the handle of a horizontal slider to a part (0 to 1) of its groove."""
    reach(slider)
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    style, control = slider.style(), QStyle.ComplexControl.CC_Slider
    handle = style.subControlRect(control, option, QStyle.SubControl.SC_SliderHandle, slider)
    groove = style.subControlRect(control, option, QStyle.SubControl.SC_SliderGroove, slider)
    start = handle.center()
    end = QPoint(groove.left() + round(part * (groove.width() - 1)), start.y())
    QTest.mousePress(slider, LEFT, NONE, start)
    for i in range(1, 6):
        QTest.mouseMove(slider, start + (end - start) * i / 5)
    QTest.mouseRelease(slider, LEFT, NONE, end)
    QApplication.processEvents()


def drop(widget: QWidget, paths: Iterable[Path | str]) -> bool:
    """Drop files on a widget, as from a file manager; whether it took them."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    USED.append("drop")
    place, copy = widget.rect().center(), Qt.DropAction.CopyAction
    target: QWidget | None = widget.childAt(place) or widget
    while target is not None:  # Qt offers them to the widget under the mouse, then to those around it
        if target.acceptDrops():
            enter = QDragEnterEvent(place, copy, mime, LEFT, NONE)
            QApplication.sendEvent(target, enter)
            if enter.isAccepted():
                event = QDropEvent(QPointF(place), copy, mime, LEFT, NONE, QEvent.Type.Drop)
                QApplication.sendEvent(target, event)
                QApplication.processEvents()
                return event.isAccepted()
        target = target.parentWidget()
    return False


def canvas(viewer: Any) -> QWidget:
    """napari's canvas, which gets its keys and strokes."""
    found = window_of(viewer).findChild(QOpenGLWidget)
    assert found is not None
    return found


def stroke(on: QWidget, start: tuple[int, int] = (0, 0), end: tuple[int, int] = (20, 0)) -> None:
    """Drag the mouse on a canvas; pixels from its middle."""
    middle = on.rect().center()
    a, b = middle + QPoint(*start), middle + QPoint(*end)
    QTest.mousePress(on, LEFT, NONE, a)
    for i in range(1, 6):
        QTest.mouseMove(on, a + (b - a) * i / 5)
    QTest.mouseRelease(on, LEFT, NONE, b)
    QApplication.processEvents()


def undo(on: QWidget) -> None:
    """Ctrl+Z on the canvas."""
    press(on, Qt.Key.Key_Z, CONTROL)


def click_layer(viewer: Any, name: str) -> None:
    """Click on a layer in napari's list, which makes it the active one."""
    for view in window_of(viewer).findChildren(QListView):
        model = view.model()
        for row in range(0 if model is None else model.rowCount()):
            index = model.index(row, 0)
            if index.data() == name and view.isVisible():
                view.scrollTo(index)
                box = view.visualRect(index)
                USED.append(f"click layer {name}")
                QTest.mouseClick(view.viewport(), LEFT, NONE, box.center())
                QApplication.processEvents()
                return
    raise AssertionError(f"no layer {name!r} in the list")


def words(inside: QWidget) -> str:
    """Every text that can be read in a widget as it is on view, line by line."""
    found: list[str] = []
    for widget in [inside, *inside.findChildren(QWidget)]:
        if not widget.isVisibleTo(inside):
            continue
        if isinstance(widget, QLabel | QAbstractButton):
            found.append(widget.text())
        elif isinstance(widget, QComboBox):
            found.append(widget.currentText())
        elif isinstance(widget, QLineEdit):
            found.append(widget.text() or widget.placeholderText())
    return "\n".join(text.replace("\u200b", "").replace("\u00a0", " ") for text in found if text)


def _scroll_to(widget: QWidget) -> None:
    around = widget.parentWidget()
    while around is not None:
        if isinstance(around, QScrollArea) and around.widget().isAncestorOf(widget):
            around.ensureWidgetVisible(widget, 0, 0)
        around = around.parentWidget()


def reach(widget: QWidget) -> None:
    """Scroll until a control can be seen; fails where it cannot be."""
    assert widget.isVisible(), f"{_names(widget)} is not on view"
    _activate(widget.window())
    end = time.monotonic() + 2  # a form that was just unfolded is still being laid out
    while True:
        _scroll_to(widget)
        QApplication.processEvents()
        if not widget.visibleRegion().isEmpty() or time.monotonic() > end:
            break
    assert not widget.visibleRegion().isEmpty(), f"{_names(widget)} is cut off or covered"


def _activate(window: QWidget) -> None:
    if not window.isActiveWindow():  # without a window manager nothing else activates it
        window.activateWindow()
        assert QTest.qWaitForWindowActive(window, 3000)


def _names(widget: QWidget) -> tuple[str, ...]:
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName(), text


def window_of(viewer: Any) -> QWidget:
    """The window of napari."""
    inside = [w for w in QApplication.topLevelWidgets() if w.isVisible() and w.findChild(QOpenGLWidget)]
    title = str(viewer.title)
    return next((w for w in inside if w.windowTitle().endswith(title)), inside[-1])


def menu(viewer: Any, *path: str) -> None:
    """Click through the menu bar, by the beginnings of the entries' texts."""
    bar = window_of(viewer).findChild(QMenuBar)
    assert bar is not None
    around: QMenuBar | QMenu = bar
    opened: list[QMenu] = []
    for text in path:
        actions = [a for a in around.actions() if a.isVisible() and _plain(a.text()).startswith(text)]
        assert len(actions) == 1, f"expected one {text!r} in {[_plain(a.text()) for a in around.actions()]}"
        assert actions[0].isEnabled(), f"{text} is disabled"
        below = actions[0].menu()
        USED.append(f"menu {text}")
        QTest.mouseClick(around, LEFT, NONE, around.actionGeometry(actions[0]).center())
        if below is not None:
            assert _soon(below.isVisible), f"the menu {text} did not open"
            around = below
            opened.append(below)
    for one in reversed(opened):  # the last one closes the others only where a window manager moves the focus
        one.close()
    QApplication.processEvents()


def answer(name: str, *, kind: str = "", wait: int = 5000) -> None:
    """When the next file dialog opens, type a name there and press Enter; an empty name takes what it offers.

    ``kind`` is the beginning of the kind of file that is chosen first.
    Call it before what opens the dialog, which does not return while it is open.
    """

    def look(left: int) -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QFileDialog) and _is_laid_out(dialog, kind):
            line = dialog.findChild(QLineEdit)
            assert line is not None
            if kind:
                choose(_kinds(dialog, kind), kind)
            if name:
                QTest.keyClick(line, Qt.Key.Key_A, CONTROL)
                QTest.keyClicks(line, name)
            QTest.keyClick(line, Qt.Key.Key_Return)
        elif left > 0:
            QTimer.singleShot(50, lambda: look(left - 50))

    QTimer.singleShot(50, lambda: look(wait))


def _is_laid_out(dialog: QFileDialog, kind: str) -> bool:
    """Whether the kinds of files can be clicked on; they are not at once."""
    return not kind or not _kinds(dialog, kind).visibleRegion().isEmpty()


def _kinds(dialog: QFileDialog, kind: str) -> QComboBox:
    """The list of kinds of files of a dialog."""
    return next(
        c for c in dialog.findChildren(QComboBox) if any(_starts(c, i, kind) for i in range(c.count()))
    )


def _starts(combo: QComboBox, row: int, text: str) -> bool:
    return combo.itemText(row).startswith(text)


def _plain(text: str) -> str:
    return text.replace("&", "")


def _soon(happened: Callable[[], bool], milliseconds: int = 2000) -> bool:
    for _ in range(milliseconds // 20):
        if happened():
            return True
        QTest.qWait(20)
    return happened()
