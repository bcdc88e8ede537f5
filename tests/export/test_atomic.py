from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConstructError
from napari_construct.export.atomic import atomic, unwritable
from napari_construct.export.overlay import write_overlay
from napari_construct.export.record import write_record
from napari_construct.export.tiff import write_cams, write_mask
from napari_construct.whole_files import remove_partials

TABLE = ClassTable.from_names([f"class {i}" for i in range(200)])
NOISE = np.random.default_rng(0).integers(0, 200, (700, 700), dtype=np.uint8)
CAMS = np.tile(NOISE[:40, :40], (200, 1, 1)).astype(np.float32)

WRITERS = {
    "mask.tif": lambda path: write_mask(path, NOISE, TABLE),
    "cams.ome.tif": lambda path: write_cams(
        path, np.tile(NOISE[:40, :40], (200, 1, 1)).astype(np.float32), TABLE
    ),
    "overlay.png": lambda path: write_overlay(path, np.dstack([NOISE] * 3), NOISE, TABLE),
    "record.json": lambda path: write_record(path, {"noise": NOISE[:30].tolist()}),
}


@contextmanager
def small_disk() -> Iterator[None]:
    """No file of this process may grow over 8 kB, as on a disk that fills up.

    The limit ends with the block: pytest itself may be writing its report to a file.
    """
    resource = pytest.importorskip("resource", reason="POSIX only")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_leaves_nothing(name, tmp_path):
    message = rf"{name}: cannot be written \(.+\); free some space"
    with pytest.raises(ConstructError, match=message), small_disk():
        WRITERS[name](tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WRITERS)
def test_full_disk_keeps_what_was_there(name, tmp_path):
    (tmp_path / name).write_text("yesterday's result")
    with pytest.raises(ConstructError), small_disk():
        WRITERS[name](tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "yesterday's result"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("bug"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_nothing(tmp_path, monkeypatch, error):
    def fail(path, *args, **kwargs):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(tifffile, "imwrite", fail)
    with pytest.raises(ConstructError if isinstance(error, OSError) else type(error)):
        write_mask(tmp_path / "a.tif", NOISE, TABLE)
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_is_left_leaves_nothing(tmp_path):
    """A cancelled job closes its generator in the middle of writing."""

    def job():
        with atomic(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"half")
            yield
            temporary.write_bytes(b"whole")

    cancelled = job()
    next(cancelled)
    assert len(list(tmp_path.iterdir())) == 1
    cancelled.close()
    assert list(tmp_path.iterdir()) == []
    finished = job()
    list(finished)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.bin", b"whole")]


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(ConstructError, match="cannot be written"), atomic(tmp_path / "a.bin"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a file as a folder is another error there")
def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConstructError, match=r"a\.json: cannot be written \(.*\); choose another folder"):
        write_record(tmp_path / "file" / "a.json", {})
    with pytest.raises(ConstructError, match="cannot be written"):
        write_record(tmp_path, {})
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_the_longest_name_is_written(tmp_path, letter):
    path = tmp_path / (letter * (250 // len(letter.encode())) + ".json")
    write_record(path, {"a": 1})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENAMETOOLONG, "give the image and the folders shorter names"),
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "check the permissions"),
        (errno.EROFS, "check the permissions"),
        (errno.ENOTDIR, "choose another folder or name"),
    ],
)
def test_the_remedy_fits_what_is_wrong(tmp_path, number, remedy):
    with pytest.raises(ConstructError, match=remedy), atomic(tmp_path / "a.json"):
        raise OSError(number, "what the system says")
    assert remedy in str(unwritable(tmp_path, OSError(number, "x")))


@pytest.mark.skipif(sys.platform == "win32", reason="other limits there")
def test_names_that_no_system_takes_need_shorter_ones(tmp_path):
    for path in (tmp_path / ("x" * 300), tmp_path.joinpath(*["d" * 200] * 30)):
        with pytest.raises(ConstructError, match="shorter names"):
            write_record(path, {})


def test_what_killed_runs_left_is_removed(tmp_path):
    with atomic(tmp_path / "[1].json") as temporary:
        temporary.with_name(temporary.name.replace(".part", "0.part")).touch()
        temporary.touch()
    (tmp_path / "[1].json").unlink()
    (tmp_path / ".[1].json.0000.part").touch()
    (tmp_path / ".napari-construct-other-0000.part").touch()
    remove_partials(tmp_path / "[1].json")
    assert [p.name for p in tmp_path.iterdir()] == [".napari-construct-other-0000.part"]
