from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.reading.names import (
    LONGEST_STEM,
    encodable,
    folded,
    found_as,
    is_shortened,
    named,
    normal,
    result_stem,
    same_name,
    shown,
)

ANY_BYTES = st.binary(min_size=1, max_size=255).filter(
    lambda raw: raw not in (b".", b"..") and not {0, ord("/")} & set(raw)
)
"""What Linux takes for a name."""

ANY_TEXT = st.text(max_size=300)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as Unicode")
@given(ANY_BYTES)
def test_any_name_is_shown_on_one_line_of_utf8(raw: bytes) -> None:
    text = shown(os.fsdecode(raw))
    assert text.encode("utf-8").decode("utf-8") == text
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text)
    assert len(text.splitlines()) == 1


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cf"))))
def test_ordinary_names_are_shown_as_they_are(name: str) -> None:
    assert shown(name) == encodable(name) == name


def test_what_is_harmful_is_written_as_in_web_addresses() -> None:
    assert shown("Pr\udce4parat\n\x1b[2J.png") == "Pr%E4parat%0A%1B[2J.png"
    assert shown("gnp.\u202ea") == "gnp.%E2%80%AEa"
    assert shown("lone \ud800") == "lone %ED%A0%80"
    assert encodable("two\nlines \udce4") == "two\nlines %E4"
    assert shown(Path("deep/Drüse 👩‍🔬.tif")) == os.path.join("deep", "Drüse 👩‍🔬.tif")  # noqa: PTH118


@given(ANY_TEXT)
def test_composed_and_decomposed_are_the_same(name: str) -> None:
    one, other = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    assert same_name(one, other)
    assert normal(normal(name)) == normal(name)
    assert folded(one) == folded(other)


def test_names_that_differ_in_case_are_folded() -> None:
    assert folded("Drüse") == folded("DRÜSE")
    assert folded("a") != folded("b")
    assert not same_name("a", "A")


@given(ANY_TEXT.map(lambda name: name.replace("/", "").replace("\\", "") or "x"))
def test_results_always_have_room_for_their_names(name: str) -> None:
    stem = result_stem(name)
    assert len(f"{stem}_p99999_cams.ome.tif".encode()) <= 255
    assert result_stem(name) == stem
    assert is_shortened(name) or stem == shown(stem)


def test_stems_keep_folders_and_lose_suffixes() -> None:
    assert result_stem("b/c.ome.tif") == "b/c"
    assert result_stem("a.OME.zarr") == "a"
    assert result_stem("v1.0/a.b.png") == "v1.0/a.b"
    assert result_stem(".ome.tif") == ".ome"


def test_long_names_stay_different() -> None:
    first, second = ("ä" * 120 + end for end in "xy")
    stems = {result_stem(f"{name}.png") for name in (first, second)}
    assert len(stems) == 2
    assert all(stem.startswith("ä" * 100) and len(stem.encode()) <= LONGEST_STEM for stem in stems)
    assert not is_shortened("x" * LONGEST_STEM + ".png")
    assert is_shortened("x" * (LONGEST_STEM + 1) + ".png")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as Unicode")
@pytest.mark.parametrize(
    "raw", [b"Pr\xe4parat.png", b"a\nb.png", b"100%25.png", "Drüse.png".encode(), b"a#1.png"]
)
def test_a_file_is_found_by_the_name_that_is_shown(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / os.fsdecode(raw)
    path.touch()
    assert found_as(shown(path)) == path
    assert found_as(normal(shown(path))) == path


def test_a_file_is_found_in_any_normal_form(tmp_path: Path) -> None:
    path = tmp_path / unicodedata.normalize("NFD", "Präparat.png")
    path.touch()
    assert found_as(str(tmp_path / "Präparat.png")).samefile(path)
    inside = tmp_path / unicodedata.normalize("NFD", "Öl") / "a.png"
    inside.parent.mkdir()
    inside.touch()
    assert found_as(str(tmp_path / "Öl" / "a.png")).samefile(inside)
    assert found_as(str(tmp_path / "Öl" / "b.png")) == tmp_path / "Öl" / "b.png"
    assert found_as(str(tmp_path / "gone.png")) == tmp_path / "gone.png"
    assert found_as("no\0name") == Path("no\0name")


def test_a_few_names_stand_for_many() -> None:
    assert named(["a", "b\n"]) == "a, b%0A"
    assert named([str(i) for i in range(10)]) == "0, 1, 2, 3, 4 and 5 more"
