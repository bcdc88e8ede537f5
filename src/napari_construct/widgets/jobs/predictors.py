"""The loaded model, kept between runs."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from napari_construct.events import Event, Steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.reading.places import written
from napari_construct.results.result import SegmentationResult
from napari_construct.types import BoolMask, RGBImage
from napari_construct.widgets.jobs.imports import importing
from napari_construct.widgets.layers import Decided

if TYPE_CHECKING:  # these load torch
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.decision.decider import Decider
    from napari_construct.inference.decision.evidence import Window
    from napari_construct.inference.zero_shot.predictor import ZeroShotPredictor

ModelChoice = str | ZeroShotSettings
"""Name of a bundled model, path of a checkpoint, or an encoder and words."""

_Key = tuple[ModelChoice, str, tuple[int, int] | None]
"""Model, device, and the state of its file."""

GetPredictor = Callable[[], "Predictor"]
"""Loads the predictor of a request, in the worker's thread; slow the first time."""


@runtime_checkable
class LoadModel(Protocol):
    """As ``inference.loading.load_model``."""

    def __call__(self, model: ModelChoice, *, device: str) -> Predictor: ...


@runtime_checkable
class DecidedSteps(Protocol):
    """As ``inference.segment.decided_steps``: the result, and what Refine goes on with, if anything."""

    def __call__(
        self,
        image: RGBImage,
        predictor: Predictor,
        settings: SegmentSettings,
        *,
        mpp: float | None,
        name: str,
        valid: BoolMask | None = None,
    ) -> Steps[tuple[SegmentationResult, Decider | None]]: ...


class LoadedModel:
    """Loads a model where it is needed and keeps the last one; safe to call from several threads.

    Parameters
    ----------
    load_model : callable
        ``load_model(model, device=device)``, slow.
    """

    def __init__(self, load_model: LoadModel) -> None:
        self._load_model = load_model
        self._lock = threading.Lock()
        self._kept: tuple[_Key, Predictor] | None = None

    def getter(self, model: ModelChoice, device: str) -> GetPredictor:
        """A function for a worker's thread that returns the predictor of a model on a device."""
        return partial(self.get, model, device)

    def get(self, model: ModelChoice, device: str) -> Predictor:
        """The predictor of a model on a device."""
        with self._lock:
            key = (model, device, _state(model))
            if self._kept is None or self._kept[0] != key:
                self._kept = key, self._redescribed(model, device) or self._loaded(model, device)
            return self._kept[1]

    def _loaded(self, model: ModelChoice, device: str) -> Predictor:
        self._kept = None  # first let go of the old one: two may not fit into memory
        _give_back()
        try:
            return self._load_model(model, device=device)
        except Exception as error:
            _forget_frames(error)
            raise

    def _redescribed(self, model: ModelChoice, device: str) -> Predictor | None:
        """The encoder that is loaded with other words, if that is all that changed."""
        if self._kept is None:
            return None
        (before, place, _), predictor = self._kept
        if not isinstance(model, ZeroShotSettings) or not isinstance(before, ZeroShotSettings):
            return None
        if (model.encoder, device) != (before.encoder, place):
            return None
        return cast("ZeroShotPredictor", predictor).described(model)


def _give_back() -> None:
    """Return to a graphics card what no tensor uses any more; the CPU's memory is returned at once."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what the frames of an error hold: it is shown for long, and with it half a model."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _state(model: ModelChoice) -> tuple[int, int] | None:
    """Time and size of a checkpoint file, so that one that was trained anew is loaded anew."""
    return None if isinstance(model, ZeroShotSettings) else written(model)


def load_model(model: ModelChoice, *, device: str) -> Predictor:
    """``inference.loading.load_model``; torch is loaded here, in the thread of the caller."""
    with importing():
        from napari_construct.inference.loading import load_model as load

        return load(model, device=device)


def load_any(model: ModelChoice, *, device: str) -> Any:
    """A model of stained sections, or a student on one channel, whatever the file is."""
    with importing():
        from napari_construct.inference.cells.loading import is_cell_model, load_cell_model

        if is_cell_model(model):
            return load_cell_model(model, device=device)
    return load_model(model, device=device)


def is_student(predictor: object) -> bool:
    """Whether a loaded model looks at channels of fluorescence; False of None."""
    return hasattr(predictor, "channels")


def decided_steps(
    image: RGBImage,
    predictor: Predictor,
    settings: SegmentSettings,
    *,
    mpp: float | None,
    name: str,
    valid: BoolMask | None = None,
) -> Steps[tuple[SegmentationResult, Decider | None]]:
    """``inference.segment.decided_steps``, imported when first used."""
    from napari_construct.inference.segment import decided_steps as steps

    return (yield from steps(image, predictor, settings, mpp=mpp, name=name, valid=valid))


class KeptDecider:
    """Decides again and again what the last activation means; used in one worker's thread at a time."""

    def __init__(self) -> None:
        self._decided: Decided | None = None
        self._decider: Decider | None = None

    def steps(
        self, decided: Decided, settings: SegmentSettings, window: Window | None = None
    ) -> Steps[SegmentationResult]:
        """``Decider.steps`` for what a mask was decided from."""
        from napari_construct.inference.decision.decider import Decider

        if self._decider is None or decided is not self._decided:
            self._decided, self._decider = decided, Decider(decided.activation, decided.predictor)
        return self._decider.steps(settings, window)


def load_steps(get_predictor: GetPredictor) -> Steps[Predictor]:
    """Load a model as a job of one step."""
    yield Event("loading the model", 0, 1)
    return get_predictor()
