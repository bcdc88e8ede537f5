"""The dock widget Prototypes: similarity maps of a model's prototypes, top patches, new prototypes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QWidget

from napari_construct.events import Event, Steps
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.predictors import LoadModel
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.parts.dock import NO_IMAGE, Asked, JobDock
from napari_construct.widgets.parts.dropped_images import folders_said, open_dropped, sort_dropped
from napari_construct.widgets.parts.hand_over import hand_over
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.recipes import prototypes_as_command, prototypes_as_python
from napari_construct.widgets.parts.source import SourceChooser
from napari_construct.widgets.prototypes import job as jobs
from napari_construct.widgets.prototypes.add import AddBox
from napari_construct.widgets.prototypes.gallery import PatchGallery, show_patch
from napari_construct.widgets.prototypes.layers import painted_region
from napari_construct.widgets.prototypes.model import PrototypeModel
from napari_construct.widgets.prototypes.options import PrototypeOptions
from napari_construct.widgets.prototypes.requests import (
    Compared,
    CompareRequest,
    ForgetRequest,
    LayerMade,
    ModelLoaded,
    RegionRequest,
    Saved,
    SaveRequest,
    TopFound,
    TopRequest,
    WordsRequest,
)
from napari_construct.widgets.prototypes.view import SimilarityView

if TYPE_CHECKING:
    import napari.viewer

    from napari_construct.inference.prototypes.top_patches import Patch

Outcome = Compared | LayerMade | ModelLoaded | Saved | TopFound


class Prototypes(JobDock[CompareRequest, Outcome]):
    """Edits one :class:`~napari_construct.inference.prototypes.settings.PrototypeSettings`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where maps are added.
    load_model : callable, optional
        As ``inference.loading.load_model``; called in the job's thread only.

    Attributes
    ----------
    source : SourceChooser
        Which layer, region and planes.
    model : PrototypeModel
        Which model, and its prototypes.
    """

    verb = "Compare"
    recipes = prototypes_as_python, prototypes_as_command

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        load_model: LoadModel | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(viewer, parent)
        self._of = ""
        self.source = SourceChooser(viewer, self)
        self.model = PrototypeModel(load_model or _predictors.load_model, self)
        self._list = self.model.prototypes
        self.view = SimilarityView(viewer, self)
        self.adding = AddBox(viewer, self)
        self.gallery = PatchGallery(self)
        self._options = PrototypeOptions(self)
        self._build_layout()
        self._connect()
        self.model.load()

    def value(self) -> PrototypeSettings:
        """The settings on view."""
        return self._options.value().changed(prototype=self._list.value())

    def setValue(self, value: PrototypeSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._list.setValue(value.prototype)
        self._options.setValue(value.model_copy(update={"prototype": ""}))

    def setModel(self, model: str) -> None:
        """Choose a model and load it in the background."""
        self.model.chooser.setValue(model)

    def setLayer(self, layer: Any) -> None:
        self.source.setLayer(layer)

    def isRunning(self) -> bool:
        return super().isRunning() or self.view.isBusy()

    def request(self) -> CompareRequest | None:
        """What Compare asks for; None, with a message, where there is more than one plane."""
        planes = self.source.planes()
        if len(planes) > 1:
            self.control.showMessage("One plane is compared at a time: choose the one on view.")
            return None
        return CompareRequest(planes[0], self.value(), self.model.getter())

    def launch(self, request: CompareRequest) -> None:
        self.start("Compare", jobs.compare_job, request)

    def start(self, title: str, job: Callable[[Asked], Steps[Outcome]], request: Asked) -> None:
        if not self.control.isRunning() and not self.model.isLoading():
            self._of = self.model.name()
            super().start(title, job, request)

    def problem(self) -> Problem:
        image = NO_IMAGE if self.source.layer() is None else None
        said = self.source.enlarging().refused or self._options.problem()
        return self.model.problem() or image or Problem(said, Level.WARNING)

    def text(self, recipe: Callable[[Plane, str, PrototypeSettings, str], str]) -> str:
        if self.model.isAltered():
            self.control.showMessage(
                "Save the changed model and open the file: a script can name files only."
            )
            return ""
        request = None if self.control.blockedReason() else self.request()
        if request is None:
            return ""
        return recipe(request.plane, self.model.name(), request.settings, self._options.device())

    def search(self, folder: str = "") -> None:
        """Collect top patches of a folder, or of the image layer with all its planes."""
        layer = self.source.layer()
        if folder or layer is not None:
            given = Path(folder) if folder else jobs.planes_of(layer)
            self.start("Top patches", jobs.top_job, TopRequest(given, self.value(), self.model.getter()))

    def save(self, path: Path | str, *, use: bool = False) -> None:
        """Write the changed model; with ``use`` put it into Segment."""
        self.start("Save", jobs.save_job, SaveRequest(Path(path), use, self.model.getter()))

    def takeDropped(self, paths: list[Path]) -> str:
        """Open images, choose a checkpoint; folders are for Batch."""
        found = sort_dropped(paths)
        if found.models:
            self.setModel(str(found.models[-1]))
        said = open_dropped(self._viewer, found.images)
        if found.images:
            self.source.follow()  # the new image, also where another one was kept
        if found.folders:
            self.foldersDropped.emit(found.folders)
        wrong = refused(found.others, f"images, or a checkpoint ({SUFFIX})")
        return "\n".join(filter(None, (said, folders_said(found.folders), wrong)))

    def _build_layout(self) -> None:
        self.source.form().addRow("Model", self.model.chooser)
        adding = fold("Add a prototype", "From words or from a painted region", self.adding, self)
        gallery = fold("Top patches", "The patches most similar to the prototype", self.gallery, self)
        options = fold("Options", "Device, resolution, tiles, patches", self._options, self)
        self._lay_out(self.source, self.model, self.view, adding, gallery, options)

    def _connect(self) -> None:
        self.source.changed.connect(self._on_source)
        self.finished.connect(self._on_running)
        self.source.layerChanged.connect(self._on_layer)
        self.model.changed.connect(self._on_model)
        self.model.loaded.connect(self._on_loaded)
        self._list.valueChanged.connect(self._on_prototype)
        self._options.valueChanged.connect(self._on_options)
        self.view.decidingRequested.connect(self._on_deciding)
        self.adding.wordsRequested.connect(self._on_words)
        self.adding.regionRequested.connect(self._on_region)
        self.adding.forgetRequested.connect(self._on_forget)
        self.adding.useRequested.connect(self._on_use)
        self.adding.saveRequested.connect(self.save)
        self.gallery.folderRequested.connect(self.search)
        self.gallery.stackRequested.connect(self.search)
        self.gallery.opened.connect(self._on_patch)
        self.control.runningChanged.connect(self._refresh)

    def _on_layer(self, *_: object) -> None:
        self.control.forget()  # it was said of another image
        self._refresh()

    def _on_model(self) -> None:
        self.view.forget()
        if self.model.isLoading():
            self.source.showModel(None)
        self.gallery.clear()
        self.control.forget()
        if self._of != self.model.name():
            self.control.cancel()
        self._refresh()

    def _on_loaded(self, loaded: ModelLoaded) -> None:
        self.source.showModel(getattr(loaded.predictor, "mpp", None))
        self.adding.showModel(loaded.predictor.classes.names, loaded.words)

    def _on_prototype(self, *_: object) -> None:
        current = self._list.current()
        if current is not None:
            self.view.showPrototype(current.name)
        self._on_changed()

    def _on_options(self) -> None:
        self.model.setDevice(self._options.device())
        self._on_changed()

    def _on_source(self) -> None:
        """Another region, planes or pixel size."""
        self._options.showResolution(self.source.size())
        self._refresh()

    def _on_running(self, *_: object) -> None:
        self.source.setHeld(self.isRunning())

    def _on_changed(self) -> None:
        self.source.showGiven(self._options.field("mpp").get())
        self._refresh()
        if not self._options.problem():
            self.valueChanged.emit(self.value())

    def _refresh(self, *_: object) -> None:
        """Enable what can be done, or say what is missing."""
        idle = not self.control.isRunning() and not self.model.isLoading()
        placed = self.model.placedNumber() is not None
        self.adding.showChosen(placed=placed, changed=self.model.isAltered())
        self.adding.setEnabled(idle and self.source.layer() is not None)
        self.gallery.setEnabled(idle)
        self.view.setReady(idle)
        self.control.setAction(*self.source.action(self.verb))
        super()._refresh()

    def _on_deciding(self) -> None:
        compared = self.view.compared()
        if compared is not None:
            self.start("Nearest prototype", jobs.deciding_job, compared)

    def _on_words(self, tissue: str, text: str) -> None:
        self.start("Add a prototype", jobs.words_job, WordsRequest(tissue, text, self.model.getter()))

    def _on_region(self, tissue: str, layer: Labels | Shapes | None) -> None:
        request = None if layer is None else self.made(partial(self._region, tissue, layer))
        if request is not None:
            self.start("Add a prototype", jobs.region_job, request)

    def _region(self, tissue: str, layer: Labels | Shapes) -> RegionRequest | None:
        compare = self.request()
        if compare is None:
            return None
        region = painted_region(layer, self.source.layer(), compare.plane, self._viewer.layers)
        return RegionRequest(compare.plane, region, tissue, compare.settings, compare.get_predictor)

    def _on_forget(self) -> None:
        number = self.model.placedNumber()
        if number is not None:
            self.start("Remove a prototype", jobs.forget_job, ForgetRequest(number, self.model.getter()))

    def _on_use(self) -> None:
        """Keep the model among the user's own, where its name finds it."""
        self.save(jobs.free_path(self.model.name()), use=True)

    def _on_event(self, event: Event) -> None:
        if (top := getattr(event, "top", None)) is not None:  # PatchesFound, whose module loads torch
            self.gallery.showTop(top)

    def _on_result(self, outcome: Outcome) -> None:
        if self._of != self.model.name():  # another model was chosen meanwhile
            return
        if isinstance(outcome, Compared):
            name = outcome.plane.name
            said = f"{name}: compared with every prototype. Choose one above to see where it is similar."
            self.control.summarise(said, name=name)
            self._adder.add([self.view.show_compared(outcome)])
        elif isinstance(outcome, LayerMade):
            self.control.summarise(outcome.text)
            self._adder.add([self.view.show_deciding(outcome.layer)])
        elif isinstance(outcome, ModelLoaded):
            self.model.alter(outcome)
            self.control.summarise("The model was changed. Press Compare to see it, Use or Save to keep it.")
        elif isinstance(outcome, Saved):
            remember_model(outcome.path)
            self.control.summarise(f"Saved as {outcome.path}.")
            if outcome.use:
                hand_over(self._viewer, outcome.path)
        else:
            self.gallery.showTop(outcome.top)
            self.control.summarise(*jobs.top_summary(outcome.top))

    def _on_patch(self, patch: Patch) -> None:
        show_patch(self._viewer, self.source.layer(), patch)
