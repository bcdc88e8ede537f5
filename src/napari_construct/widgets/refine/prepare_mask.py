"""Offers to make a mask that was opened from a file refinable; hidden where there is none."""

from __future__ import annotations

from functools import partial
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import plain
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.layers import keep_evidence
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.refine.evidence_again import (
    Again,
    again_job,
    again_request,
    can_be_prepared,
    seconds,
)


class PrepareMask(QWidget):
    """Segments the image of an opened mask again, so that Refine can go on with it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose masks are looked at: the active one, else the topmost that was opened from a file.
    """

    prepared = Signal(object)
    """The layer, whose evidence is there now."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._asked: Labels | None = None
        self._job = LiveJob("Prepare a mask", self)
        self._said = wrapped_label("Opened mask", "Why it cannot be refined yet", self)
        tip = "Segment the image again with the recorded model and settings. The mask stays as it is"
        self._prepare = button("Prepare for refining", tip, self.prepare, self)
        stacked(self, self._said, self._prepare)
        self._job.returned.connect(self._on_returned)
        self._job.failed.connect(self._on_failed)
        self._job.busyChanged.connect(self._on_busy)
        events = viewer.layers.events
        signals = (events.inserted, events.removed, viewer.layers.selection.events.active)
        self._follower = Follower(self, "follow_layers", signals)
        self.follow_layers()

    def layer(self) -> Labels | None:
        """The mask that can be prepared."""
        active = self._viewer.layers.selection.active
        found = [layer for layer in (active, *reversed(self._viewer.layers)) if can_be_prepared(layer)]
        return found[0] if found else None

    def isRunning(self) -> bool:
        return self._job.is_busy

    def prepare(self, *_: object) -> None:
        """Segment again, in the background."""
        layer = self.layer()
        if layer is not None and not self._job.is_busy:
            self._asked = layer
            request = again_request(layer, self._viewer.layers)
            self._job.request(partial(again_job, request), now=True)

    def follow_layers(self) -> None:
        """Offer the mask on view."""
        layer = self.layer()
        self._prepare.setVisible(layer is not None)
        if layer is not None:
            taken = seconds(layer)
            about = "" if taken is None else f", which took {max(taken, 1):.0f} s the first time"
            self._say(
                f"{layer.name} was opened from a file. To refine it, its image is segmented again{about}."
            )
        self.setVisible(layer is not None)

    def _on_returned(self, again: Again) -> None:
        layer, self._asked = self._asked, None
        if layer is None or layer not in self._viewer.layers:
            return
        keep_evidence(layer, again.decided)
        self.follow_layers()
        self.prepared.emit(layer)
        self._say(again.text())
        self.setVisible(True)

    def _on_failed(self, error: Exception) -> None:
        self._say(plain(error))

    def _on_busy(self, busy: bool) -> None:
        self._prepare.setEnabled(not busy)
        if busy:
            self._say("The image is segmented again...")

    def _say(self, text: str) -> None:
        self._said.setText(text)
