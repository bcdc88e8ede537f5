"""The dock widget Refine: the decisions after the network, tried live on what the network saw."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_construct.events import Event
from napari_construct.exceptions import ConstructError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.refinement.safeguard import ErasedRegion
from napari_construct.widgets._copy_row import CopyRow
from napari_construct.widgets._erased_list import ErasedList
from napari_construct.widgets._layer_chooser import LayerChooser
from napari_construct.widgets._layers import (
    METADATA_KEY,
    Decided,
    camera,
    evidence,
    label_features,
    window_on_view,
)
from napari_construct.widgets._live import LiveJob
from napari_construct.widgets._message_label import Level, MessageLabel
from napari_construct.widgets._messages import plain
from napari_construct.widgets._predictors import KeptDecider
from napari_construct.widgets._recipes import as_command, as_python
from napari_construct.widgets._refine_job import Change, LayerMade, Refined, WindowDone, refine_steps
from napari_construct.widgets._refine_options import RefineOptions
from napari_construct.widgets._scroll import VerticalScroll

if TYPE_CHECKING:
    import napari.viewer

_REGION_SHOWN: Final = 150
"""Length on the canvas, in its pixels, of a region that was chosen from the list."""


class Refine(QWidget):
    """Edits one ``SegmentSettings`` and shows at once what it makes of a mask; never runs the network.

    The mask of Segment tissue stays as it is. The refined one is a layer of its own, in the same place,
    and its changes can be undone as if they had been painted.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose masks are offered.
    """

    valueChanged = Signal(object)
    updated = Signal()
    """The whole mask agrees with the settings."""

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._decider = KeptDecider()
        self._targets: weakref.WeakKeyDictionary[Labels, weakref.ref[Labels]] = weakref.WeakKeyDictionary()
        self._job = LiveJob("Refine", self)
        self._layer = LayerChooser(viewer, self, accepts=_can_be_refined)
        self._layer.setToolTip("A mask that Segment tissue made in this session")
        self._layer.setAccessibleName("Mask")
        self._options = RefineOptions(self)
        self._erased = ErasedList(self)
        self._message = MessageLabel(self)
        self._status = QLabel(self)
        self._status.setAccessibleName("Status")
        self._status.setToolTip("Whether the mask on view agrees with the settings")
        self._live, self._once, self._before, self._reset = self._build_buttons()
        self._copy = CopyRow(self)
        self._build_layout()
        self._connect()
        self._on_layer(self._layer.layer())

    def value(self) -> SegmentSettings:
        """The settings on view."""
        return self._options.value()

    def setValue(self, value: SegmentSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed, and refines where live."""
        self._options.setValue(value)

    @property
    def options(self) -> RefineOptions:
        """The sliders."""
        return self._options

    @property
    def job(self) -> LiveJob:
        """What refines, with its events."""
        return self._job

    def layer(self) -> Any:
        """The mask that is refined, or None."""
        return self._layer.layer()

    def setLayer(self, layer: Any) -> None:
        self._layer.setLayer(layer)

    def refinedLayer(self) -> Labels | None:
        """The layer with the refined mask, while it is in the viewer."""
        source = self._layer.layer()
        reference = None if source is None else self._targets.get(source)
        target = None if reference is None else reference()
        return target if target is not None and target in self._viewer.layers else None

    def update_once(self, *_: object) -> None:
        """Refine under the settings on view, as the button does."""
        self._request(now=True)

    def isRunning(self) -> bool:
        return self._job.is_busy

    def message(self) -> str:
        """The message on view."""
        return self._message.text()

    def _build_buttons(self) -> tuple[QCheckBox, QPushButton, QPushButton, QPushButton]:
        live = QCheckBox("Live", self)
        live.setChecked(True)
        live.setToolTip("Follow every change; switch it off for very large images")
        once = QPushButton("Update once", self)
        once.setToolTip("Make the refined mask now")
        before = QPushButton("Show before", self)
        before.setCheckable(True)
        before.setToolTip("Switch between the mask as segmented and the refined one")
        reset = QPushButton("Reset", self)
        reset.setToolTip("Back to the paper's CRF and the model's own thresholds")
        for button in (live, once, before, reset):
            button.setAccessibleName(button.text())
        return live, once, before, reset

    def _build_layout(self) -> None:
        inside = QWidget(self)
        inside.setObjectName("inside")
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, 6, 0)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Mask", self._layer)
        layout.addLayout(form)
        layout.addWidget(self._options)
        box = QGroupBox("What the CRF erased", inside)
        QVBoxLayout(box).addWidget(self._erased)
        layout.addWidget(box)
        layout.addStretch(1)
        grid = QGridLayout()
        grid.addWidget(self._live, 0, 0)
        grid.addWidget(self._once, 0, 1)
        grid.addWidget(self._before, 1, 0)
        grid.addWidget(self._reset, 1, 1)
        outer = QVBoxLayout(self)
        outer.addWidget(VerticalScroll(inside, self), 1)
        outer.addWidget(self._message)
        outer.addWidget(self._status)
        outer.addLayout(grid)
        outer.addWidget(self._copy)

    def _connect(self) -> None:
        self._layer.layerChanged.connect(self._on_layer)
        self._options.valueChanged.connect(self._on_changed)
        self._live.toggled.connect(self._on_live)
        self._once.clicked.connect(self.update_once)
        self._before.toggled.connect(self._on_before)
        self._reset.clicked.connect(self._on_reset)
        self._erased.regionChosen.connect(self._on_region)
        self._copy.pythonRequested.connect(self._copy_python)
        self._copy.commandRequested.connect(self._copy_command)
        self._job.progressed.connect(self._on_progress)
        self._job.returned.connect(self._on_returned)
        self._job.failed.connect(self._on_failed)
        self._job.busyChanged.connect(self._on_busy)

    def _decided(self) -> Decided | None:
        layer = self._layer.layer()
        return None if layer is None else evidence(layer)

    def _on_layer(self, _: Any) -> None:
        """Start from the settings under which the chosen mask was made."""
        self._job.cancel()
        decided = self._decided()
        self._erased.showReport(None, None)
        self._before.setChecked(False)
        for part in (self._options, self._once, self._before, self._reset, self._copy, self._erased):
            part.setEnabled(decided is not None)
        if decided is None:
            self._message.showMessage("Run Segment tissue first: its masks can be refined here.")
            self._status.clear()
            return
        self._message.clear()
        self._options.blockSignals(True)
        self._options.showModel(
            decided.predictor.calibration.background, published=decided.predictor.published
        )
        self._options.setValue(decided.settings)
        self._options.blockSignals(False)
        self._status.setText("As segmented")

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
        """The settings of the run, with the paper's CRF and the model's own thresholds."""
        names = ("crf", "min_confidence", "presence_threshold", "background", "background_exponent")
        defaults = SegmentSettings()
        self.setValue(self.value().changed(**{name: getattr(defaults, name) for name in names}))

    def _request(self, *, now: bool = False) -> None:
        decided, source = self._decided(), self._layer.layer()
        if decided is None:
            return
        target = self.refinedLayer()
        shown = target if target is not None and target.visible else source
        decide = partial(self._decider.steps, decided)
        window = window_on_view(shown)
        self._message.clear()
        self._job.request(
            partial(refine_steps, decide, decided, self.value(), window, source, target), now=now
        )

    def _on_busy(self, busy: bool) -> None:
        if busy:
            self._status.setText("Refining...")

    def _on_progress(self, event: Event) -> None:
        if isinstance(event, LayerMade) and event.layer is not None:
            source = self._layer.layer()
            if source is not None:
                self._targets[source] = weakref.ref(event.layer)
                self._viewer.add_layer(event.layer)
                self._on_before(self._before.isChecked())
        elif isinstance(event, WindowDone) and event.change is not None:
            self._apply(event.change)

    def _on_returned(self, refined: Refined) -> None:
        target = self.refinedLayer()
        if target is None:  # deleted meanwhile
            return
        self._apply(refined.change)
        target.features = label_features(refined.result)
        target.metadata[METADATA_KEY]["record"] = dict(refined.result.record)
        self._erased.showReport(refined.result.refinement, refined.result.classes)
        self._status.setText("Up to date")
        self.updated.emit()

    def _apply(self, change: Change) -> None:
        """Write into the refined layer as a stroke of the brush would: napari's undo takes it back."""
        target = self.refinedLayer()
        if target is not None and change.labels.size:
            target.data_setitem(change.indices, change.labels)
            target.refresh(thumbnail=True, extent=False)

    def _on_failed(self, error: Exception) -> None:
        self._message.showMessage(plain(error), Level.ERROR, error)
        self._status.setText("Not up to date")

    def _on_before(self, before: bool) -> None:
        source, target = self._layer.layer(), self.refinedLayer()
        if source is not None and target is not None:
            source.visible, target.visible = before, not before

    def _on_region(self, region: ErasedRegion) -> None:
        """Bring a region to the middle of the canvas."""
        layer = self._layer.layer()
        if layer is None:
            return
        point = np.zeros(layer.ndim)
        point[-2:] = region.centre
        world = layer.data_to_world(point)
        view = camera(self._viewer)
        view.center = (*view.center[:-2], *world[-2:])
        extent = max(region.box[2] - region.box[0], region.box[3] - region.box[1], 32)
        beside = np.asarray(layer.data_to_world(point + np.eye(layer.ndim)[-1]))
        pixel = float(np.linalg.norm(beside - np.asarray(world)))
        view.zoom = _REGION_SHOWN / (extent * pixel)

    def _copy_python(self, *_: object) -> None:
        self._copy_as(as_python)

    def _copy_command(self, *_: object) -> None:
        self._copy_as(as_command)

    def _copy_as(self, recipe: Any) -> None:
        decided = self._decided()
        if decided is None:
            return
        try:
            text = recipe(decided.plane, decided.model, self.value())
        except (ConstructError, ValueError) as error:
            self._message.showMessage(plain(error), Level.ERROR, error)
            return
        if self._copy.copy(text):
            self._message.showMessage("Copied to the clipboard.")


def _can_be_refined(layer: Any) -> bool:
    return evidence(layer) is not None
