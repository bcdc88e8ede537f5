"""What a widget keeps until the next session, wherever the user says that it should lie."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from napari_construct.widgets.parts.memory import LOCATION, Memory

pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")


def test_values_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOCATION, str(tmp_path / "widgets.ini"))
    Memory("segment").keep({"tile": 3})
    assert Memory("segment").load() == {"tile": 3}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("pipe", marks=pipes),
        pytest.param("link to a pipe", marks=pipes),
        "folder",
        "link to nothing",
    ],
)
def test_what_is_no_file_is_left_alone(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = target = tmp_path / "place"
    if kind.startswith("link"):
        target = tmp_path / "target"
        place.symlink_to(target)
    if kind.endswith("pipe"):
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    before = place.lstat()
    monkeypatch.setenv(LOCATION, str(place))
    Memory("segment").keep({"tile": 3})
    assert Memory("segment").load() == {}
    assert stat.S_IFMT(place.lstat().st_mode) == stat.S_IFMT(before.st_mode)
    assert place.lstat().st_ino == before.st_ino
