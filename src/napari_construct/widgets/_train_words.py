"""What a run will cost and how it ended, as a person reads it."""

from __future__ import annotations

from typing import Any, Final

from napari_construct.encoders.overview import size_text
from napari_construct.widgets._eta import in_words
from napari_construct.widgets._train_job import Trained

_SCORES: Final = {"val_miou": "mIoU", "val_f1": "F1 of presence"}


def estimate_in_words(estimate: Any) -> str:
    """Of a ``training.estimate.Estimate``."""
    text = f"About {in_words(estimate.seconds)}: {estimate.steps} steps of {_short(estimate.step_seconds)}"
    if estimate.validation_seconds >= 0.05:
        text += f", {estimate.validations} validations of {_short(estimate.validation_seconds)}"
    text += f". Memory up to {size_text(estimate.memory)}, this program included"
    if estimate.device_memory is not None:
        text += f"; {size_text(estimate.device_memory)} of {estimate.device}"
    return f"{text}."


def trained_in_words(trained: Trained) -> str:
    """How a run ended, in a line."""
    scores = [
        f"{words} {100 * trained.metrics[key]:.1f} %"
        for key, words in _SCORES.items()
        if trained.metrics.get(key) is not None
    ]
    measured = f" ({', '.join(scores)} on the validation data)" if scores else ""
    return f"Done: epoch {trained.epoch}{measured}. The model is in {trained.output}."


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else in_words(seconds)
