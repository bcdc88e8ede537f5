"""The part of ``SegmentSettings`` that decides after the network: CRF, thresholds, glass."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QAbstractButton, QCheckBox, QGridLayout, QPushButton, QWidget

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.fields.settings_form import SettingsForm
from napari_construct.widgets.jobs.run_control import BEFORE_KEY, RUN_KEY, in_native, shortcut

_ROWS: Final = (
    Group("Dense CRF", "Move the borders of the mask to edges in the image's colours",
        key="crf", start=CRFParameters(), rows=(
        Row("crf.appearance_weight", "Colour weight",
            "How strongly pixels of similar colour are drawn to one class", usual=(0, 100)),
        Row("crf.appearance_sigma_rgb", "Colour reach",
            "How different colours may be to count as similar, in grey levels", usual=(1, 80)),
        Row("crf.appearance_sigma_xy", "Colour radius",
            "How far pixels of similar colour look for each other, in pixels", usual=(1, 80)),
        Row("crf.smoothness_weight", "Smooth weight",
            "How strongly neighbours are drawn to one class whatever their colour", usual=(0, 100)),
        Row("crf.smoothness_sigma", "Smooth radius",
            "How far that reaches, in pixels; islands smaller than this tend to vanish", usual=(1, 60)),
        Row("crf.iterations", "Iterations",
            "How often the labels are passed on; 5 in the literature", usual=(0, 20)),
    )),
    Row("min_confidence", "Confidence",
        "Pixels whose class is less probable than this stay unlabelled; 0 labels every pixel", usual=(0, 1)),
    Row("presence_threshold", "Present from",
        "Image-level probability from which a class counts as present; without a tick the model's own",
        usual=(0, 1), start=0.5),
    Row("background_exponent", "Background",
        "Exponent of the background's activation; larger leaves less background", usual=(1, 30), decimals=1),
    Group("Own rule for glass", "Where there is no tissue; without a tick the model's own rule decides",
        key="background", start=BackgroundRule(), rows=(
        Row("background.brightness", "Brightness",
            "Pixels whose darkest channel is at least this bright (0 to 255) may be glass", usual=(150, 255)),
        Row("background.chroma", "Colour",
            "Pixels whose channels differ by more than this (0 to 255) are stained, not glass",
            usual=(0, 80)),
        Row("background.sigma", "Blur", "The image is blurred by this many pixels first",
            usual=(0, 10), decimals=1),
        Row("background.min_area", "Least area",
            "White areas of fewer pixels (lumen, fat cell, crack) belong to the tissue around; 0 takes them "
            "all", usual=(0, 100_000)),
    )),
)  # fmt: skip


class RefineOptions(SettingsForm[SegmentSettings]):
    """Edits the fields of ``SegmentSettings`` that need no network; the others stay as they were set."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(SegmentSettings(), _ROWS, parent)

    def showModel(self, glass: BackgroundRule, *, published: bool) -> None:
        """Start the rule for glass at the model's own, and show what only published models have."""
        self.setStart("background", glass.model_copy(update={"enabled": True}))
        self.setRowVisible("background_exponent", published)


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
            self.reset: "Back to the paper's CRF and the model's own thresholds",
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
