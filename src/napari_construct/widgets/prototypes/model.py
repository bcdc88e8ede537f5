"""The model and its prototypes; prototypes can be added in this session."""

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
    """Chooses a model, loads it in the background and lists its prototypes.

    Parameters
    ----------
    load_model : callable
        Loads a predictor; called in the job's thread only.

    Attributes
    ----------
    chooser : ModelChooser
        The model; the dock lays it out.
    prototypes : PrototypeList
        Its prototypes.
    """

    changed = Signal()
    """Another model, or other prototypes."""
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
        """Whether the model has added prototypes that are not saved."""
        return self._altered is not None

    def placedNumber(self) -> int | None:
        """Number of the chosen added prototype, from 0; None for a trained one."""
        current = self.prototypes.current()
        if current is None or current.origin == "trained" or self._altered is None:
            return None
        checkpoint = self._altered.checkpoint
        trained = checkpoint.config.prototypes_per_class * len(checkpoint.classes)
        return int(current.index - trained)

    def getter(self) -> GetPredictor:
        """A function for a worker's thread that returns the current predictor."""
        if self._altered is not None:
            return partial(_same, self._altered)
        return self._model.getter(self.name(), self._device)

    def setDevice(self, device: str) -> None:
        """Load the model on another device."""
        if device != self._device:
            self._device = device
            self.load()

    def load(self, *_: object) -> None:
        """Load the chosen model, without added prototypes."""
        self._altered = None
        self.prototypes.clearPrototypes()
        self._loader.load(self.name(), self._device)

    def alter(self, loaded: ModelLoaded) -> None:
        """Use a changed model from now on."""
        self._altered = loaded.predictor
        self._show(loaded)
        self.changed.emit()

    def isLoading(self) -> bool:
        return self._loader.isLoading()

    def problem(self) -> Problem:
        """Why the model cannot be used yet; false if it can."""
        return self._loader.problem(self.name())

    def _show(self, loaded: ModelLoaded) -> None:
        self.prototypes.showPrototypes(loaded.prototypes, loaded.predictor.classes)
        self.loaded.emit(loaded)


def _same(predictor: Predictor) -> Predictor:
    return predictor
