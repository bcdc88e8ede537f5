"""Loads the chosen model in the background, before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from qtpy.QtCore import QObject, Signal

from napari_construct.events import Steps
from napari_construct.widgets.fields.message_label import Problem, problem_of
from napari_construct.widgets.jobs.predictors import GetPredictor, LoadedModel, ModelChoice, load_steps
from napari_construct.widgets.jobs.workers import Job

NO_MODEL: Final = "Choose a model: open a checkpoint file."


class ModelLoader(QObject):
    """One model at a time; another choice overtakes the one that is being loaded.

    Parameters
    ----------
    models : LoadedModel
        Loads and keeps the model.
    steps : callable
        From a function that loads the model to the job whose result :attr:`loaded` tells.
    """

    loaded = Signal(object)
    """What loading the model that was asked for last returned: by default its predictor."""
    changed = Signal()
    """What :meth:`isLoading` and :meth:`problem` say."""

    def __init__(
        self,
        models: LoadedModel,
        parent: QObject | None = None,
        steps: Callable[[GetPredictor], Steps[object]] = load_steps,
    ) -> None:
        super().__init__(parent)
        self._models, self._steps = models, steps
        self._job: Job | None = None
        self._error: Exception | None = None

    def isLoading(self) -> bool:
        return self._job is not None

    def problem(self, model: ModelChoice) -> Problem:
        """Why this model cannot be run yet, if so."""
        if not model:
            return Problem(NO_MODEL)
        if self._error is not None:
            return problem_of(self._error)
        return Problem("The model is being loaded..." if self.isLoading() else "")

    def load(self, model: ModelChoice, device: str) -> None:
        """Load a model; an empty name only forgets the one before."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._error = None
        if model:
            steps = partial(self._steps, self._models.getter(model, device))
            self._job = job = Job("Load the model", steps, self)
            job.returned.connect(self._on_loaded)
            job.failed.connect(self._on_failed)
            job.start()
        self.changed.emit()

    def _on_loaded(self, found: object) -> None:
        if self.sender() is self._job:  # no other model was chosen meanwhile
            self._job = None
            self.loaded.emit(found)
            self.changed.emit()

    def _on_failed(self, error: Exception) -> None:
        if self.sender() is self._job:
            self._job, self._error = None, error
            self.changed.emit()
