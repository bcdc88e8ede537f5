"""Which model, and which of its prototypes; the model may be changed in this session."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_construct.widgets.fields.layout import stacked
from napari_construct.widgets.fields.message_label import Problem
from napari_construct.widgets.jobs.model_loader import ModelLoader
from napari_construct.widgets.jobs.predictors import GetPredictor, LoadedModel, LoadModel
from napari_construct.widgets.parts.model_chooser import ModelChooser
from napari_construct.widgets.prototypes.job import load_job
from napari_construct.widgets.prototypes.list import PrototypeList
from napari_construct.widgets.prototypes.requests import ModelLoaded

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor


class PrototypeModel(QWidget):
    """Chooses a model, loads it in the background, lists its prototypes.

    Parameters
    ----------
    load_model : callable
        As ``inference.loading.load_model``; called in the job's thread only.

    Attributes
    ----------
    chooser : ModelChooser
        To be put where it fits.
    prototypes : PrototypeList
        Shown here.
    """

    changed = Signal()
    """Another model, or one prototype more or less."""
    loaded = Signal(object)
    """A :class:`~napari_construct.widgets.prototypes.requests.ModelLoaded`."""

    def __init__(self, load_model: LoadModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = LoadedModel(load_model)
        self._altered: Predictor | None = None
        self._device = "auto"
        self._loader = ModelLoader(self._model, self, load_job)
        self.chooser = ModelChooser(self)
        self.prototypes = PrototypeList(self)
        stacked(self, self.prototypes)
        self.chooser.valueChanged.connect(self.load)
        self._loader.loaded.connect(self._show)
        self._loader.changed.connect(self.changed)

    def name(self) -> str:
        """Name of the model, or path of a checkpoint."""
        return self.chooser.value()

    def isAltered(self) -> bool:
        """Whether prototypes were placed that are in no file yet."""
        return self._altered is not None

    def placedNumber(self) -> int | None:
        """Which of the placed prototypes is chosen, from 0; None for a trained one."""
        current = self.prototypes.current()
        if current is None or current.origin == "trained" or self._altered is None:
            return None
        checkpoint = self._altered.checkpoint
        trained = checkpoint.config.prototypes_per_class * len(checkpoint.classes)
        return int(current.index - trained)

    def getter(self) -> GetPredictor:
        """A function for a worker's thread that returns the predictor as it is chosen now."""
        if self._altered is not None:
            return partial(_same, self._altered)
        return self._model.getter(self.name(), self._device)

    def setDevice(self, device: str) -> None:
        """Where the next model is loaded; nothing happens where it is the same."""
        if device != self._device:
            self._device = device
            self.load()

    def load(self, *_: object) -> None:
        """Load the chosen model; what was placed is forgotten."""
        self._altered = None
        self.prototypes.clearPrototypes()
        self._loader.load(self.name(), self._device)

    def alter(self, loaded: ModelLoaded) -> None:
        """Look with a changed model from now on."""
        self._altered = loaded.predictor
        self._show(loaded)
        self.changed.emit()

    def isLoading(self) -> bool:
        return self._loader.isLoading()

    def problem(self) -> Problem:
        """Why the model cannot be used yet, if so."""
        return self._loader.problem(self.name())

    def _show(self, loaded: ModelLoaded) -> None:
        self.prototypes.showPrototypes(loaded.prototypes, loaded.predictor.classes)
        self.loaded.emit(loaded)


def _same(predictor: Predictor) -> Predictor:
    return predictor
