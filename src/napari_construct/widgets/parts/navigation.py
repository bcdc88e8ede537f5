"""The steps of the work, and how one of them is brought on view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

from napari_construct.widgets.parts.tabs import to_front

_PLUGIN: Final = "napari-construct"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work: a dock widget that also opens alone.

    Attributes
    ----------
    title : str
        What napari calls the widget.
    short : str
        What a button says.
    tip : str
        What the step is for.
    place : str
        The widget's class, as in the manifest; it is imported when the step is first shown.
    """

    title: str
    short: str
    tip: str
    place: str


_WIDGETS: Final = "napari_construct.widgets"
STEPS: Final = {
    "segment": Step("Segment", "Segment", "An image in, a mask of its tissues out",
                    f"{_WIDGETS}.segment.segment_tissue:SegmentTissue"),
    "refine": Step("Refine", "Refine", "Change borders and thresholds of a mask at once",
                   f"{_WIDGETS}.refine.refine:Refine"),
    "prototypes": Step("Prototypes", "Prototypes", "What a model looks for, and where it sees it",
                       f"{_WIDGETS}.prototypes.prototypes:Prototypes"),
    "teach": Step("Teach", "Teach", "Paint examples of your own classes; the mask follows every stroke",
                  f"{_WIDGETS}.teach.teach:Teach"),
    "train": Step("Train a model", "Train", "Your own model, from patches and the classes that they show",
                  f"{_WIDGETS}.train.train_adapters:TrainAdapters"),
    "distil": Step("Distil single-channel student", "Distil",
                   "A network that needs one channel, from a teacher that sees several",
                   f"{_WIDGETS}.distil.distil_student:DistilStudent"),
    "batch": Step("Batch", "Batch", "Many images, one after the other",
                  f"{_WIDGETS}.batch.batch:Batch"),
    "evaluate": Step("Evaluate", "Evaluate", "Masks against an annotation, in numbers",
                     f"{_WIDGETS}.evaluate.evaluate:Evaluate"),
    "models": Step("Models", "Models", "Models on this computer, and where to get others",
                   f"{_WIDGETS}.models.models:Models"),
}  # fmt: skip
"""In the order of the work."""


@runtime_checkable
class ShowsSteps(Protocol):
    """A dock widget that holds the others, one page a step."""

    def showStep(self, step: str) -> Any:
        """Show a step; its widget."""


def show_step(viewer: Any, step: str) -> Any:
    """Bring a step on view: in the viewer's ConStruct where it is open, else as a dock of its own.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where.
    step : str
        Key of :data:`STEPS`.

    Returns
    -------
    QWidget
        The step's widget.
    """
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, ShowsSteps):
            shown = widget.showStep(step)
            break
    else:
        _, shown = viewer.window.add_plugin_dock_widget(_PLUGIN, STEPS[step].title, tabify=True)
    to_front(shown)
    return shown
