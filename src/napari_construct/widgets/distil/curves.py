"""What a distillation draws of its run."""

from __future__ import annotations

from typing import Final

from napari_construct.crossmodal.config import TERMS
from napari_construct.widgets.runs.progress import Curves

_WEIGHT: Final = "s "
"""How the names of learned weights begin, see ``crossmodal/objective/task.py``."""


def _place(name: str) -> tuple[str, str] | None:
    if name.startswith(_WEIGHT):
        return "weights", name
    if name == "loss":
        return "losses", "all"
    return ("losses", name) if name in TERMS else None


CURVES: Final = Curves(
    plots={
        "losses": ("Losses by step", "The terms of the loss, and what is minimised (all)"),
        "weights": (
            "Uncertainty weights s by step",
            "The learned s of each term: it counts exp(-s) times. They start at 0",
        ),
        "scores": ("Scores by round", "The student on held-out images (0 to 1), and the teacher's Dice"),
        "rate": ("Learning rate by step", "The learning rate of each step"),
    },
    scores={
        "dice": "Dice",
        "boundary_f1": "boundary F1",
        "ap50": "AP50",
        "teacher_dice": "teacher's Dice",
    },
    place=_place,
    pictures=(
        "The student's channel of a few images. Left: drawn cells or the teacher's. Right: the student's",
        "truth or teacher",
        "student",
    ),
    turn="round",
    columns=1,
)
