"""What Correct and retrain draws of a run."""

from __future__ import annotations

from typing import Final

from napari_construct.widgets.runs.progress import Curves


def _place(name: str) -> tuple[str, str] | None:
    return ("losses", "all" if name == "loss" else name)


CURVES: Final = Curves(
    plots={
        "losses": (
            "Losses by step",
            "Corrections, what the old model was sure of (kept), old data; and their weighted sum (all)",
        ),
        "scores": (
            "Left-out corrections before and after",
            "Mean IoU on the corrections that were left out: 0 before, 1 after",
        ),
        "rate": ("Learning rate by step", "The learning rate of each step"),
    },
    scores={"held_out_miou": "mean IoU"},
    place=_place,
    pictures=("No pictures are made", "image", "class maps"),
    turn="run",
)
