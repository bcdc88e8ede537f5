"""One full collection after torch or numba was imported, once it is quiet, in the GUI thread."""

from __future__ import annotations

import gc
import sys
import threading
import time
from types import ModuleType

import pytest
from qtpy.QtWidgets import QApplication

from napari_construct.widgets.jobs import collection as _collection
from napari_construct.widgets.jobs.collection import _Collection, collect_when_quiet
from napari_construct.widgets.jobs.interpreter import PATIENCE


@pytest.fixture(params=["torch", "numba"])
def name(request, monkeypatch):
    """What is still to be imported."""
    monkeypatch.setattr(_collection, "_installed", lambda: ("torch", "numba"))
    for each in ("torch", "numba"):
        monkeypatch.setitem(sys.modules, each, ModuleType(each))
    return request.param


@pytest.fixture
def full(qtbot, monkeypatch):
    """Threads of the full collections that come; what other tests asked for has come before."""
    if (left := QApplication.instance().findChild(_Collection)) is not None:
        left._timer.setInterval(10)
        qtbot.waitUntil(lambda: not _armed(), timeout=20_000)
    monkeypatch.setattr(_collection, "LOOK_MS", 10)
    threads: list[int] = []

    def note(phase, info):
        if phase == "start" and info["generation"] == 2:
            threads.append(threading.get_ident())

    gc.callbacks.append(note)
    yield threads
    gc.callbacks.remove(note)


def _armed() -> bool:
    return QApplication.instance().findChild(_Collection) is not None


def test_a_collection_waits_until_nothing_works(full, name, qtbot, monkeypatch):
    thresholds = gc.get_threshold()
    with monkeypatch.context() as before:
        before.delitem(sys.modules, name)
        collect_when_quiet()
        collect_when_quiet()
    before_it = len(full)
    with PATIENCE:
        qtbot.wait(200)
        assert _armed()
        assert len(full) == before_it
    assert gc.get_threshold() != thresholds  # still held off
    qtbot.waitUntil(lambda: not _armed(), timeout=5000)
    assert full[before_it:] == [threading.get_ident()]
    assert gc.get_threshold() == thresholds


def test_work_between_two_looks_and_a_busy_gui_thread_are_no_quiet(full, name, qtbot, monkeypatch):
    monkeypatch.setattr(_collection, "LATE_MS", 30)
    with monkeypatch.context() as before:
        before.delitem(sys.modules, name)
        collect_when_quiet()
    count = len(full)
    for _ in range(20):
        with PATIENCE:
            pass
        qtbot.wait(12)
    for _ in range(5):
        time.sleep(0.05)
        qtbot.wait(1)
    assert _armed()
    assert len(full) == count
    qtbot.waitUntil(lambda: not _armed(), timeout=5000)


def test_imports_of_another_kind_are_followed_by_one_too(full, qtbot, monkeypatch):
    monkeypatch.setattr(_collection, "_installed", tuple)
    count = len(full)
    collect_when_quiet()
    assert not _armed()
    collect_when_quiet(anyway=True)
    collect_when_quiet()
    for i in range(_collection.MANY):
        monkeypatch.setitem(sys.modules, f"one_of_many_{i}", ModuleType("one_of_many"))
    qtbot.waitUntil(lambda: not _armed(), timeout=5000)
    assert len(full) == count + 1
    collect_when_quiet(anyway=True)  # of which nothing is left to import
    qtbot.waitUntil(lambda: not _armed(), timeout=5000)
    assert len(full) == count + 1


def test_without_an_import_it_goes_and_after_one_it_never_comes(full, name, qtbot, monkeypatch):
    with monkeypatch.context() as before:
        before.delitem(sys.modules, name)
        collect_when_quiet()
        count = len(full)
        qtbot.waitUntil(lambda: not _armed(), timeout=5000)
        assert len(full) == count
    collect_when_quiet()
    assert not _armed()


def test_without_numba_only_torch_counts(full, qtbot, monkeypatch):
    _collection._installed.cache_clear()
    monkeypatch.setattr(_collection, "find_spec", lambda name: None if name == "numba" else object())
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    try:
        collect_when_quiet()
        assert not _armed()
    finally:
        _collection._installed.cache_clear()
