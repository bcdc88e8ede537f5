"""The dock widget Evaluate: labels against an annotation, or a model on images with masks or drawn cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from qtpy.QtWidgets import QWidget

from napari_construct.data.masks import find_pairs
from napari_construct.events import Doubt
from napari_construct.exceptions import ConstructError
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.evaluate.cells.job import (
    CellImageRequest,
    CellsRequest,
    cell_image_job,
    cells_job,
)
from napari_construct.widgets.evaluate.cells.outcome import CellOutcome
from napari_construct.widgets.evaluate.cells.scores import CellScored
from napari_construct.widgets.evaluate.input import NPZ, EvaluateInput
from napari_construct.widgets.evaluate.job import (
    Evaluated,
    FoldersRequest,
    ImageRequest,
    LayersRequest,
    OpenedImage,
    evaluate_job,
    image_job,
    layer_pair,
    load_libraries,
)
from napari_construct.widgets.evaluate.outcome import EvaluateOutcome
from napari_construct.widgets.evaluate.recipes import as_command, as_python
from napari_construct.widgets.evaluate.scores import Scored
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.message_label import Problem
from napari_construct.widgets.jobs.ahead import Ahead
from napari_construct.widgets.layers.follower import Follower
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.dropped_images import sort_dropped
from napari_construct.widgets.parts.next_steps import MaskMade, MaskSteps

if TYPE_CHECKING:
    import napari.viewer

Request: TypeAlias = LayersRequest | FoldersRequest | CellsRequest


class Evaluate(JobDock[Request, "Evaluated | OpenedImage | CellScored"]):
    """Edits one ``EvaluateSettings`` and compares a prediction with its annotation.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose labels layers are offered and where error maps are added.

    Attributes
    ----------
    outcome : EvaluateOutcome
        Scores, confusion matrix and images.
    cells : CellOutcome
        In its place, scores of a student on one channel.
    """

    verb = "Evaluate"
    recipes = as_python, as_command
    copy_tip = "Copy this evaluation as {}: pasted back it gives the same scores"

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._input = EvaluateInput(viewer, self)
        self.outcome = EvaluateOutcome(self)
        self.cells = CellOutcome(self)
        self._ahead = Ahead(load_libraries, self)
        self._next = MaskSteps(viewer, self)
        self._asked: object = None
        self._masks = Follower(self, "follow_masks")
        self._lay_out(self._input, self.outcome, self.cells)
        self._offer(self._next)
        self._connect()
        self._follow_masks()
        self._refresh()

    def value(self) -> EvaluateSettings:
        """The settings on view.

        Raises
        ------
        ValueError
            If they contradict each other; Evaluate is then disabled and says why.
        """
        return self._input.value()

    def setValue(self, value: EvaluateSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._input.setValue(value)

    def setLayers(self, prediction: Any, truth: Any) -> None:
        """Choose two labels layers."""
        self._input.prediction.setLayer(prediction)
        self._input.truth.setLayer(truth)

    def setFolders(self, images: str, masks: str = "") -> None:
        """Choose images and masks; without masks, ``images`` holds the folders img and mask."""
        self._input.images.setValue(images)
        self._input.masks.setValue(masks)

    def takeModel(self, model: str, images: str = "") -> None:
        """A model from another step, to be scored on folders; the folder of images where it is known."""
        self._input.mode.put("folders")
        self._input.model.setValue(model)
        if images:
            self.setFolders(images)

    def takeDropped(self, paths: list[Path]) -> str:
        """A folder or TissueNet file becomes the images, a checkpoint the model that runs on them."""
        found = sort_dropped(paths)
        images = [*found.folders, *(path for path in found.others if path.suffix.lower() == NPZ)]
        wrong = [path for path in paths if path not in (*images[:1], *found.models[:1])]
        if images or found.models:
            self._input.mode.put("folders")
        if images:
            self.setFolders(str(images[0]))
        if found.models:
            self._input.model.setValue(str(found.models[0]))
        hint = " Masks are compared as layers: open them in napari." if found.images else ""
        said = refused(wrong, f"one folder with img and mask inside, one .npz, or a checkpoint ({SUFFIX})")
        return said + hint if said else ""

    def request(self) -> Request:
        """What Evaluate asks for."""
        settings = self.value()
        if self._input.isStudent():
            return CellsRequest(self._input.folders()[0], settings)
        if settings.mode == "folders":
            return FoldersRequest(*self._input.folders(), settings)
        return LayersRequest(layer_pair(self._input.prediction.layer(), self._input.truth.layer()), settings)

    def launch(self, request: Request) -> None:
        self._forget()
        self._asked = self._chosen()
        if isinstance(request, CellsRequest):
            self.start("Evaluate", cells_job, request)
        else:
            self.start("Evaluate", evaluate_job, request)

    def problem(self) -> Problem:
        return Problem(self._input.problem() or self._input.optionsProblem())

    def text(self, recipe: Callable[[Request], str]) -> str:
        text = super().text(recipe)
        if not text and not self.control.blockedReason():
            self.control.showMessage("Layers can be compared in napari only: copy as Python.")
        return text

    def openImage(self, name: str) -> None:
        """Open an image of the folders with truth, prediction and errors."""
        request = None if self.control.isRunning() else self.made(partial(self._image, name))
        if request is not None:
            self.start("Open an image with its errors", image_job, request)

    def openCells(self, name: str) -> None:
        """Open an image of a student with drawn and found cells."""
        request = None if self.control.isRunning() else self.made(self.request)
        if isinstance(request, CellsRequest):
            self.start("Open an image with its cells", cell_image_job, CellImageRequest(request, name))

    def _image(self, name: str) -> ImageRequest | None:
        """The image of this name; None where there is none, or no scores yet."""
        scored = self.outcome.scored()
        if scored is None or scored.report is None:
            return None
        settings = self.value()
        pairs = {image.name: (image, mask) for image, mask in find_pairs(*self._input.folders())}
        return ImageRequest(*pairs[name], settings, scored.report.classes) if name in pairs else None

    def isPreparing(self) -> bool:
        """Whether libraries are being loaded that a run would otherwise wait for."""
        return self._ahead.isActive()

    def _connect(self) -> None:
        self._input.valueChanged.connect(self._on_changed)
        self.outcome.opened.connect(self.openImage)
        self.cells.opened.connect(self.openCells)
        for outcome in (self.outcome, self.cells):
            outcome.said.connect(self.control.showMessage)
            outcome.failed.connect(self._on_failed)

    def _refresh(self, *_: object) -> None:
        layer = None if self._input.mode.get() == "folders" else self._input.prediction.layer()
        self.control.setAction("" if layer is None else f"{self.verb} ", getattr(layer, "name", ""))
        super()._refresh()

    def follow_masks(self) -> None:
        """The chosen masks were painted on or replaced: scores of before are not theirs."""
        self._forget()

    def _follow_masks(self) -> None:
        """Follow the masks that are chosen now."""
        layers = [chooser.layer() for chooser in (self._input.prediction, self._input.truth)]
        events = [e for layer in layers if layer is not None for e in (layer.events.paint, layer.events.data)]
        self._masks.follow(events)

    def _chosen(self) -> object:
        """What would be compared now, to see whether it is what was."""
        try:
            settings = self.value()
        except (ConstructError, ValueError):  # being typed
            return None
        if self._input.mode.get() == "folders":
            return self._input.folders(), settings
        layers = self._input.prediction.layer(), self._input.truth.layer()
        return tuple(None if layer is None else layer.unique_id for layer in layers), settings

    def _forget(self) -> None:
        """Show no scores: they are not of what is chosen."""
        if not self.control.isRunning():
            self.outcome.clear()
            self.cells.clear()
            self.control.forget()

    def _on_changed(self) -> None:
        self._follow_masks()
        shown = self.outcome.scored() is not None or self.cells.scored() is not None
        if shown and self._chosen() != self._asked:
            self._forget()
        if self._input.mode.get() == "folders":
            self._ahead.start()
        self._refresh()
        if not (self.control.blockedReason() or self._input.optionsProblem()):
            self.valueChanged.emit(self.value())

    def _on_result(self, result: Evaluated | OpenedImage | CellScored) -> None:
        if isinstance(result, CellScored):
            self.cells.showScored(result)
            self.control.summarise(result.in_words(), result.notices())
            self.finished.emit()
            return
        if isinstance(result, Evaluated):
            self._show(result.scored)
            of_layers = self._input.mode.get() == "layers"
            self._next.offerMask(MaskMade(self._input.prediction.layer() if of_layers else None))
        self._adder.add(result.layers)

    def _show(self, scored: Scored) -> None:
        self.outcome.showScored(scored)
        mean = scored.rows()[-1][1]
        words = f"{scored.about['prediction']}: mIoU {mean} %" if scored.report is None else f"mIoU {mean} %"
        notices = [Doubt(scored.about["notice"])] if "notice" in scored.about else []
        if scored.content is not None:
            words += f" over {len(scored.content['images'])} images"
            failures = scored.content["failures"]
            notices = [Doubt(f"{len(failures)} not scored: {failures[0]['error']}")] if failures else []
        self.control.summarise(f"{words}; value {scored.first_class} is the first class.", notices)
