"""Compiling is announced, and done once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from napari_construct.crf import warm_up
from napari_construct.events import Event

CPU = torch.device("cpu")
LARGE = 224 * 224


@pytest.mark.usefixtures("needs_numba")
def test_told_once_after_an_installation(tmp_path):
    code = (
        "import torch; from napari_construct.crf.warm_up import compile_steps; "
        "print([[e.stage, e.done] for _ in range(2) for e in compile_steps(224 * 224, torch.device('cpu'))])"
    )
    told = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        )
        told.append(done.stdout.strip())
    stage = "compiling, once after an installation"
    assert told == [str([[stage, 0], [stage, 1]]), "[]"]


@pytest.mark.usefixtures("needs_numba")
def test_where_there_is_no_place_every_session_is_told(monkeypatch):
    from napari_construct.crf.kernels import meanfield_kernels

    class step:  # noqa: N801 - stands for a function
        signatures = ()

        class stats:  # noqa: N801
            cache_path = None

    monkeypatch.setattr(meanfield_kernels, "step", step)
    assert next(warm_up.compile_steps(LARGE, CPU)) == Event("compiling, once a session", 0, 1)


@pytest.mark.parametrize(
    ("pixels", "device"), [(64 * 64, CPU), (LARGE, torch.device("cuda"))], ids=["fine", "cuda"]
)
def test_nothing_to_compile(pixels, device, monkeypatch):
    monkeypatch.setattr(warm_up, "_is_there", lambda _: False)
    assert list(warm_up.compile_steps(pixels, device)) == []
