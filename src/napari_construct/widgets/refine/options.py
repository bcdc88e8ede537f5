"""The form of ``SegmentSettings`` after the network: CRF, thresholds, glass rule."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QGridLayout, QPushButton, QWidget

from napari_construct.crf import CRFParameters
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.network.calibration import BackgroundRule
from napari_construct.widgets.fields.controls import named, tick
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.fields.settings_form import SettingsForm
from napari_construct.widgets.jobs.run_control import BEFORE_KEY, RUN_KEY, in_native, shortcut

_ROWS: Final = (
    Group("Dense CRF", "Moves the borders of the mask to edges in the image",
        key="crf", start=CRFParameters(), rows=(
        Row("crf.appearance_weight", "Colour weight",
            "Weight of the colour term. Higher: pixels of similar colour get one class", usual=(0, 100)),
        Row("crf.appearance_sigma_rgb", "Colour range",
            "Difference up to which colours count as similar, in grey levels", usual=(1, 80)),
        Row("crf.appearance_sigma_xy", "Colour radius",
            "Distance up to which similar colours are compared, in pixels", usual=(1, 80)),
        Row("crf.smoothness_weight", "Smooth weight",
            "Weight of the smoothness term. Higher: neighbours get one class", usual=(0, 100)),
        Row("crf.smoothness_sigma", "Smooth radius",
            "Distance of the smoothness term, in pixels. Smaller islands tend to vanish", usual=(1, 60)),
        Row("crf.iterations", "Iterations",
            "Number of iterations of the CRF. The literature uses 5", usual=(0, 20)),
    )),
    Row("min_confidence", "Min. confidence",
        "Pixels with a lower confidence stay unlabelled. 0 labels every pixel", usual=(0, 1)),
    Row("presence_threshold", "Min. presence",
        "Threshold of class presence. A class with a lower probability is not in the mask. Without a tick: "
        "the threshold of the model",
        usual=(0, 1), start=0.5),
    Row("background_exponent", "Background",
        "Exponent of the background map. Higher: less background", usual=(1, 30), decimals=1),
    Group("Custom glass rule", "Finds glass without tissue. Without a tick: the rule of the model",
        key="background", start=BackgroundRule(), rows=(
        Row("background.brightness", "Brightness",
            "Minimum brightness of glass, in the darkest channel (0 to 255)", usual=(150, 255)),
        Row("background.chroma", "Colour",
            "Maximum colour of glass: difference between the channels (0 to 255)",
            usual=(0, 80)),
        Row("background.sigma", "Blur", "Blur of the image before the rule, in pixels",
            usual=(0, 10), decimals=1),
        Row("background.min_area", "Min. area",
            "Minimum area of glass, in pixels. Smaller white areas (lumen, fat cell, crack) count as tissue. "
            "0: no minimum", usual=(0, 100_000)),
    )),
)  # fmt: skip


class RefineOptions(SettingsForm[SegmentSettings]):
    """Edits the fields of ``SegmentSettings`` that need no network; the others stay as set."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(SegmentSettings(), _ROWS, parent)

    def showModel(self, glass: BackgroundRule, *, published: bool) -> None:
        """Start the glass rule at the model's own; show the background row for published models only."""
        self.setStart("background", glass.model_copy(update={"enabled": True}))
        self.setRowVisible("background_exponent", published)


class RefineButtons(QWidget):
    """Live, Update once, All planes, Show before, Show painted, Reset."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.live = tick("Live", "Update the mask at every change. Switch it off for very large images", self)
        self.live.setChecked(True)
        self.once, self.every, self.before, self.painted, self.reset = (
            named(QPushButton(text, self), text, tip)
            for text, tip in (
                ("Update once", f"Update the refined mask now ({in_native(RUN_KEY)})"),
                ("All planes", "Refine all planes of the stack. A slider refines the visible plane only"),
                ("Show before", f"Show the mask before or after the refinement ({in_native(BEFORE_KEY)})"),
                ("Show painted", "Outline what you painted: Refine leaves these pixels as they are"),
                ("Reset", "Reset to the CRF of the paper and the thresholds of the model"),
            )
        )
        self.before.setCheckable(True)
        self.painted.setCheckable(True)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.live, 0, 0)
        grid.addWidget(self.once, 0, 1)
        grid.addWidget(self.every, 1, 0, 1, 2)
        grid.addWidget(self.before, 2, 0)
        grid.addWidget(self.painted, 2, 1)
        grid.addWidget(self.reset, 3, 0, 1, 2)
        if parent is not None:
            shortcut(parent, RUN_KEY, self.once.click)
            shortcut(parent, BEFORE_KEY, self.before.click)
