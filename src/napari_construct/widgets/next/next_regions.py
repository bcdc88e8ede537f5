"""The dock widget Where next: regions ranked by expected gain; next, accept, correct, skip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.exceptions import ConstructError
from napari_construct.export.own_files import result_name
from napari_construct.labelling.queue.queue import ENDING, RegionQueue
from napari_construct.labelling.queue.regions import State
from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold, form, stacked
from napari_construct.widgets.fields.message_label import Problem
from napari_construct.widgets.files.stored_pyramid import PYRAMID
from napari_construct.widgets.layers import METADATA_KEY, newest_of
from napari_construct.widgets.next.job import Ranked, RankRequest, can_be_ranked, rank_job, rank_request
from napari_construct.widgets.next.recipes import rank_as_command, rank_as_python
from napari_construct.widgets.next.region_list import RegionList
from napari_construct.widgets.next.rows import QueueOptions
from napari_construct.widgets.next.visit import Visits
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.hand_over import correct
from napari_construct.widgets.parts.layer_chooser import LayerChooser

if TYPE_CHECKING:
    import napari.viewer

_NO_MASK: Final = Problem("Segment an image first, or open the result of a slide with its probabilities.")


class NextRegions(JobDock[RankRequest, Ranked]):
    """Edits one :class:`~napari_construct.labelling.queue.settings.QueueSettings`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose masks are offered.

    Attributes
    ----------
    regions : RegionList
        The queue on view.
    """

    verb = "Rank regions"
    cancelled = "Cancelled; the list is as before."
    recipes = rank_as_python, rank_as_command
    copy_tip = "Copy this ranking as {}: pasted back it gives the same regions"

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._layer = LayerChooser(viewer, self, accepts=can_be_ranked, leads=newest_of)
        self._layer.setToolTip("A mask that Segment made in this session, or a stored one of a slide")
        self._layer.setAccessibleName("Mask")
        self._options = QueueOptions(self)
        self.regions = RegionList(self)
        self._ranked: Ranked | None = None
        self._visits: Visits | None = None
        self._number: int | None = None
        self._correcting = False
        mask = form()
        mask.addRow("Mask", self._layer)
        top = QWidget(self)
        stacked(top, mask)
        options = fold("Options", "Size and number of the regions, doubt, diversity", self._options, self)
        self._lay_out(top, options, self.regions, grows=self.regions)
        self._layer.layerChanged.connect(self._on_layer)
        self._options.valueChanged.connect(self._on_changed)
        self.regions.chosen.connect(self.go)
        self.regions.nextRequested.connect(self.next)
        self.regions.acceptRequested.connect(self.accept)
        self.regions.correctRequested.connect(self.correct)
        self.regions.skipRequested.connect(self.skip)
        self.closed.connect(self._on_closed)
        self._on_layer(self._layer.layer())

    def value(self) -> QueueSettings:
        """The settings on view."""
        return self._options.value()

    def setValue(self, value: QueueSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._options.setValue(value)

    def layer(self) -> Any:
        """The mask whose regions are ranked, or None."""
        return self._layer.layer()

    def setLayer(self, layer: Any) -> None:
        """Choose a mask and keep it, as a choice by hand does."""
        self._layer.setLayer(layer)

    def queue(self) -> RegionQueue | None:
        """The queue on view."""
        return None if self._ranked is None else self._ranked.queue

    def current(self) -> int | None:
        """Number of the region on view, from 0; None while there is none."""
        return self._number

    def go(self, number: int) -> None:
        """Look at a region."""
        queue = self.queue()
        if queue is None or self._visits is None or not 0 <= number < len(queue):
            return
        self._finish_correction()
        self._number = number
        self._visits.go(queue.regions[number])
        self.regions.setCurrent(number)
        self._refresh_actions()

    def next(self, *_: object) -> None:
        """Keep a correction that was begun, and go to the next waiting region."""
        self._finish_correction()
        queue = self.queue()
        number = None if queue is None else queue.next(-1 if self._number is None else self._number)
        if number is None:
            self._leave()
            if queue is not None:
                self.control.showMessage("All regions of the list were looked at. Rank again for others.")
            return
        self.go(number)

    def accept(self, *_: object) -> None:
        """The mask is right there: keep it as painted labels, and go on."""
        if self._number is None or self._visits is None:
            return
        if not self._correcting:
            self._keep("accepted")
        self.next()

    def correct(self, *_: object) -> None:
        """Paint on the region; going on keeps it."""
        queue = self.queue()
        if queue is None or self._number is None or self._visits is None:
            return
        layer = self._visits.correct(queue.regions[self._number])
        if layer is not None:
            self._correcting = True
            self.control.showMessage(f"{correct(self._viewer, layer)} Next or Accept keeps the region.")

    def skip(self, *_: object) -> None:
        """Pass over the region, and go on."""
        if self._number is None:
            return
        self._correcting = False
        self._put("skipped")
        self.next()

    def takeDropped(self, paths: list[Path]) -> str:
        """Nothing can be dropped here."""
        return refused(paths, "no files: open a result in napari, and choose its mask")

    def request(self) -> RankRequest | None:
        mask = self.layer()
        if mask is None:
            return None
        queue = self.queue()
        known = () if queue is None else queue.known
        return rank_request(mask, self._viewer.layers, self.value(), known, self._options.device())

    def launch(self, request: RankRequest) -> None:
        self.start("Rank regions", rank_job, request)

    def problem(self) -> Problem:
        return _NO_MASK if self.layer() is None else Problem(self._options.problem())

    def _on_result(self, result: Ranked) -> None:
        before = self._ranked
        if before is not None:
            joined = before.queue.followed_by(result.queue)
            pictures = {
                one.key: picture
                for ranked in (before, result)
                for one, picture in zip(ranked.queue, ranked.pictures, strict=True)
            }
            result = Ranked(joined, tuple(pictures[one.key] for one in joined))
        self._show(result)
        self._save()
        first = result.queue.regions[result.queue.next() or 0]
        waiting = result.queue.counts()["waiting"]
        self.control.summarise(f"{waiting} regions, the first with a gain of {first.gain:.2f}. Press Next.")
        self.finished.emit()

    def _on_layer(self, mask: Any) -> None:
        self._leave()
        self._ranked, self._visits = None, None
        if mask is not None:
            self._visits = self.made(lambda: Visits(self._viewer, mask))
            kept = mask.metadata.get(METADATA_KEY, {}).get("queue")
            path = self._path()
            if kept is None and path is not None and path.is_file():
                queue = self.made(lambda: RegionQueue.load(path))
                kept = None if queue is None else Ranked(queue, (None,) * len(queue))
            self._ranked = kept
        self.regions.setQueue(self._ranked)
        self._refresh()

    def _show(self, ranked: Ranked) -> None:
        self._leave()
        self._ranked = ranked
        self.regions.setQueue(ranked)
        self._refresh_actions()

    def _keep(self, state: State) -> None:
        """Keep the mask of the region on view, and say how."""
        queue = self.queue()
        if queue is None or self._number is None or self._visits is None:
            return
        self._visits.accept(queue.regions[self._number])
        self._put(state)

    def _finish_correction(self) -> None:
        if not self._correcting or self._visits is None or self._number is None:
            return
        self._correcting = False
        queue = self.queue()
        if queue is not None:
            changed = self._visits.accept(queue.regions[self._number])
            self._put("corrected" if changed else "accepted")
        mask = self.layer()
        if mask is not None:
            mask.mode = "pan_zoom"

    def _put(self, state: State) -> None:
        if self._ranked is None or self._number is None:
            return
        self._ranked = Ranked(self._ranked.queue.put(self._number, state), self._ranked.pictures)
        self.regions.showStates(self._ranked.queue)
        self._save()

    def _save(self) -> None:
        """Keep the queue with the mask, and beside a stored result on disk."""
        mask, queue = self.layer(), self.queue()
        if mask is None or queue is None:
            return
        mask.metadata.setdefault(METADATA_KEY, {})["queue"] = self._ranked
        path = self._path()
        if path is not None:
            try:
                queue.save(path)
            except ConstructError as error:
                self._on_failed(error)

    def _path(self) -> Path | None:
        """Where the queue of a stored result lies, as for the command."""
        mask = self.layer()
        stored = None if mask is None else mask.metadata.get(METADATA_KEY, {}).get(PYRAMID)
        if stored is None:
            return None
        place = Path(stored)
        return place.with_name(f"{result_name(place)}{ENDING}")

    def _leave(self) -> None:
        self._number, self._correcting = None, False
        if self._visits is not None:
            self._visits.leave()
        self.regions.setCurrent(None)
        self._refresh_actions()

    def _on_closed(self) -> None:
        self._leave()

    def _on_changed(self) -> None:
        self._refresh()
        if not self._options.problem():
            self.valueChanged.emit(self.value())

    def _refresh(self, *_: object) -> None:
        self._options.setRowVisible("side_px", not self._has_size())
        self._options.setRowVisible("side_um", self._has_size())
        super()._refresh()
        self._refresh_actions()

    def _refresh_actions(self) -> None:
        queue = self.queue()
        self.regions.setEnabledActions(some=bool(queue), on_view=self._number is not None)

    def _has_size(self) -> bool:
        mask = self.layer()
        record = {} if mask is None else mask.metadata.get(METADATA_KEY, {}).get("record", {})
        given = record.get("input") if isinstance(record, dict) else None
        return mask is None or (isinstance(given, dict) and given.get("mpp") is not None)
