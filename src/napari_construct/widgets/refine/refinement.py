"""Refines the chosen mask in the background, and writes what comes of it into its refined layer."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QObject, Signal

from napari_construct.crf import COMPILING
from napari_construct.events import Event
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.jobs.predictors import KeptDecider
from napari_construct.widgets.layers import touch
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.refine.chosen_mask import ChosenMask
from napari_construct.widgets.refine.job import LayerMade, PlaneDone, RefineRequest, WindowDone, refine_job


class Refinement(QObject):
    """Follows the events of a job that refines.

    Parameters
    ----------
    chosen : ChosenMask
        What is refined.
    adder : LayerAdder
        Adds the layer with the refined mask.
    job : LiveJob
        What refines.
    parent : QObject, optional
        Owner.
    """

    told = Signal(str)
    """What is being done."""
    refined = Signal(object)
    """The result of the plane on view."""
    added = Signal()
    """The layer with the refined mask is in the viewer."""
    ended = Signal()
    """All that was asked for is in the layer, if that still exists."""

    def __init__(
        self, chosen: ChosenMask, adder: LayerAdder, job: LiveJob, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._chosen, self._adder, self._job = chosen, adder, job
        self._decider = KeptDecider()
        self._returned = False
        adder.finished.connect(self._on_added)
        job.progressed.connect(self._on_progress)
        job.returned.connect(self._on_returned)

    def request(self, settings: SegmentSettings, *, now: bool = False, every: bool = False) -> None:
        """Refine the plane on view, or every plane, soon or at once."""
        mask, decided, source = self._chosen.refined, self._chosen.decided, self._chosen.source
        if mask is None or decided is None:
            return
        planes = (decided, *(other for other in mask.planes if every and other is not decided))
        request = RefineRequest(
            self._decider, planes, settings, self._chosen.window(), source, self._chosen.target
        )
        self._job.request(partial(refine_job, request), now=now)

    def drop(self) -> None:
        """Add no layer any more: its mask is no longer chosen."""
        self._adder.drop()
        self._returned = False

    def _on_progress(self, event: Event) -> None:
        mask = self._chosen.refined
        if mask is None:
            return
        if event.stage.startswith(COMPILING):
            self.told.emit("Refining..." if event.done else f"{event.stage.capitalize()}...")
        elif isinstance(event, LayerMade):
            mask.setLayer(event.layer)
            touch(self._chosen.source)  # a rerun must not replace what this was refined from
            self._adder.add([event.layer])
        elif self._chosen.target is not None and isinstance(event, WindowDone | PlaneDone):
            mask.take(event)
            if isinstance(event, PlaneDone) and event.decided is self._chosen.decided:
                self.refined.emit(event.result)

    def _on_returned(self, *_: object) -> None:
        if self._adder.isActive():  # told when the layer is there
            self._returned = True
        else:
            self.ended.emit()

    def _on_added(self) -> None:
        self.added.emit()
        if self._returned:
            self._returned = False
            self.ended.emit()
