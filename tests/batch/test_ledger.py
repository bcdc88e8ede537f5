"""The ledger: whatever happens to a line, the others count."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_construct.batch.entries import Entry, Header
from napari_construct.batch.ledger import LEDGER_NAME, MAX_LINE, Ledger, read_ledger
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.own_files import LEDGER_FORMAT, is_own

HEADER = Header(format=LEDGER_FORMAT, settings={"outputs": ["mask"]}, model="tiny", encoder="e")
AREA = {"class": "tumour", "pixels": 3, "percent_of_tissue": 1.5}


def entry(key: str, **changes: Any) -> Entry:
    fields = {"state": "done", "files": {"mask": f"{key}_mask.tif"}, "areas": (AREA,), "seconds": 1.5}
    return Entry(key, key, **fields | {"sizes": {"mask": 4}, "sha256": {"mask": "ab"}} | changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Ledger(tmp_path, HEADER) as ledger:
        for key in "abc":
            ledger.set(entry(key))
    return tmp_path / LEDGER_NAME


def resumed(path: Path, header: Header = HEADER) -> tuple[str, int]:
    ledger = Ledger(path.parent, header)
    return "".join(sorted(ledger.entries)), ledger.damaged


def test_what_was_written_is_read(path: Path) -> None:
    header, entries = read_ledger(path)
    assert header == HEADER
    assert entries == {key: entry(key) for key in "abc"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"key": 1}',
        b"null",
        b'"text"',
        b'{"key": "b", "name": "b", "areas": 3}',
        b'{"key": "b", "name": "b", "areas": [3]}',
        b'{"key": "b", "name": "b", "areas": [{"pixels": 3}]}',
        b'{"key": "b", "name": "b", "areas": [{"class": "tumour", "pixels": NaN}]}',
        b'{"key": "b", "name": "b", "seconds": -1}',
        b'{"key": "b", "name": "b", "seconds": Infinity}',
        b'{"key": "b", "name": "b", "state": "perhaps"}',
        b'{"key": "b", "name": "b", "files": {"mask": "../../elsewhere"}}',
        b'{"key": "b", "name": "b", "files": {"mask": "/etc/passwd"}}',
        b'{"key": "b", "name": "b", "files": {"mask": "a\\u0000"}}',
        b'{"key": "b", "name": "b", "sizes": {"mask": "many"}}',
        b'{"key": "b", "name": "b", "key": "c"}',
        b'{"key": "b", "name": "b", "new": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"key": "b", "name": "b", "new": ' + b"9" * 30 + b"}",
        b"x" * (MAX_LINE + 9),
        b'{"key": "a", {"key": "b"}',  # of two runs at once
    ],
)
def test_a_damaged_line_loses_its_own_image_only(path: Path, line: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[2] = line
    path.write_bytes(b"\n".join(lines))
    assert resumed(path) == ("ac", 1)


@given(st.binary(max_size=80), st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_anywhere(tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int) -> None:
    path = tmp_path_factory.mktemp("out") / LEDGER_NAME
    with Ledger(path.parent, HEADER) as ledger:
        for key in "abc":
            ledger.set(entry(key))
    whole = path.read_bytes()
    place %= len(whole) + 1
    path.write_bytes(whole[:place] + noise + whole[place:])
    if place <= whole.index(b"\n"):
        try:
            ledger = Ledger(path.parent, HEADER)
        except ConfigurationError:
            return
    else:
        ledger = Ledger(path.parent, HEADER)
    with ledger:
        ledger.set(entry("d"))
    assert "d" in read_ledger(path)[1]
    assert len(Ledger(path.parent, HEADER).entries) >= 2


@pytest.mark.parametrize("tail", [b'{"key": "d", "na', b"\0" * 5000, b"x" * (2 * MAX_LINE)])
def test_a_torn_last_line_counts_as_none(path: Path, tail: bytes) -> None:
    before = path.read_bytes()
    path.write_bytes(before + tail)
    assert resumed(path) == ("abc", 0)
    with Ledger(path.parent, HEADER) as ledger:
        ledger.set(entry("d"))
    assert path.read_bytes().startswith(before)
    assert resumed(path) == ("abcd", 0)


@pytest.mark.parametrize("first", [b"not json", b"\0\0", b"[]", b'{"format": "another"}', b'{"settings": 1}'])
def test_a_damaged_first_line_is_named(path: Path, first: bytes) -> None:
    _, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + rest)
    with pytest.raises(ConfigurationError, match=r"batch\.jsonl: expected the ledger of a batch"):
        Ledger(path.parent, HEADER)


def test_the_encoder_counts_where_it_is_known(path: Path) -> None:
    other = Header(format=LEDGER_FORMAT, settings={"outputs": ["mask"]}, model="tiny", encoder="another")
    with pytest.raises(ConfigurationError, match="got different encoder"):
        Ledger(path.parent, other)
    first, rest = path.read_text(encoding="utf-8").split("\n", 1)
    stored = json.loads(first)
    del stored["encoder"]  # by an earlier version
    path.write_text(json.dumps(stored) + "\n" + rest, encoding="utf-8")
    assert resumed(path, other) == ("abc", 0)


def test_entries_of_other_versions(path: Path) -> None:
    old = {"key": "d", "name": "d", "state": "done", "error": "", "files": {}, "fingerprint": "1-2"}
    old |= {"areas": [{"class": "tumour", "percent": 2.0}], "seconds": 1.0}
    new = {"key": "e", "name": "e", "colour": "blue"}
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{json.dumps(old)}\n{json.dumps(new)}\n")
    entries = read_ledger(path)[1]
    assert entries["d"].areas == ({"class": "tumour", "percent_of_tissue": 2.0},)
    assert entries["e"].state == "waiting"
    path.write_text('{"format": "napari-construct batch", "version": 99}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="newer"):
        Ledger(path.parent, HEADER)


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    with Ledger(tmp_path, HEADER) as ledger:
        ledger.set(entry("Pr\udce4parat", error="line\u2028separator"))
    assert list(read_ledger(tmp_path / LEDGER_NAME)[1]) == ["Pr%E4parat"]  # as it is shown


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link to a pipe"])
@pytest.mark.parametrize("restart", [False, True])
def test_what_is_no_file_is_no_ledger(tmp_path: Path, kind: str, restart: bool) -> None:
    path = tmp_path / LEDGER_NAME
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/full")
    else:
        os.mkfifo(tmp_path / "pipe" if kind.startswith("link") else path)
        if kind.startswith("link"):
            path.symlink_to(tmp_path / "pipe")
    assert not is_own(path)
    with pytest.raises(ConfigurationError, match="folder, pipe or device"):
        Ledger(tmp_path, HEADER, restart=restart)


@pytest.mark.parametrize("there", [True, False])
def test_a_new_ledger_is_not_written_through_a_link(tmp_path: Path, there: bool) -> None:
    other = tmp_path / "other.txt"
    if there:
        other.write_text("mine")
    (tmp_path / LEDGER_NAME).symlink_to(other)
    with Ledger(tmp_path, HEADER, restart=True):
        pass
    assert other.exists() == there
    assert not there or other.read_text() == "mine"
    assert read_ledger(tmp_path / LEDGER_NAME)[0] == HEADER


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("room", [0, 30])
def test_a_disk_that_is_full_at_a_line_is_our_error(path: Path, room: int) -> None:
    import resource

    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + room, limits[1]))
    try:
        with (  # closing the file tries the rest of the line again
            pytest.raises(ConstructError, match=r"cannot be written.*free some space"),
            Ledger(path.parent, HEADER) as ledger,
        ):
            ledger.set(entry("d"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert resumed(path) == ("abc", 0)
