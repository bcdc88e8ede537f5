"""What a run would wait for is imported before, once, and nobody hears of what cannot be."""

from __future__ import annotations

import threading

import pytest
from qtpy.QtCore import QObject

from napari_construct.widgets.jobs.ahead import Ahead

pytestmark = pytest.mark.gui


@pytest.fixture
def parent(qtbot):
    owner = QObject()
    yield owner
    owner.deleteLater()


def test_once_and_in_another_thread(qtbot, parent) -> None:
    threads = []
    ahead = Ahead(lambda: threads.append(threading.current_thread()), parent)
    assert not ahead.isActive()
    ahead.start()
    assert ahead.isActive()
    ahead.start()
    qtbot.waitUntil(lambda: not ahead.isActive())
    ahead.start()
    assert not ahead.isActive()
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_what_cannot_be_imported_is_left_to_the_job(qtbot, parent, viewer) -> None:
    from napari.utils.notifications import notification_manager

    def missing() -> None:
        raise ImportError("no such library")

    before, ahead = len(notification_manager.records), Ahead(missing, parent)
    ahead.start()
    qtbot.waitUntil(lambda: not ahead.isActive())
    assert len(notification_manager.records) == before
