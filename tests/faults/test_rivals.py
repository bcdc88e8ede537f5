"""Several runs that write one result at the same time: one of them is there afterwards, whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tests.faults.kill_writes import BOTH, IMAGE, left

from napari_construct.results.files import result_paths, write_result
from napari_construct.results.read import load_result


def write(folder: Path, go: int, turn: int) -> None:
    os.read(go, 1)
    for number in range(4):
        write_result(folder, "s", IMAGE, BOTH[(turn + number) % 2])
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts the runs by fork")
def test_results_of_rivals_do_not_mix(tmp_path: Path) -> None:
    for _ in range(3):
        go, start = os.pipe()
        runs = []
        for turn in range(5):
            run = os.fork()
            if run == 0:
                os.close(start)
                try:
                    write(tmp_path, go, turn)
                finally:
                    os._exit(1)
            runs.append(run)
        os.close(go)
        os.close(start)
        assert [os.waitpid(run, 0)[1] for run in runs] == [0] * len(runs)
        assert left(tmp_path) == "whole"
        assert not load_result(result_paths(tmp_path, "s")["mask"]).notices
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
