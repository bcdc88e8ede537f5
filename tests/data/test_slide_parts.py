"""Slides in several files: one entry each."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.data.listing import Reason, list_folder
from napari_construct.data.slide_parts import dicom_series, parts_of

EXPLICIT, IMPLICIT = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"


def _element(tag: tuple[int, int], kind: bytes, value: bytes, *, explicit: bool = True) -> bytes:
    value += b"\0" * (len(value) % 2)
    head = struct.pack("<HH", *tag)
    if not explicit:
        return head + struct.pack("<I", len(value)) + value
    if kind in (b"SQ", b"OB", b"UT"):
        return head + kind + b"\0\0" + struct.pack("<I", len(value)) + value
    return head + kind + struct.pack("<H", len(value)) + value


def dicom(series: bytes, syntax: bytes = EXPLICIT) -> bytes:
    """As PS3.10 and PS3.5 have it: meta, a sequence of undefined length, and the series."""
    explicit = syntax != IMPLICIT
    inside = _element((8, 0x100), b"SH", b"121", explicit=explicit)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inside + struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
    head = struct.pack("<HH", 8, 0x2218) + (b"SQ\0\0" if explicit else b"") + b"\xff\xff\xff\xff"
    body = head + item + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    body += _element((0x10, 0x10), b"PN", b"nobody", explicit=explicit)
    body += _element((0x20, 0xE), b"UI", series, explicit=explicit)
    meta = _element((2, 1), b"OB", b"\0\1") + _element((2, 0x10), b"UI", syntax)
    return b"\0" * 128 + b"DICM" + meta + body


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, b"1.2.840.10008.1.2.4.50"])
def test_the_series_of_a_file(tmp_path: Path, syntax: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom(b"1.2.3", syntax))
    assert dicom_series(tmp_path / "a.dcm") == "1.2.3"
    whole = dicom(b"1.2.3", syntax)
    for end in range(len(whole)):
        (tmp_path / "a.dcm").write_bytes(whole[:end])
        assert dicom_series(tmp_path / "a.dcm") is None


@given(st.binary(max_size=200))
def test_anything_else_is_no_series(tmp_path_factory: pytest.TempPathFactory, rest: bytes) -> None:
    path = tmp_path_factory.mktemp("dicom") / "a.dcm"
    path.write_bytes(b"\0" * 128 + b"DICM" + rest)
    found = dicom_series(path)
    assert found is None or isinstance(found, str)


def test_a_slide_in_several_files_is_one_entry(tmp_path: Path) -> None:
    for name, series in (("1.dcm", b"1.2"), ("2.dcm", b"1.2"), ("3.dcm", b"1.3")):
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / name).write_bytes(dicom(series))
    (tmp_path / "m.mrxs").write_bytes(b"")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "Data0000.dat").write_bytes(b"")
    (tmp_path / "m" / "preview.jpg").write_bytes(b"")
    (tmp_path / "v.vms").write_text("[Virtual Microscope Specimen]\nImageFile=v.jpg\nMapFile=v_map.jpg\n")
    for name in ("v.jpg", "v_map.jpg", "other.jpg", "s.svslide"):
        (tmp_path / name).write_bytes(b"")
    for recursive in (True, False):
        listing = list_folder(tmp_path, recursive=recursive, slides=True)
        assert [path.relative_to(tmp_path).as_posix() for path in listing.images] == [
            "deep/1.dcm", "deep/3.dcm", "m.mrxs", "other.jpg", "s.svslide", "v.vms"
        ]  # fmt: skip
        parts = {path.relative_to(tmp_path).as_posix() for path in listing.because(Reason.PART)}
        assert parts == {"deep/2.dcm", "m", "v.jpg", "v_map.jpg"}
        assert not listing.notices
    assert parts_of(tmp_path / "deep" / "1.dcm") == (tmp_path / "deep" / "2.dcm",)
    plain = list_folder(tmp_path)
    assert "m.mrxs" in " ".join(plain.notices)
    assert [path.name for path in plain.images] == ["other.jpg", "v.jpg", "v_map.jpg"]


def test_a_folder_named_like_a_slide(tmp_path: Path) -> None:
    (tmp_path / "a.svs").mkdir()
    (tmp_path / "b.svs").mkdir()
    (tmp_path / "b.svs" / "b.svs").write_bytes(b"")
    listing = list_folder(tmp_path, recursive=True, slides=True)
    assert [path.relative_to(tmp_path).as_posix() for path in listing.images] == ["a.svs", "b.svs/b.svs"]
    assert list_folder(tmp_path, slides=True).images == (tmp_path / "a.svs", tmp_path / "b.svs")
    assert list_folder(tmp_path, recursive=True).images == (tmp_path / "b.svs" / "b.svs",)
