"""A disk that is full, or refuses, at any step of writing leaves what was there before, whole."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConstructError
from napari_construct.results.files import write_result
from napari_construct.results.read import load_result
from napari_construct.results.result import StoredResult

IMAGE = np.full((24, 32, 3), 200, np.uint8)
KINDS = ("mask", "cams", "overlay", "zarr")
CALLS = ("fsync", "replace", "rename", "link", "mkdir", "truncate")
"""Functions of the system that may refuse; files are opened and written by libraries, too."""


def result(*names: str) -> StoredResult:
    labels = np.full((24, 32), names.index("lymphoid") + 1, np.uint8)
    labels[:, :16] = names.index("tumour") + 1
    cams = np.stack([(labels == i).astype(np.float32) for i in (1, 2)])
    return StoredResult(labels=labels, classes=ClassTable.from_names(names), cams=cams, mpp=0.5)


OLD, NEW = result("tumour", "lymphoid"), result("lymphoid", "tumour")


@contextmanager
def refusing(number: int, monkeypatch: pytest.MonkeyPatch, code: int) -> Iterator[list[str]]:
    """The system refuses its ``number``-th call; the list says which it was."""
    done: list[str] = []
    seen = 0

    def patched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == number:
                done.append(name)
                raise OSError(code, os.strerror(code))
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, patched(name, getattr(os, name)))
        yield done


LONG = pytest.mark.faults


@pytest.mark.parametrize(
    ("code", "earlier", "kinds"),
    [
        (errno.ENOSPC, True, ("mask", "overlay")),
        pytest.param(errno.ENOSPC, True, KINDS, marks=LONG),
        pytest.param(errno.ENOSPC, False, KINDS, marks=LONG),
        pytest.param(errno.EACCES, True, KINDS, marks=LONG),
    ],
)
def test_every_step_of_writing_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, earlier: bool, kinds: tuple[str, ...]
) -> None:
    refused: list[str] = []
    for number in range(1, 300):
        folder = tmp_path / str(number)
        folder.mkdir()
        if earlier:
            write_result(folder, "s", IMAGE, OLD, kinds=kinds)
        with refusing(number, monkeypatch, code) as done:
            try:
                write_result(folder, "s", IMAGE, NEW, kinds=kinds)
                said = ""
            except ConstructError as error:
                said = str(error)
        assert not said or ("cannot be written" in said and ";" in said)
        refused += done
        left = [path for path in folder.iterdir() if path.suffix in (".json", ".tif", ".zarr")]
        if earlier or not said:
            assert left
        found = [load_result(path) for path in left if "cams" not in path.name]
        # all as before, or, where the last step alone was refused, all new
        assert {one.classes.names for one in found} in ({OLD.classes.names}, {NEW.classes.names}, set()), done
        assert said or found[0].classes.names == NEW.classes.names
        assert not any(one.notices for one in found)
        assert not [path for path in folder.iterdir() if path.name.startswith(".")] or "rename" in done
        if not done:
            break
    assert {"fsync", "replace"} <= set(refused)
    print(f"{len(refused)} refused calls, {number} results whole")


LIMITED = textwrap.dedent("""
    import resource, signal, sys
    import numpy as np
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from test_full_disk import NEW
    from napari_construct.exceptions import ConstructError
    from napari_construct.results.files import write_result

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*NEW.labels.shape, 3), np.uint8)
    for limit in (0, 1, 100, 600, 1000, 1500, 2000, 2500):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            write_result(Path(sys.argv[1]), "s", image, NEW)
        except ConstructError as error:
            print(limit, str(error).split(";")[0])
        else:
            print(limit, "written")
            break
""")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_files_that_can_grow_no_more(tmp_path: Path) -> None:
    files = write_result(tmp_path, "s", IMAGE, OLD)
    before = {path: path.read_bytes() for path in files.values()}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert all("cannot be written" in line for line in lines[:-1]), lines
    if not lines[-1].endswith("written"):
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        assert load_result(files["record"]).classes == OLD.classes
