"""The dock widget Refine: thresholds, background and CRF of a mask, changed live without the network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Labels
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.result import SegmentationResult
from napari_construct.widgets.fields.layout import boxed, fill_dock, form
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs.live_control import LiveControl
from napari_construct.widgets.layers import Decided
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.parts.class_colours import dress
from napari_construct.widgets.parts.copy_row import CopyRow, Recipe
from napari_construct.widgets.parts.layer_chooser import LayerChooser
from napari_construct.widgets.parts.next_steps import MaskSteps
from napari_construct.widgets.parts.recipes import as_command, as_python
from napari_construct.widgets.parts.tabs import TabbedDock
from napari_construct.widgets.refine.chosen_mask import ChosenMask
from napari_construct.widgets.refine.erased_list import ErasedList
from napari_construct.widgets.refine.options import RefineButtons, RefineOptions
from napari_construct.widgets.refine.prepare_mask import PrepareMask
from napari_construct.widgets.refine.refined_mask import RefinedMask, RefinedMasks, can_be_refined
from napari_construct.widgets.refine.refinement import Refinement

if TYPE_CHECKING:
    import napari.viewer

_PAINTED_MS: Final = 200
"""From a stroke to its count: a stroke comes in many parts."""

_CANCELLED: Final = "Not up to date: cancelled, the mask is as before"

_RESET: Final = ("crf", "min_confidence", "presence_threshold", "background", "background_exponent")


class Refine(TabbedDock):
    """Edits one ``SegmentSettings`` and applies it to a mask at once; never runs the network.

    The mask of Segment does not change. The refined mask is a second layer; napari's undo takes its
    changes back, and the sliders follow. Pixels that the user painted in either mask stay as
    painted. Of a stack the plane on view is refined, or every plane on request.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose masks are offered.

    Attributes
    ----------
    options : RefineOptions
        The sliders.
    control : LiveControl
        Status, progress and Cancel.
    job : LiveJob
        What refines, with its events.
    """

    valueChanged = Signal(object)
    updated = Signal()
    """The plane on view agrees with the settings, or every plane where all were asked for."""

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._masks = RefinedMasks(self)
        self._adder = LayerAdder(viewer, self, style=dress)
        self._replaced = Follower(self, "follow_mask")
        self.control = LiveControl("Refine", self, cancelled=_CANCELLED)
        self.job, self._status = self.control.job, self.control.status
        self._layer = self._build_layer_chooser()
        self._chosen = ChosenMask(viewer, self._layer, self._masks, self._adder)
        self._refinement = Refinement(self._chosen, self._adder, self.job, self)
        self._opened = PrepareMask(viewer, self)
        self.options = RefineOptions(self)
        self._erased = ErasedList(self)
        self._buttons = RefineButtons(self)
        self._live, self._before = self._buttons.live, self._buttons.before
        self._counting = QTimer(self)
        self._counting.setSingleShot(True)
        self._counting.setInterval(_PAINTED_MS)
        self._copy = CopyRow(self)
        self._next = MaskSteps(viewer, self)
        self._build_layout()
        self._connect()
        self._on_layer(self._layer.layer())

    def value(self) -> SegmentSettings:
        """The settings on view."""
        return self.options.value()

    def setValue(self, value: SegmentSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed, and refines where live."""
        self.options.setValue(value)

    def layer(self) -> Any:
        """The mask that is refined, or None."""
        return self._layer.layer()

    def setLayer(self, layer: Any) -> None:
        self._layer.setLayer(layer)

    def refinedLayer(self) -> Labels | None:
        """The layer with the refined mask, while it is in the viewer."""
        return self._chosen.target

    def update_once(self, *_: object) -> None:
        """Refine under the settings on view, as the button does."""
        self._request(now=True)

    def update_all(self, *_: object) -> None:
        """Refine every plane of a stack, as the button does."""
        self._request(now=True, every=True)

    def isRunning(self) -> bool:
        return self.job.is_busy or self._adder.isActive()

    def message(self) -> str:
        """The message on view."""
        return self.control.message()

    def _build_layer_chooser(self) -> LayerChooser:
        chooser = LayerChooser(self._viewer, self, accepts=can_be_refined, leads=self._masks.meant)
        chooser.setToolTip("A mask that Segment made in this session")
        chooser.setAccessibleName("Mask")
        return chooser

    def _build_layout(self) -> None:
        mask = form()
        mask.addRow("Mask", self._layer)
        parts = (self._opened, mask, self.options, boxed("What the CRF erased", self._erased))
        fill_dock(self, parts, (self.control, self._next, self._buttons, self._copy))

    def _connect(self) -> None:
        self._layer.layerChanged.connect(self._on_layer)
        self._opened.prepared.connect(self._on_prepared)
        self.options.valueChanged.connect(self._on_changed)
        self._live.toggled.connect(self._on_live)
        self._buttons.once.clicked.connect(self.update_once)
        self._buttons.every.clicked.connect(self.update_all)
        self._before.toggled.connect(self._on_before)
        self._buttons.painted.toggled.connect(self._show_painted)
        self._counting.timeout.connect(self._on_painted)
        self._masks.drawn.connect(self._counting.start)
        self._masks.followed.connect(self._on_followed)
        self.control.cancelled.connect(self._on_cancelled)
        self._refinement.told.connect(self._status.setText)
        self._refinement.refined.connect(self._on_refined)
        self._refinement.added.connect(self._on_before)  # hides the mask as segmented
        self._refinement.ended.connect(self._on_ended)
        self._buttons.reset.clicked.connect(self._on_reset)
        self._erased.regionChosen.connect(self._chosen.look_at)
        self._copy.pythonRequested.connect(self._copy_python)
        self._copy.commandRequested.connect(self._copy_command)
        self.job.failed.connect(self._on_failed)
        self.job.busyChanged.connect(self._on_busy)
        self.job.busyChanged.connect(self.busyChanged)
        self.closed.connect(self.job.cancel)
        self._planes = Follower(self, "follow_plane", [self._viewer.dims.events.current_step])
        self._removals = Follower(self, "follow_removal", [self._viewer.layers.events.removed])
        self._names = Follower(self, "follow_names", [self._viewer.layers.events.renamed])
        layers = self._viewer.layers
        signals = [layers.events.inserted, layers.events.removed, layers.selection.events.active]
        self._others = Follower(self, "follow_others", signals)

    def _on_prepared(self, layer: Any) -> None:
        """A mask of a file can be refined now."""
        self._layer.refresh()
        self._layer.setLayer(layer)

    def follow_mask(self) -> None:
        """Start anew: a rerun has replaced the chosen mask."""
        self._on_layer(self._layer.layer())

    def follow_others(self) -> None:
        """Where no mask can be refined, say why not the one on view."""
        if self._layer.layer() is None:
            self.control.showMessage(self._chosen.why_none())

    def follow_names(self) -> None:
        """Say on the button which mask it updates."""
        layer = self._layer.layer()
        self._buttons.showName("" if layer is None else layer.name)

    def _on_layer(self, layer: Any) -> None:
        """Start from the settings under which the chosen mask was made."""
        self._replaced.follow([] if layer is None else [layer.events.metadata])
        self.control.drop()
        self._refinement.drop()
        self.follow_names()
        self._next.clear()
        for other in self._masks.every():
            other.dropPreview()
        self._before.setChecked(False)
        self._show_painted()
        decided, mask = self._chosen.decided, self._chosen.refined
        for part in (self.options, self._buttons, self._copy, self._erased):
            part.setEnabled(decided is not None)
        self._buttons.every.setVisible(self._chosen.planes() > 1)
        if decided is None or mask is None:
            self._erased.showReport(None, None)
            self.control.showMessage(self._chosen.why_none())
            self._status.clear()
            return
        self.control.clear()
        self.options.blockSignals(True)
        self.options.showModel(
            decided.predictor.calibration.background, published=decided.predictor.published
        )
        self.options.blockSignals(False)
        self._show_plane(mask, decided)

    def _show_plane(self, mask: RefinedMask, decided: Decided) -> None:
        """Show the settings that belong to the plane on view, without refining."""
        value = mask.settings(decided)
        self.options.blockSignals(True)
        self.options.setValue(value)
        self.options.blockSignals(False)
        self._erased.showReport(mask.report(decided), decided.predictor.classes)
        self._status.setText("As segmented" if self.refinedLayer() is None else mask.status(value))

    def _on_changed(self) -> None:
        self.valueChanged.emit(self.value())
        if self._live.isChecked():
            self._request()
        else:
            self._status.setText("Not up to date: press Update once")

    def _on_live(self, live: bool) -> None:
        if live and self._status.text().startswith("Not"):
            self._request()

    def _on_reset(self, *_: object) -> None:
        """The settings of the run, with the CRF and the thresholds that suit the model."""
        decided = self._chosen.decided
        if decided is not None:
            defaults = decided.predictor.resolved(SegmentSettings())
            self.setValue(self.value().changed(**{name: getattr(defaults, name) for name in _RESET}))

    def follow_plane(self) -> None:
        """Another plane of a stack is on view: show what is known of it, and refine it where live."""
        mask, decided = self._chosen.refined, self._chosen.decided
        if mask is None or decided is None or len(mask.planes) < 2 or self.refinedLayer() is None:
            return
        self._erased.showReport(mask.report(decided), decided.predictor.classes)
        if mask.isUpToDate(decided, self.value()):
            self._status.setText(mask.status(self.value()))
        else:
            self._on_changed()

    def follow_removal(self) -> None:
        """Where a refined mask was deleted, show the segmented one again."""
        if not self._adder.isActive():
            for source in self._masks.left_alone(self._viewer.layers):
                source.visible = True

    def _on_followed(self, mask: RefinedMask, at: tuple[int, ...]) -> None:
        """Napari's undo or redo reached a change by Refine: the sliders follow."""
        decided = self._chosen.decided
        if mask is self._chosen.refined and decided is not None and decided.at == at:
            self.control.drop()
            self._show_plane(mask, decided)
            self.valueChanged.emit(self.value())

    def _on_painted(self) -> None:
        """Count what was painted, and outline it where that is asked for."""
        mask, decided = self._chosen.refined, self._chosen.decided
        if mask is None or decided is None or self.refinedLayer() is None:
            return
        self._show_painted()
        if not self.isRunning() and mask.isUpToDate(decided, self.value()):
            self._status.setText(mask.status(self.value()))

    def _show_painted(self, *_: object) -> None:
        self._chosen.outline(shown=self._buttons.painted.isChecked())

    def _on_cancelled(self) -> None:
        mask = self._chosen.refined
        if mask is not None:
            mask.dropPreview()

    def _request(self, *, now: bool = False, every: bool = False) -> None:
        if self._chosen.decided is not None:
            self.control.clear()
            self._refinement.request(self.value(), now=now, every=every)

    def _on_busy(self, busy: bool) -> None:
        self._layer.setHeld(busy)
        if busy:
            self._status.setText("Refining...")

    def _on_refined(self, result: SegmentationResult) -> None:
        self._erased.showReport(result.refinement, result.classes)

    def _on_ended(self) -> None:
        mask = self._chosen.refined
        if mask is None or self.refinedLayer() is None:
            self._status.setText("The refined mask was deleted")
            return
        self._status.setText(mask.status(self.value()))
        made = self._chosen.made(self.value())
        if made is not None:
            self._next.offerMask(made)
        self._show_painted()
        self.updated.emit()

    def _on_failed(self, error: Exception) -> None:
        self.control.showMessage(plain(error), Level.ERROR, error)
        self._on_cancelled()
        self._status.setText("Not up to date")

    def _on_before(self, *_: object) -> None:
        self._chosen.show(before=self._before.isChecked())

    def _copy_python(self) -> None:
        self._copy.copy(partial(self._text, as_python), self.control.showMessage)

    def _copy_command(self) -> None:
        self._copy.copy(partial(self._text, as_command), self.control.showMessage)

    def _text(self, recipe: Recipe) -> str:
        decided = self._chosen.decided
        if decided is None:
            return ""
        return recipe(decided.plane, decided.model, self.value(), str(decided.predictor.device))
