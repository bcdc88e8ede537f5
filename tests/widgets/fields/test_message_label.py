"""Messages: the result first, what throws doubt apart from what informs, no words of the command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from qtpy.QtWidgets import QLabel
from tests.widgets import person

import napari_construct
from napari_construct.events import Doubt, Notice
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.fields.message_label import Level, MessageLabel, in_the_window
from napari_construct.widgets.jobs.run_control import RunControl

pytestmark = pytest.mark.gui


def bar(label: QLabel) -> str:
    return label.styleSheet()


def test_what_informs_is_not_amber(qtbot) -> None:
    label = MessageLabel()
    qtbot.addWidget(label)
    label.showResult("slide: tumour 34 % of the tissue.", ["the alpha channel is dropped"])
    assert person.words(label).splitlines() == [
        "slide: tumour 34 % of the tissue.",
        "the alpha channel is dropped",
    ]
    assert all(Level.WARNING.value not in bar(one) for one in label.findChildren(QLabel) if one.text())


def test_doubts_are_amber_below_the_result_and_each_notice_is_said_once(qtbot) -> None:
    label = MessageLabel()
    qtbot.addWidget(label)
    dark = Doubt("the background is dark")
    label.showResult("slide: nothing.", [dark, "turned", "turned", dark])
    first, second = label.findChildren(QLabel)
    assert first.text() == "slide: nothing.\nturned"
    assert Level.INFO.value in bar(first)
    assert second.text() == "the background is dark"
    assert Level.WARNING.value in bar(second)


def test_a_run_says_the_images_name_once_and_puts_doubts_first(qtbot) -> None:
    control = RunControl()
    qtbot.addWidget(control)
    for text in ("a.tif: turned", Doubt("a.tif: the background is dark"), "a.tif: turned"):
        control._on_progress(Notice("reading", 0, 1, text))
    control.summarise("a.tif: 3 patches.", name="a.tif")
    assert control.message() == "a.tif: 3 patches.\nTurned\nThe background is dark"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("name the classes (--classes a,b)", "name the classes"),
        ("download them (napari-construct models download plip; in napari: Models; MIT)",
         "download them (in napari: Models; MIT)"),
        ("give its size (--mpp, in Python mpp), or go on", "give its size, or go on"),
        ("two images (a, b) were left out", "two images (a, b) were left out"),
    ],
)  # fmt: skip
def test_words_of_the_command_line_stay_there(qtbot, text, shown) -> None:
    assert in_the_window(text) == shown
    control = RunControl()
    qtbot.addWidget(control)
    control.setBlocked(text)
    assert control.blockedReason() == control.message() == shown
    control._on_failed(ConfigurationError(text))
    assert control.message() == shown


def test_messages_keep_words_of_the_command_line_in_parentheses() -> None:
    """Else the window could not leave them out."""
    root = Path(napari_construct.__file__).parent
    strange = []
    for path in root.rglob("*.py"):
        if path.name in ("recipes.py", "model_card.py") or "cli" in path.relative_to(root).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # the message of an error or a notice: an argument, of one text or of several that are joined
            for text in _messages(node):
                rest = re.sub(r"\([^()]*\)", "", text)
                if re.search(r"(^|\s|')--[a-z]", rest):
                    strange.append(f"{path.relative_to(root)}: {text}")
    assert not strange


def _messages(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.Call):
        return []
    return [_text(argument) for argument in node.args if " " in _text(argument)]


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) or "X" for value in node.values)
    return ""
