"""The part of ``SegmentSettings`` that decides after the network: CRF, thresholds, glass."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.fields.number_slider import NumberSlider
from napari_construct.widgets.jobs.run_control import BEFORE_KEY, RUN_KEY, in_native, shortcut

Bounds = tuple[int | float, int | float]
Spec = tuple[str, str, Bounds, Bounds, int]

_CRF: Final[dict[str, Spec]] = {
    "appearance_weight": (
        "Colour weight",
        "How strongly pixels of similar colour are drawn to one class",
        (0, 100),
        (0, 1e4),
        0,
    ),
    "appearance_sigma_rgb": (
        "Colour reach",
        "How different colours may be to count as similar, in grey levels",
        (1, 80),
        (0.01, 1000),
        0,
    ),
    "appearance_sigma_xy": (
        "Colour radius",
        "How far pixels of similar colour look for each other, in pixels",
        (1, 80),
        (0.01, 1000),
        0,
    ),
    "smoothness_weight": (
        "Smooth weight",
        "How strongly neighbours are drawn to one class whatever their colour",
        (0, 100),
        (0, 1e4),
        0,
    ),
    "smoothness_sigma": (
        "Smooth radius",
        "How far that reaches, in pixels; islands smaller than this tend to vanish",
        (1, 60),
        (0.01, 1000),
        0,
    ),
    "iterations": (
        "Iterations",
        "How often the labels are passed on; 5 in the literature",
        (0, 20),
        (0, 1000),
        0,
    ),
}
_GLASS: Final[dict[str, Spec]] = {
    "brightness": (
        "Brightness",
        "Pixels whose darkest channel is at least this bright (0 to 255) may be glass",
        (150, 255),
        (0, 255),
        0,
    ),
    "chroma": (
        "Colour",
        "Pixels whose channels differ by more than this (0 to 255) are stained, not glass",
        (0, 80),
        (0, 255),
        0,
    ),
    "sigma": ("Blur", "The image is blurred by this many pixels first", (0, 10), (0, 50), 1),
    "smallest": (
        "Least area",
        "White areas of fewer pixels (lumen, fat cell, crack) belong to the tissue around; 0 takes them all",
        (0, 100_000),
        (0, 1e12),
        0,
    ),
}


class RefineOptions(QWidget):
    """Edits the fields of ``SegmentSettings`` that need no network; the others stay as they were set.

    Settings are those of a model: their CRF is on or off, never "auto".
    """

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = SegmentSettings()
        self._model_glass = BackgroundRule()
        self._crf_box, self._crf = self._build_group("Dense CRF", _CRF)
        self._crf_box.setToolTip("Move the borders of the mask to edges in the image's colours")
        self._glass_box, self._glass = self._build_group("Own rule for glass", _GLASS)
        self._glass_box.setToolTip("Where there is no tissue; without a tick the model's own rule decides")
        self._confidence = NumberSlider(
            "Least confidence",
            "Pixels whose class is less probable than this stay unlabelled; 0 labels every pixel",
            (0, 1),
            (0, 1),
            2,
            self,
        )
        self._own_presence = QCheckBox("Present from", self)
        self._own_presence.setToolTip(
            "Image-level probability from which a class counts as present; without a tick the model's own"
        )
        self._own_presence.setAccessibleName("Own threshold for the presence of classes")
        self._presence = NumberSlider(
            "Presence threshold", self._own_presence.toolTip(), (0, 1), (0, 1), 2, self
        )
        self._exponent = NumberSlider(
            "Background exponent",
            "Of the background's activation; larger leaves less background",
            (1, 30),
            (0.1, 100),
            1,
            self,
        )
        self._layout()
        self._connect()
        self.setValue(SegmentSettings())

    def value(self) -> SegmentSettings:
        """The settings on view, with the fields that are not on view as they were set."""
        crf = {name: field.number() for name, field in self._crf.items()}
        crf["iterations"] = round(crf["iterations"])
        glass = {name: field.number() for name, field in self._glass.items()}
        return self._settings.changed(
            crf=crf if self._crf_box.isChecked() else None,
            min_confidence=self._confidence.number(),
            presence_threshold=self._presence.number() if self._own_presence.isChecked() else None,
            background={**self._kept_glass(), **glass} if self._glass_box.isChecked() else None,
            background_exponent=self._exponent.number(),
        )

    def setValue(self, value: SegmentSettings) -> None:
        """Show settings; emits ``valueChanged`` once where something changed."""
        before = self.value() if self._settings else None
        blocked = self.blockSignals(True)
        self._settings = value
        self._crf_box.setChecked(value.crf is not None)
        shown = value.crf if isinstance(value.crf, CRFParameters) else CRFParameters()
        for name, field in self._crf.items():
            field.setNumber(getattr(shown, name))
        self._glass_box.setChecked(value.background is not None)
        for name, field in self._glass.items():
            field.setNumber(getattr(value.background or self._model_glass, name))
        self._confidence.setNumber(value.min_confidence)
        self._own_presence.setChecked(value.presence_threshold is not None)
        self._presence.setNumber(0.5 if value.presence_threshold is None else value.presence_threshold)
        self._exponent.setNumber(value.background_exponent)
        self._enable()
        self.blockSignals(blocked)
        if self.value() != before:
            self.valueChanged.emit()

    def setCrf(self, name: str, number: float) -> None:
        """Move one slider of the CRF."""
        self._crf[name].setNumber(number)

    def showModel(self, glass: BackgroundRule, *, published: bool) -> None:
        """Start the rule for glass at the model's own, and show what only published models have."""
        self._model_glass = glass
        self._form.setRowVisible(self._exponent, published)
        if not self._glass_box.isChecked():
            self.setValue(self.value())

    def _kept_glass(self) -> dict[str, Any]:
        rule = self._settings.background
        return {"enabled": True if rule is None else rule.enabled}

    def _build_group(self, title: str, specs: dict[str, Spec]) -> tuple[QGroupBox, dict[str, NumberSlider]]:
        box = QGroupBox(title, self)
        box.setCheckable(True)
        box.setAccessibleName(title)
        form = _form(box)
        fields = {}
        for name, (label, tip, usual, allowed, decimals) in specs.items():
            fields[name] = NumberSlider(label, tip, usual, allowed, decimals, box)
            form.addRow(label, fields[name])
        return box, fields

    def _layout(self) -> None:
        self._form = _form()
        self._form.addRow("Confidence", self._confidence)
        self._form.addRow(self._own_presence, self._presence)
        self._form.addRow("Background", self._exponent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._crf_box)
        layout.addLayout(self._form)
        layout.addWidget(self._glass_box)

    def _connect(self) -> None:
        sliders = [
            *self._crf.values(),
            *self._glass.values(),
            self._confidence,
            self._presence,
            self._exponent,
        ]
        for slider in sliders:
            slider.numberChanged.connect(self._on_changed)
        for switch in (self._crf_box, self._glass_box, self._own_presence):
            switch.toggled.connect(self._on_changed)

    def _on_changed(self, *_: object) -> None:
        self._enable()
        self.valueChanged.emit()

    def _enable(self) -> None:
        self._presence.setEnabled(self._own_presence.isChecked())


