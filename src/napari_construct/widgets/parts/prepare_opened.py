"""Offers to make a result that was opened from a file workable again; hidden where there is none."""

from __future__ import annotations

from typing import Any, ClassVar

from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import plain
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.jobs.workers import MakeSteps
from napari_construct.widgets.layers.follower import Follower


class PrepareOpened(QWidget):
    """A sentence and a button; what is prepared, and how, is that of its dock.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose labels are looked at: the active ones, else the topmost that were opened from a file.
    """

    title: ClassVar[str]
    """Of the job."""
    verb: ClassVar[str]
    """Of the button."""
    tip: ClassVar[str]
    busy: ClassVar[str]
    """What is said while the job runs."""

    prepared = Signal(object)
    """The layer, which can be worked on now."""

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._asked: Labels | None = None
        self._job = LiveJob(self.title, self)
        self._said = wrapped_label("Opened result", "What is missing to go on with it", self)
        self._prepare = button(self.verb, self.tip, self.prepare, self)
        stacked(self, self._said, self._prepare)
        self._job.returned.connect(self._on_returned)
        self._job.failed.connect(self._on_failed)
        self._job.busyChanged.connect(self._on_busy)
        events = viewer.layers.events
        signals = (events.inserted, events.removed, viewer.layers.selection.events.active)
        self._follower = Follower(self, "follow_layers", signals)
        self.follow_layers()

    def accepts(self, layer: Any) -> bool:
        """Whether a layer can be prepared."""
        raise NotImplementedError

    def about(self, layer: Labels) -> str:
        """What is said of a layer that can be prepared."""
        raise NotImplementedError

    def steps(self, layer: Labels) -> MakeSteps:
        """The job that prepares a layer."""
        raise NotImplementedError

    def take(self, layer: Labels, found: Any) -> str:
        """Attach what the job found to its layer; what is said then, if anything."""
        raise NotImplementedError

    def layer(self) -> Labels | None:
        """The layer that can be prepared."""
        active = self._viewer.layers.selection.active
        found = [layer for layer in (active, *reversed(self._viewer.layers)) if self.accepts(layer)]
        return found[0] if found else None

    def isRunning(self) -> bool:
        return self._job.is_busy

    def prepare(self, *_: object) -> None:
        """Prepare, in the background."""
        layer = self.layer()
        if layer is not None and not self._job.is_busy:
            self._asked = layer
            self._job.request(self.steps(layer), now=True)

    def follow_layers(self) -> None:
        """Offer the layer on view."""
        layer = self.layer()
        self._prepare.setVisible(layer is not None)
        if layer is not None:
            self._say(self.about(layer))
        self.setVisible(layer is not None)

    def _on_returned(self, found: Any) -> None:
        layer, self._asked = self._asked, None
        if layer is None or layer not in self._viewer.layers:
            return
        said = self.take(layer, found)
        self.follow_layers()
        self.prepared.emit(layer)
        self._say(said)
        self.setVisible(bool(said))

    def _on_failed(self, error: Exception) -> None:
        self._say(plain(error))

    def _on_busy(self, busy: bool) -> None:
        self._prepare.setEnabled(not busy)
        if busy:
            self._say(self.busy)

    def _say(self, text: str) -> None:
        self._said.setText(text)
