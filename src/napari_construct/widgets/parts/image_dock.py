"""What the docks share that work on one image with one model: Segment and Prototypes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.parts.dock import JobDock, Request, Result
from napari_construct.widgets.parts.dropped_images import (
    are_annotations,
    open_annotations,
    open_dropped,
    sort_dropped,
)
from napari_construct.widgets.parts.hand_over import folders_to_batch
from napari_construct.widgets.parts.options import DeviceForm
from napari_construct.widgets.parts.source import SourceChooser

if TYPE_CHECKING:
    import napari.viewer


class ImageDock(JobDock[Request, Result]):
    """A dock that works on the image which is chosen in its :class:`~.source.SourceChooser`.

    A dock has its options as ``_options``; one of them is the pixel size, which goes before the layer's.

    Attributes
    ----------
    source : SourceChooser
        Which layer, region and planes.
    """

    _options: DeviceForm[Any]

    def __init__(self, viewer: napari.viewer.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self.source = SourceChooser(viewer, self)

    def layer(self) -> Any:
        """The image layer that is worked on, or None."""
        return self.source.layer()

    def setLayer(self, layer: Any) -> None:
        """Choose an image layer and keep it, as a choice by hand does."""
        self.source.setLayer(layer)

    def setModel(self, model: str) -> None:
        """Choose a model and load it in the background."""
        raise NotImplementedError

    def takeDropped(self, paths: list[Path]) -> str:
        """Open images, choose a checkpoint, hand folders to Batch."""
        found = sort_dropped(paths)
        annotations = [path for path in found.others if are_annotations(path)]
        if found.models:
            self.setModel(str(found.models[-1]))
        said = open_dropped(self._viewer, found.images)
        if found.images:
            self.source.follow()  # the new image, also where another one was kept
        said = "\n".join(filter(None, (said, open_annotations(self._viewer, annotations))))
        handed = folders_to_batch(self._viewer, found.folders) if found.folders else ""
        wrong = refused(
            [path for path in found.others if path not in annotations], f"images, or a checkpoint ({SUFFIX})"
        )
        return "\n".join(filter(None, (said, handed, wrong)))

    def _follow_source(self) -> None:
        """Keep options, button and chooser together; before other connections of the options."""
        self.source.changed.connect(self._on_source)
        self._options.valueChanged.connect(self._on_size)
        self.finished.connect(self._on_running)

    def _on_source(self) -> None:
        """Another region, planes or pixel size."""
        self._options.showResolution(self.source.size())
        self._refresh()

    def _on_size(self) -> None:
        self.source.showGiven(self._options.field("mpp").get())

    def _on_running(self, *_: object) -> None:
        """Stay with the image while a job runs or its layers are added."""
        self.source.setHeld(self.isRunning())

    def _refresh(self, *_: object) -> None:
        self.control.setAction(*self.source.action(self._verb_now()))
        super()._refresh()

    def _verb_now(self) -> str:
        """What Run does with the image, as the button says it."""
        return self.verb
