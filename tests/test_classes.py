"""Colours of classes."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from napari_construct.classes import (
    BCSS_COLOURS,
    OKABE_ITO,
    PALETTES,
    ClassTable,
    hex_of,
    palette_colour,
    rgb_of,
)
from napari_construct.exceptions import ConfigurationError
from napari_construct.whole_files import replacing


@pytest.mark.parametrize("colour", [*OKABE_ITO, *BCSS_COLOURS, "#000000", "#0a0B0c"])
def test_hex_and_rgb_are_each_others_inverse(colour: str) -> None:
    assert hex_of(rgb_of(colour)) == colour.upper()
    assert rgb_of("#E69F00") == (230, 159, 0)


def test_alpha_is_left_out_and_any_numbers_are_taken() -> None:
    assert hex_of([1, 2, 255, 7]) == "#0102FF"
    assert hex_of(np.array([16, 32, 64], np.uint16)) == "#102040"


def test_a_palette_goes_around_when_it_runs_out() -> None:
    names = tuple(f"class {i}" for i in range(len(OKABE_ITO) + 1))
    table = ClassTable.from_names(names)
    assert table[len(OKABE_ITO)].colour == table[0].colour == palette_colour(0)
    paper = table.coloured(PALETTES["Paper (BCSS)"])
    assert paper.names == names
    assert [tissue.colour for tissue in paper][:5] == [*BCSS_COLOURS, BCSS_COLOURS[0]]


@pytest.mark.parametrize(
    "name", ["x" * 255, "👩\u200d⚕️", "می\u200cخواهم", "a\u00a0b", "臓器", 'a, "b"; c: d']
)
def test_names_may_be_anything_that_can_be_shown(name):
    table = ClassTable.from_names((name, "other"))
    assert table.names[0] == unicodedata.normalize("NFC", name)
    assert ClassTable.from_json(table.to_json()) == table


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\x00", "\u202ea", "x" * 301, "a\ud800"])
def test_names_that_cannot_be_shown(name):
    with pytest.raises(ConfigurationError):
        ClassTable.from_names((name,))


def test_composed_and_decomposed_names_are_one():
    composed, decomposed = (unicodedata.normalize(form, "Drüse") for form in ("NFC", "NFD"))
    table = ClassTable.from_names((decomposed, "stroma, loose"))
    assert table.names[0] == composed
    assert table.index(decomposed) == table.index(composed) == 0
    with pytest.raises(ConfigurationError, match="more than once"):
        ClassTable.from_names((composed, decomposed))
    with pytest.raises(ConfigurationError, match='one of the classes Drüse, "stroma, loose", got'):
        table.index("stroma")


@pytest.mark.parametrize(
    "name", ["classes", "classes.txt", "classes.CSV", "classes.JSON", "classes.csv", "c.json"]
)
def test_tables_are_read_under_any_name(tmp_path, name):
    table = ClassTable.from_names(("tumour", "stroma, loose"))
    for text in (table.to_csv(), table.to_json(), f"\ufeff\n{table.to_json()}"):
        if name.lower().endswith(".json") and not text.lstrip("\ufeff\n").startswith("{"):
            continue
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert ClassTable.load(tmp_path / name) == table


def test_a_file_that_is_no_class_table_says_what_is_expected(tmp_path):
    (tmp_path / "notes").write_text("my notes\n")
    with pytest.raises(
        ConfigurationError, match=r"notes: expected a class table \(CSV or JSON\) with the column"
    ):
        ClassTable.load(tmp_path / "notes")


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_a_table_is_replaced_as_a_whole_or_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path, old = tmp_path / name, ClassTable.from_names(("tumour", "stroma"))
    old.save(path)
    start = hashlib.sha256(name.encode()).hexdigest()[:8]
    (tmp_path / f".napari-construct-{start}-dead.part").write_text("of a process that was killed")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            ClassTable.from_names(("other",)).save(path)
    assert ClassTable.load(path) == old
    assert list(tmp_path.iterdir()) == [path]
    ClassTable.from_names(("other",)).save(path)
    assert ClassTable.load(path).names == ("other",)


def test_saving_leaves_a_table_alone_that_another_process_is_saving(tmp_path: Path) -> None:
    with replacing(tmp_path / "theirs.csv") as part:
        part.write_text(ClassTable.from_names(("theirs",)).to_csv(), encoding="utf-8")
        ClassTable.from_names(("mine",)).save(tmp_path / "mine.csv")
    assert ClassTable.load(tmp_path / "theirs.csv").names == ("theirs",)
