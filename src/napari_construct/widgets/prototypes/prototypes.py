"""The dock widget Prototypes: what a model decides by, where it sees it, and one more of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.exceptions import ConstructError
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.widgets.fields.layout import column, fill_dock, fold
from napari_construct.widgets.fields.message_label import Level, plain
from napari_construct.widgets.jobs import predictors as _predictors
from napari_construct.widgets.jobs.predictors import LoadModel
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.layers import Plane
from napari_construct.widgets.layers.adding import LayerAdder
from napari_construct.widgets.parts.copy_row import CopyRow
from napari_construct.widgets.parts.hand_over import hand_over
from napari_construct.widgets.parts.recipes import prototypes_as_command, prototypes_as_python
from napari_construct.widgets.parts.source import SourceChooser
from napari_construct.widgets.prototypes import job as jobs
from napari_construct.widgets.prototypes.add import AddBox
from napari_construct.widgets.prototypes.gallery import PatchGallery, show_patch
from napari_construct.widgets.prototypes.layers import painted_region
from napari_construct.widgets.prototypes.model import PrototypeModel
from napari_construct.widgets.prototypes.options import PrototypeOptions
from napari_construct.widgets.prototypes.view import SimilarityView

if TYPE_CHECKING:
    import napari.viewer


class Prototypes(QWidget):
    """Edits one :class:`~napari_construct.inference.prototypes.settings.PrototypeSettings`.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers are offered and where maps are added.
    load_model : callable, optional
        As in ``inference.predictor``; called in the worker's thread only.
    """

    valueChanged = Signal(object)
    finished = Signal()
    """A job is over and its layers have been added."""

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        *,
        load_model: LoadModel | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._of = ""
        self._source = SourceChooser(viewer, self)
        self._model = PrototypeModel(load_model or _predictors.load_model, self)
        self._list = self._model.prototypes
        self.view = SimilarityView(viewer, self)
        self.adding = AddBox(viewer, self)
        self.gallery = PatchGallery(self)
        self._options = PrototypeOptions(self)
        self._control = RunControl("Compare", self)
        self._copy_row = CopyRow(self)
        self._adder = LayerAdder(viewer, self)
        self._build_layout()
        self._connect()
        self._model.load()

    def value(self) -> PrototypeSettings:
        """The settings on view."""
        return self._options.value().changed(prototype=self._list.value())

    def setValue(self, value: PrototypeSettings) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._list.setValue(value.prototype)
        self._options.setValue(value.model_copy(update={"prototype": ""}))

    def setModel(self, model: str) -> None:
        """Choose a model and load it in the background."""
        self._model.chooser.setValue(model)

    def setLayer(self, layer: Any) -> None:
        self._source.setLayer(layer)

    @property
    def source(self) -> SourceChooser:
        """Which layer, region and planes."""
        return self._source

    @property
    def model(self) -> PrototypeModel:
        """Which model, and its prototypes."""
        return self._model

    @property
    def control(self) -> RunControl:
        """Progress and messages."""
        return self._control

    def isRunning(self) -> bool:
        return self._control.isRunning() or self._adder.isActive() or self.view.isBusy()

    def message(self) -> str:
        return self._control.message()

    def run(self) -> None:
        """Compare the image with all prototypes, as the button does."""
        plane = None if self._control.blockedReason() else self._plane()
        if plane is not None:
            settings = self.value()
            self._start("Compare", partial(jobs.compare_job, plane, self._model.getter(), settings))

    def cancel(self) -> None:
        """Stop after the tile at hand."""
        self._control.cancel()

    def search(self, folder: str = "") -> None:
        """Collect top patches of a folder, or of the image layer with all its planes."""
        layer = self._source.layer()
        given = Path(folder) if folder else [] if layer is None else jobs.planes_of(layer)
        if given:
            self._start("Top patches", partial(jobs.top_job, given, self._model.getter(), self.value()))

    def save(self, path: Path | str, *, use: bool = False) -> None:
        """Write the changed model; with ``use`` put it into Segment tissue."""
        self._start("Save", partial(jobs.save_job, self._model.getter(), Path(path), use))

    def _plane(self) -> Plane | None:
        """The plane on view; None, with a message, where it cannot be made out."""
        try:
            planes = self._source.planes()
        except (ConstructError, ValueError) as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return None
        if len(planes) > 1:
            self._control.showMessage("One plane is compared at a time: choose the one on view.")
            return None
        return planes[0]

    def _start(self, title: str, make_steps: Callable[[], Any]) -> None:
        if not self._control.isRunning() and not self._model.isLoading():
            self._of = self._model.name()
            self._control.run(title, make_steps)

    def _build_layout(self) -> None:
        layout = column(self)
        self._source.addRow("Model", self._model.chooser)
        for part in (self._source, self._model, self.view):
            layout.addWidget(part)
        layout.addWidget(fold("Add a prototype", "From words or from a painted region", self.adding, self))
        layout.addWidget(fold("Top patches", "What is most like the prototype", self.gallery, self))
        layout.addWidget(fold("Options", "Device, resolution, tiles, patches", self._options, self))
        layout.addStretch(1)
        fill_dock(self, layout, self._control, self._copy_row)

    def _connect(self) -> None:
        self._source.layerChanged.connect(self._refresh)
        self._model.changed.connect(self._on_model)
        self._model.loaded.connect(self._on_loaded)
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
        self._control.runRequested.connect(self.run)
        self._control.returned.connect(self._on_returned)
        self._control.progressed.connect(self._on_progress)
        self._control.runningChanged.connect(self._refresh)
        self._adder.finished.connect(self.finished)
        self._copy_row.pythonRequested.connect(self._copy_python)
        self._copy_row.commandRequested.connect(self._copy_command)

    def _on_model(self) -> None:
        self.view.forget()
        if self._of != self._model.name():
            self._control.cancel()
        self._refresh()

    def _on_loaded(self, loaded: jobs.ModelLoaded) -> None:
        self.adding.showModel(loaded.predictor.classes.names, loaded.words)

    def _on_prototype(self, *_: object) -> None:
        current = self._list.current()
        if current is not None:
            self.view.showPrototype(current.name)
        self._on_changed()

    def _on_options(self) -> None:
        self._model.setDevice(self._options.device())
        self._on_changed()

    def _on_changed(self) -> None:
        self._refresh()
        if not self._options.problem():
            self.valueChanged.emit(self.value())

    def _refresh(self, *_: object) -> None:
        """Enable what can be done, or say what is missing."""
        idle = not self._control.isRunning() and not self._model.isLoading()
        placed = self._model.placedNumber() is not None
        self.adding.showChosen(placed=placed, changed=self._model.isAltered())
        self.adding.setEnabled(idle and self._source.layer() is not None)
        self.gallery.setEnabled(idle)
        self.view.setReady(idle)
        if self._model.block(self._control):
            return
        if self._source.layer() is None:
            self._control.setBlocked(
                "Open an H&E image first, for example File > Open Sample > napari-construct."
            )
        else:
            self._control.setBlocked(self._options.problem(), Level.WARNING)

    def _on_deciding(self, *_: object) -> None:
        self._start("Which decides", partial(jobs.deciding_job, self.view.maps(), self.view.plane()))

    def _on_words(self, tissue: str, text: str) -> None:
        self._start("Add a prototype", partial(jobs.words_job, self._model.getter(), tissue, text))

    def _on_region(self, tissue: str, layer: Any) -> None:
        plane = self._plane()
        if plane is None or layer is None:
            return
        try:
            region = painted_region(layer, self._source.layer(), plane)
        except ConstructError as error:
            self._control.showMessage(plain(error), Level.ERROR, error)
            return
        getter, value = self._model.getter(), self.value()
        self._start("Add a prototype", partial(jobs.region_job, plane, region, getter, tissue, value))

    def _on_forget(self) -> None:
        number = self._model.placedNumber()
        if number is not None:
            self._start("Take away", partial(jobs.forget_job, self._model.getter(), number))

    def _on_use(self) -> None:
        """Keep the model among the user's own, where its name finds it."""
        self.save(jobs.free_path(self._model.name()), use=True)

    def _on_progress(self, event: Any) -> None:
        if getattr(event, "top", None) is not None:
            self.gallery.showTop(event.top)

    def _on_returned(self, outcome: Any) -> None:
        if self._of != self._model.name():  # another model was chosen meanwhile
            return
        if isinstance(outcome, jobs.Compared):
            self._control.summarise("Compared with every prototype. Choose one above to see its map.")
            self._adder.add([self.view.show_compared(outcome)])
        elif isinstance(outcome, jobs.LayersMade):
            self._control.summarise(outcome.text)
            self._adder.add(outcome.layers)
        elif isinstance(outcome, jobs.ModelLoaded):
            self._model.alter(outcome)
            self._control.summarise("The model was changed. Press Compare to see it, Use or Save to keep it.")
        elif isinstance(outcome, jobs.Saved):
            self._on_saved(outcome)
        else:
            self.gallery.showTop(outcome)
            self._control.summarise(*jobs.top_summary(outcome))

    def _on_saved(self, saved: jobs.Saved) -> None:
        self._control.summarise(f"Saved as {saved.path}.")
        if saved.use:
            hand_over(self._viewer, saved.path)

    def _on_patch(self, patch: Any) -> None:
        show_patch(self._viewer, self._source.layer(), patch)

    def _copy_python(self, *_: object) -> None:
        self._copy(prototypes_as_python)

    def _copy_command(self, *_: object) -> None:
        self._copy(prototypes_as_command)

    def _copy(self, recipe: Callable[[Plane, str, PrototypeSettings, str], str]) -> None:
        if self._model.isAltered():
            self._control.showMessage("Save the changed model first, and open it: text can name files only.")
            return
        plane = None if self._control.blockedReason() else self._plane()
        if plane is None:
            return
        text = recipe(plane, self._model.name(), self.value(), self._options.device())
        if self._copy_row.copy(text):
            self._control.showMessage("Copied to the clipboard.")
