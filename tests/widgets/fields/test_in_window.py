"""No option of the command line in a message of the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_construct.exceptions import ConstructError
from napari_construct.export.own_files import refuse_others
from napari_construct.widgets.fields.in_window import in_window
from napari_construct.widgets.fields.message_label import plain


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("give the classes in the order of the mask values (--classes)", "in the order of the mask values"),
        ("unset it, or use --mirror FOLDER", "unset it, or choose a folder with the files under From"),
        ("open a page in the browser, check --mirror, and press Download again", "check From, and press"),
        ("remove them first ('napari-construct models remove a'), or replace them with --overwrite", "first"),
        (
            "if these are classes, name them: --classes a,b (in Python: class_names)",
            "name them: Classes: a,b",
        ),
        ("choose one with --name", "rename the file"),
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
