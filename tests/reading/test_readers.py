"""The bounded readers: what is read, what is refused, and how short the refusal is."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.reading.texts.csv import csv_text, read_csv
from napari_construct.reading.texts.json import parse_json, read_json
from napari_construct.reading.texts.text import read_text
from napari_construct.reading.texts.toml import parse_toml, read_toml
from napari_construct.reading.texts.yaml import parse_yaml, read_yaml

Parse = Callable[[str, str], Any]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
numbers = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(plain)
@settings(max_examples=150, deadline=None)
def test_json_is_what_the_standard_library_reads(value: Any) -> None:
    assert parse_json(json.dumps(value), "x") == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode(), "x") == value


@given(plain)
@settings(max_examples=60, deadline=None)
def test_yaml_is_what_the_library_writes(value: Any) -> None:
    import yaml

    text = yaml.safe_dump({"value": value}, allow_unicode=False, sort_keys=False)
    try:
        assert parse_yaml(text, "x") == {"value": value}
    except ConfigurationError as error:  # a text that looks like a time of the day in old YAML
        assert "quotation marks" in str(error)  # noqa: PT017


REFUSED: tuple[tuple[Parse, str, str], ...] = (
    (parse_json, "", "no JSON"),
    (parse_json, "[" * 100_000, "64 levels"),
    (parse_json, '{"a":' * 100_000, "64 levels"),
    (parse_json, "[" + "[]," * 1_000_001 + "[]]", "1,000,000 values"),
    (parse_json, "1" * 5000, "64 bits"),
    (parse_json, "[" + "9" * 20 + "]", "64 bits"),
    (parse_json, "1e999", "too large"),
    (parse_json, "NaN", "no finite number"),
    (parse_json, "-Infinity", "no finite number"),
    (parse_json, '{"a": 1, "a": 2}', "'a' twice"),
    (parse_json, r'"\ud800"', "half a character"),
    (parse_json, r'{"\udfff": 1}', "half a character"),
    (parse_json, r'["a\u0000b"]', "zero character"),
    (parse_toml, "a.b = ", "Invalid value"),
    (parse_toml, "a." * 50_000 + "b = 1", "16 parts"),
    (parse_toml, "[" + "a." * 20 + "b]", "16 parts"),
    (parse_toml, "a = " + "[" * 5000, "64 levels"),
    (parse_toml, "a = " + "{a = " * 5000, "64 levels"),
    (parse_toml, "a = " + "1" * 5000, "a number or date out of range"),
    (parse_toml, "a = 0x" + "f" * 5000, "64 bits"),
    (parse_toml, "a = nan", "too large or too long"),
    (parse_toml, "".join(f"k{i}.b.c.d.e.f.g.h = 1\n" for i in range(10_000)), "50,000 names"),
    (parse_toml, 'a = "\\uD800"', "not a Unicode scalar value"),
    (parse_yaml, "[" * 100_000, "YAML"),
    (parse_yaml, "- " * 1000 + "x", "64 levels"),
    (parse_yaml, "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]", "alias 'b' of aliases"),
    (parse_yaml, "a: &a [*a]", "alias 'a' of nothing"),
    (parse_yaml, "a: &a [" + "x," * 1000 + "]\nb: [" + "*a," * 1000 + "]", "100,000 values"),
    (parse_yaml, "a: !!python/object/apply:os.system [x]", "python/object"),
    (parse_yaml, "a: !!binary aGk=", "plain values"),
    (parse_yaml, "a: " + ":".join(["1"] * 100_000), "the number"),
    (parse_yaml, "a: " + "9" * 5000, "the number"),
    (parse_yaml, "a: .nan", "too large"),
    (parse_yaml, "a: 1\na: 2", "'a' twice"),
    (parse_yaml, "? [a]\n: 1", "as a name"),
    (parse_yaml, "a\n---\nb", "several documents"),
    (parse_yaml, "a: @", "no YAML"),
    (parse_yaml, 'a: "\\uD800"', ""),
)


@pytest.mark.parametrize(("parse", "text", "said"), REFUSED, ids=lambda part: str(part)[:20])
def test_refused_in_one_short_sentence(parse: Parse, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "here")
    assert str(caught.value).startswith("here: expected ")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2**20,
        'a = """' + '\\"""' * 2**17,
        'a = "' + '\\"' * 2**18,
        "a = " + "'" * 2**19,
        "a = 0x" + "f" * 2**20,
        "[" * 200 + '"' + '\\"' * 2**19,
        "a. " * 2**18,
        "a" + " " * 2**20 + "." * 2**10,
    ],
    ids=range(8),
)
@pytest.mark.timeout(30)
def test_no_text_takes_more_than_time_in_its_length(text: str) -> None:
    for parse in (parse_json, parse_toml):
        with pytest.raises(ConfigurationError):
            parse(text, "x")


def test_a_small_text_takes_little_memory() -> None:
    """Names of many parts took gigabytes for each megabyte."""
    text = "".join(f"k{i}.b.c.d.e.f.g.h.i.j.k.l = 1\n" for i in range(1000))
    tracemalloc.start()
    try:
        assert len(parse_toml(text, "x")) == 1000
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def test_texts_may_hold_what_would_be_structure() -> None:
    brackets = "[{," * 2_000_000
    assert parse_json(json.dumps([brackets]), "x") == [brackets]
    dots = "a." * 100
    assert parse_toml(f'a = """{dots}"""  # {dots}\nb = 1', "x") == {"a": dots, "b": 1}


def test_dates_stay_text_and_names_are_text_as_written() -> None:
    wanted = {"a": "2024-01-31", "1": "x", "no": True, "2024-01-31": None, "null": [1.5, 15]}
    assert parse_yaml("a: 2024-01-31\n1: x\nno: yes\n2024-01-31: ~\nnull: [1.5, 0xf]", "x") == wanted
    assert parse_toml("a = 1979-05-27T07:32:00Z\nb = 07:32:00", "x") == {
        "a": "1979-05-27T07:32:00+00:00",
        "b": "07:32:00",
    }
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}", "x")["b"] == {"x": 1, "y": 3}


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    for read in (read_json, read_yaml, read_toml, read_csv, read_text):
        try:
            read(path)
        except ConfigurationError as error:
            assert len(str(error)) < 1000  # noqa: PT017


WORDS = ("<<", "a", "1", "0x", ".inf", "---", "&a", "*a", "!!int", '"""')
MARKS = st.sampled_from([*"[]{}:,-&*!|>'\"%@`#?\n\t .=~\\", *WORDS])


