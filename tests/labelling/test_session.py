"""Labels of a session: undo, progress, a real kill, tables that others wrote, and what training reads."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import detect_format, load_dataset
from napari_construct.data.stated_mpp import stated_mpp
from napari_construct.exceptions import ConfigurationError, ConstructError, DatasetError
from napari_construct.labelling.description import read_description
from napari_construct.labelling.journal import JOURNAL
from napari_construct.labelling.merge import merge_labels
from napari_construct.labelling.order import doubt, ordered
from napari_construct.labelling.session import LabelSession


@pytest.fixture
def session(folder: Path):
    with LabelSession(folder) as opened:
        yield opened


def test_several_classes_none_and_not_yet(session: LabelSession):
    session.toggle(0, 0)
    session.toggle(0, 1)
    session.toggle(1, 1)
    session.set(2, ())
    session.toggle(3, 0)
    session.toggle(3, 0)
    assert [session.labels(i) for i in range(5)] == [{0, 1}, {1}, frozenset(), None, None]
    said = "3 of 12 labelled: 1 tumour, 2 stroma, 1 none of them"
    assert str(session.progress()) == said
    session.close()
    with LabelSession(session.folder) as again:
        assert str(again.progress()) == said
        assert [again.labels(i) for i in range(5)] == [{0, 1}, {1}, frozenset(), None, None]


def test_undo_and_redo(session: LabelSession):
    session.toggle(0, 0)
    session.toggle(0, 1)
    session.set(5, ())
    assert session.undo() == 5
    assert session.labels(5) is None
    assert session.undo() == 0
    assert session.labels(0) == {0}
    assert session.redo() == 0
    assert session.labels(0) == {0, 1}
    session.toggle(7, 0)
    assert session.redo() is None  # another label came between
    assert [session.undo() for _ in range(4)] == [7, 0, 0, None]
    assert session.progress().labelled == 0


def test_training_reads_what_is_labelled(session: LabelSession):
    with pytest.raises(DatasetError, match="label them first"):
        load_dataset(session.folder)
    session.toggle(0, 0)
    session.toggle(1, 1)
    session.set(2, ())
    session.save()
    assert detect_format(session.folder) == "table"
    dataset = load_dataset(session.folder)
    assert dataset.class_names == ("tumour", "stroma")
    assert sorted(map(tuple, dataset.labels.tolist())) == [(0, 0), (0, 1), (1, 0)]
    assert set(dataset.groups) == {"tissue.png"}
    assert "9 patch(es) without any label yet are left out" in dataset.notices
    assert load_dataset(session.table, class_names=("stroma",)).class_names == ("stroma",)
    assert stated_mpp(dataset.paths, session.folder) is None


def test_one_session_at_a_time(session: LabelSession):
    with pytest.raises(ConfigurationError, match="no other run is writing"):
        LabelSession(session.folder)
    session.close()
    LabelSession(session.folder).close()
    with pytest.raises(ConfigurationError, match="closed"):
        session.toggle(0, 0)


CHILD = """
import sys, time
from napari_construct.labelling.session import LabelSession
session = LabelSession(sys.argv[1])
for i in range(8):
    session.toggle(i, i % 2)
    if i == 3:
        session.save()
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kill_loses_no_label(folder: Path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with pytest.raises(ConfigurationError, match=f"process {child.pid}"):
        LabelSession(folder)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with (folder / JOURNAL).open("ab") as torn:
        torn.write(b'{"file": "0009')
    with LabelSession(folder) as session:
        assert [session.labels(i) for i in range(9)] == [{i % 2} for i in range(8)] + [None]
        session.toggle(8, 0)
    assert not (folder / JOURNAL).exists()
    assert len(load_dataset(folder)) == 9
    assert sorted(p.name for p in folder.iterdir()) == ["context", "labelling.json", "labels.csv", "patches"]


def edited(folder: Path, change) -> None:
    path = folder / "labels.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(change(rows))


def test_rows_and_columns_of_others_stay(folder: Path):
    extra = ["mine/other.png", "1", "0", "p", "s", "", "", "", "checked"]
    edited(folder, lambda rows: [[*rows[0], "remark"], *([*row, "ü"] for row in rows[1:-1]), extra])
    with LabelSession(folder) as session:
        session.toggle(0, 1)
        session.toggle(11, 0)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 13
    assert rows[0]["remark"] == "ü"
    assert rows[0]["stroma"] == "1"
    assert rows[11]["tumour"] == "1"
    assert rows[12]["path"] == "mine/other.png"
    assert rows[12]["remark"] == "checked"


HOSTILE = {
    "a label": (lambda rows: [rows[0], [rows[1][0], "maybe", *rows[1][2:]]], "line 2: expected 0 or 1"),
    "twice": (lambda rows: [*rows, rows[1]], "every patch once"),
    "no column": (
        lambda rows: [[c if c != "stroma" else "x" for c in rows[0]], *rows[1:]],
        "none for stroma",
    ),
    "columns": (lambda rows: [[*rows[0], "path"], *([*r, ""] for r in rows[1:])], "different names"),
    "short": (lambda rows: [rows[0], rows[1][:3]], "line 2: expected 8 values, got 3"),
    "empty": (lambda _: [], "found none for path"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_tables_are_said_and_not_written(folder: Path, name: str):
    change, said = HOSTILE[name]
    edited(folder, change)
    before = (folder / "labels.csv").read_bytes()
    with pytest.raises(DatasetError, match=said):
        LabelSession(folder)
    assert (folder / "labels.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"complete": true', '"complete": "perhaps"'),
        ('"version": 1', '"version": 99'),
        ('"file": "0001', '"file": "../0001'),
        ('"tumour"', '"row\\n"'),
        ('"complete": true', '"complete": true, "more": 1'),
    ],
)
def test_damaged_descriptions_are_said(folder: Path, old: str, new: str):
    path = folder / "labelling.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises((DatasetError, ConfigurationError)):
        LabelSession(folder)


def test_other_folders_and_missing_patches_are_said(folder: Path, tmp_path: Path):
    with pytest.raises(DatasetError, match="a folder that patches were cut into"):
        LabelSession(tmp_path)
    next((folder / "patches").iterdir()).unlink()
    with pytest.raises(DatasetError, match="bring them back"):
        LabelSession(folder)


def test_a_table_that_changed_meanwhile_is_not_overwritten(folder: Path):
    session = LabelSession(folder)
    session.toggle(0, 0)
    edited(folder, lambda rows: [*rows[:2], [rows[2][0], "0", "1", *rows[2][3:]], *rows[3:]])
    with pytest.raises(ConfigurationError, match="another program wrote"):
        session.save()
    with pytest.raises(ConfigurationError, match="another program wrote"):
        session.close()
    with LabelSession(folder) as again:  # both are there
        assert again.labels(0) == {0}
        assert again.labels(1) == {1}


def test_classes_are_renamed_and_added(folder: Path):
    with LabelSession(folder) as session:
        session.toggle(0, 1)
        session.change_classes(ClassTable.from_names(("tumour", "connective tissue", "fat")))
        session.toggle(1, 2)
        with pytest.raises(ConfigurationError, match="labels would be lost"):
            session.change_classes(ClassTable.from_names(("tumour",)))
    dataset = load_dataset(folder)
    assert dataset.class_names == ("tumour", "connective tissue", "fat")
    assert dataset.labels.tolist() == [[0, 1, 0], [0, 0, 1]]


def test_a_kill_while_classes_are_renamed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    session = LabelSession(folder)
    session.toggle(0, 1)
    monkeypatch.setattr(session._table, "rename", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        session.change_classes(ClassTable.from_names(("tumour", "other", "fat")))
    session._stack.close()
    with LabelSession(folder) as again:
        assert again.classes.names == ("tumour", "other", "fat")
        assert again.labels(0) == {1}


def test_a_full_disk_takes_no_label(folder: Path, monkeypatch: pytest.MonkeyPatch):
    with LabelSession(folder) as session:

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(ConstructError, match="No space left"):
                session.toggle(0, 0)
        assert session.labels(0) is None
        assert session.undo() is None
        session.toggle(0, 1)
        assert session.labels(0) == {1}


def test_labels_of_a_table_are_merged(folder: Path, tmp_path: Path):
    table = tmp_path / "mine.csv"
    patches = read_description(folder).patches
    table.write_text(
        "Path,stroma,tumour,other\n"
        f"elsewhere\\{patches[0].file},1,0,1\n{patches[1].file},0,0,\n{patches[2].file},,,1\nnone.png,1,1,1\n"
        f"{patches[3].file},1,1,0\n",
        encoding="utf-8",
    )
    with LabelSession(folder) as session:
        session.toggle(3, 0)
        made = merge_labels(session, table)
        assert (made.changed, made.unused) == (2, ("none.png",))
        assert [session.labels(i) for i in range(4)] == [{1}, frozenset(), None, {0}]
        assert merge_labels(session, table, overwrite=True).changed == 1
        assert session.labels(3) == {0, 1}
        table.write_text("path,tumour,stroma\ntissue.png,0,0\n")
        assert merge_labels(session, table).changed == 9  # an image without a class: so are its patches
        table.write_text("path,tumour,stroma\ntissue.png,1,0\n")
        assert merge_labels(session, table, overwrite=True).unused == ("tissue.png",)
        table.write_text("path,tumour\nx.png,0\n")
        with pytest.raises(DatasetError, match="none for stroma"):
            merge_labels(session, table)
        table.write_text(f"path,tumour,stroma\n{patches[0].file},perhaps,0\n")
        with pytest.raises(DatasetError, match="line 2: expected 0 or 1 for tumour"):
            merge_labels(session, table)


def test_orders():
    guesses = [(0.9, 0.1), (0.2, 0.55), None, (0.95, 0.02), (0.1, 0.9)]
    assert ordered(guesses, "cut") == (0, 1, 2, 3, 4)
    assert ordered(guesses, "guess") == (3, 0, 4, 1, 2)
    assert ordered(guesses, "doubt") == (1, 0, 4, 3, 2)
    assert doubt((0.5, 1.0)) == 1.0
    assert doubt((0.0, 1.0)) == 0.0
