"""One writer at a time; what a killed one leaves is no obstacle and goes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.locks import FOLDER_LOCK, hidden_folder, locked_file, locked_folder

HOLDER = """
import sys, time
from pathlib import Path
from napari_construct.export.locks import hidden_folder, locked_folder

with locked_folder(Path(sys.argv[1])), hidden_folder(Path(sys.argv[1])) as hidden:
    (hidden / "half").write_text("half")
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_whoever_comes_second_is_told_who_holds_it(holder, tmp_path: Path) -> None:
    said = rf"process {holder.pid} on .* has been using since .*; wait until it ends, stop it"
    with pytest.raises(ConfigurationError, match=said), locked_folder(tmp_path):
        pass
    with hidden_folder(tmp_path):
        assert len(list(tmp_path.glob(".napari-construct-*/half"))) == 1  # never of a run at work


def test_a_killed_holder_is_no_obstacle_and_is_tidied_up(holder, tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / FOLDER_LOCK).exists()
    with locked_folder(tmp_path), hidden_folder(tmp_path) as hidden:
        assert list(tmp_path.glob(".napari-construct-*")) == [hidden]
    assert not list(tmp_path.iterdir())


def test_a_lock_is_held_within_a_process_too_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        locked_file(tmp_path / "new" / "model.construct"),
        pytest.raises(ConfigurationError, match=rf"model\.construct.*process {os.getpid()} on"),
        locked_file(tmp_path / "new" / "model.construct"),
    ):
        pass
    with locked_file(tmp_path / "new" / "model.construct"), locked_file(tmp_path / "new" / "other.construct"):
        pass
    assert not list((tmp_path / "new").iterdir())


def test_a_holder_that_says_nothing_readable(tmp_path: Path) -> None:
    with locked_folder(tmp_path):
        for content in (b"", b"\xff\0", b"[" * 10_000, b'{"process": "x"}', b'{"process": 1}'):
            (tmp_path / FOLDER_LOCK).write_bytes(content)
            with pytest.raises(ConfigurationError, match="another process is using"), locked_folder(tmp_path):
                pass


def test_a_folder_of_an_earlier_version_goes_when_it_is_old(tmp_path: Path) -> None:
    old, young, empty = (tmp_path / f".napari-construct-{name}" for name in ("old", "young", "empty"))
    for folder in (old, young, empty):
        folder.mkdir()
    for folder in (old, young):
        (folder / "half").write_text("half")
    os.utime(old, (time.time() - 7200,) * 2)
    (tmp_path / ".napari-construct-file").write_text("no folder")
    (tmp_path / ".napari-construct-link").symlink_to(young, target_is_directory=True)
    with hidden_folder(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".napari-construct-file",
        ".napari-construct-link",
        ".napari-construct-young",
    ]


def test_what_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(ConstructError, match=re.escape(str(tmp_path / "file"))),
        locked_folder(tmp_path / "file"),
    ):
        pass
    (tmp_path / FOLDER_LOCK).symlink_to(tmp_path / "file")
    with pytest.raises(ConstructError, match="cannot be written"), locked_folder(tmp_path):
        pass
    assert (tmp_path / "file").read_text() == "no folder"