@given(st.lists(MARKS, max_size=60).map("".join))
@settings(max_examples=500, deadline=None)
def test_any_marks_are_read_or_refused(text: str) -> None:
    for parse in (parse_json, parse_yaml, parse_toml):
        try:
            parse(text, "x")
        except ConfigurationError as error:
            assert len(str(error)) < 1000  # noqa: PT017


def test_size_kind_and_encoding_of_files(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + '{"a": "ä"}'.encode())
    assert read_json(path) == {"a": "ä"}
    path.write_bytes(b" " * 1025)
    with pytest.raises(DatasetError, match="of at most 1 KiB, got a larger file"):
        read_json(path, largest=1024, error=DatasetError)
    for data, said in (
        ('{"a": 1}'.encode("utf-16"), "got UTF-16; save it as UTF-8"),
        (b'{"a": "\xe4"}', r"another encoding \(byte 0xe4"),
        (b'{"a": "\0"}', "zero bytes"),
    ):
        path.write_bytes(data)
        with pytest.raises(ConfigurationError, match=said):
            read_json(path)
    with pytest.raises(ConfigurationError, match="got a folder"):
        read_json(tmp_path)
    with pytest.raises(ConfigurationError, match="nothing there"):
        read_json(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="impossible name"):
        read_json("a\0b")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigurationError, match="pipe"):
            read_json(tmp_path / "pipe")


cells = st.lists(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1),
        min_size=3,
        max_size=3,
    ),
    min_size=2,
    max_size=5,
)


@given(cells)
@settings(max_examples=150, deadline=None)
def test_tables_come_back_and_hold_no_formula(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    text = csv_text(rows)
    path.write_text(text, encoding="utf-8", newline="")
    found = read_csv(path)
    assert [list(cells) for _, cells in found.rows] == rows[1:]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "'=1", "＝1"])
def test_formulas_are_hidden(text: str, tmp_path: Path) -> None:
    assert csv_text([["a"], [text]]).splitlines()[1].lstrip('"').startswith("'")
    assert csv_text([["a"], [-1.5], ["-1.5"]]) == "a\n-1.5\n-1.5\n"


def test_tables_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("," * 5000)
    with pytest.raises(ConfigurationError, match="line 1: expected at most 1000 columns"):
        read_csv(path)
    path.write_text('a,b\n"x')
    with pytest.raises(ConfigurationError, match="line 2: expected a comma-separated table"):
        read_csv(path)
    path.write_text("a\n" + "x" * 200_000)
    with pytest.raises(ConfigurationError, match=r"a cell of more than 131,072 letters"):
        read_csv(path)