def _form(parent: QWidget | None = None) -> QFormLayout:
    form = QFormLayout(parent) if parent is not None else QFormLayout()
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setVerticalSpacing(3)
    return form


class RefineButtons(QWidget):
    """Live, Update once, All planes, Show before, Reset."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = QCheckBox("Live", self)
        self.live.setChecked(True)
        self.once = QPushButton("Update once", self)
        self.every = QPushButton("All planes", self)
        self.before = QPushButton("Show before", self)
        self.before.setCheckable(True)
        self.reset = QPushButton("Reset", self)
        tips: dict[QAbstractButton, str] = {
            self.live: "Follow every change; switch it off for very large images",
            self.once: f"Make the refined mask now ({in_native(RUN_KEY)})",
            self.every: "Refine every plane of the stack; moving a slider refines the one on view",
            self.before: f"Show the mask as segmented or the refined one ({in_native(BEFORE_KEY)})",
            self.reset: "Back to the CRF and the thresholds that suit the model",
        }
        for button, tip in tips.items():
            button.setToolTip(tip)
            button.setAccessibleName(button.text())
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.live, 0, 0)
        grid.addWidget(self.once, 0, 1)
        grid.addWidget(self.every, 1, 0, 1, 2)
        grid.addWidget(self.before, 2, 0)
        grid.addWidget(self.reset, 2, 1)
        if parent is not None:
            shortcut(parent, RUN_KEY, self.once.click)
            shortcut(parent, BEFORE_KEY, self.before.click)
