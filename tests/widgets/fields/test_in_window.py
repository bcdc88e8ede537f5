"""No option of the command line in a message of the window."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import napari_construct
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.own_files import refuse_others
from napari_construct.widgets.fields.in_window import in_window
from napari_construct.widgets.fields.message_label import plain
from napari_construct.widgets.jobs.run_control import RunControl


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("give the classes in the order of the mask values (--classes)", "in the order of the mask values"),
        ("unset it, or use a mirror (--mirror FOLDER)", "or choose a folder with the files under From"),
        ("open a page in the browser, check the mirror (--mirror), and press", "check From, and press"),
        ("remove them first ('napari-construct models remove a')", "remove them first"),
        ("name them (--classes a,b; in Python: class_names)", "name them"),
        (
            "move it away, or let it be replaced (--overwrite; in napari: Overwrite files of others)",
            "move it away, or tick Overwrite files of others in Batch",
        ),
    ],
)
def test_options_become_words(text: str, said: str) -> None:
    assert said in in_window(text)
    assert "--" not in in_window(text)


def test_a_refused_file_is_explained_in_the_words_of_the_dock(tmp_path: Path) -> None:
    theirs = tmp_path / "--classes" / "a.tif"
    theirs.parent.mkdir()
    theirs.write_text("theirs", encoding="utf-8")
    with pytest.raises(ConstructError) as caught:
        refuse_others([theirs])
    assert str(theirs) in plain(caught.value)
    assert "tick Overwrite files of others in Batch" in plain(caught.value)


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
@pytest.mark.gui
def test_words_of_the_command_line_stay_there(qtbot, text, shown) -> None:
    assert in_window(text) == shown
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
