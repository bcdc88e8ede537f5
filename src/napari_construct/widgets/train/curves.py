"""What Train draws of a run."""

from __future__ import annotations

from typing import Final

from napari_construct.widgets.runs.progress import Curves


def _place(name: str) -> tuple[str, str] | None:
    if name.startswith("val_"):
        return None
    return "losses", "all" if name == "loss" else name


CURVES: Final = Curves(
    plots={
        "losses": ("Losses by step", "The parts of the loss without weights, and their weighted sum (all)"),
        "scores": ("Validation by epoch", "Scores on the validation data (0 to 1)"),
        "rate": ("Learning rate by step", "The learning rate of each step"),
    },
    scores={
        "val_miou": "mIoU",
        "val_miou_oracle": "mIoU, classes given",
        "val_f1": "F1 of class presence",
    },
    place=_place,
    pictures=(
        "Validation images or patches. Beside each: its class maps in the colours of the classes",
        "image",
        "class maps",
    ),
)
