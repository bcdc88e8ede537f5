"""Order patches by what a model makes of them: its guess, or its doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from napari_construct.events import Event, Steps, as_part
from napari_construct.types import RGBImage

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor

Order: TypeAlias = Literal["cut", "guess", "doubt"]
"""As they were chosen; the likeliest of each class first, class by class; the most doubtful first."""

ORDERS: Final[tuple[Order, ...]] = ("cut", "guess", "doubt")


def presence_steps(
    patch: RGBImage, predictor: Predictor, *, mpp: float | None, name: str, event: Event
) -> Steps[tuple[float, ...]]:
    """Image-level probability of each of a model's classes in a patch.

    Parameters
    ----------
    patch : ndarray
        (h, w, 3) uint8 RGB.
    predictor : Predictor
        The model.
    mpp : float or None
        Micrometres per pixel of the patch.
    name : str
        Of the patch, for errors.
    event : Event
        What is yielded meanwhile.

    Raises
    ------
    InputError
        If the resolution is far from the model's.
    """
    from napari_construct.inference.activation.cams import cam_steps
    from napari_construct.inference.decision.evidence import glass_steps, image_scores

    activation = yield from as_part(cam_steps(patch, predictor, mpp=mpp, name=name), event)
    glass = yield from as_part(glass_steps(patch, predictor, None), event)
    return image_scores(activation, predictor, ~glass)


def ordered(guesses: Sequence[tuple[float, ...] | None], order: Order) -> tuple[int, ...]:
    """Indices of patches in an order; those without a guess come last, as they were cut.

    Parameters
    ----------
    guesses : sequence of tuple of float or None
        Probability of each class in each patch.
    order : {"cut", "guess", "doubt"}
        See :data:`Order`. The doubt of a patch is that of its most doubtful class.
    """
    numbers = range(len(guesses))
    if order == "cut":
        return tuple(numbers)
    key = _by_guess if order == "guess" else _by_doubt
    return tuple(sorted(numbers, key=lambda i: (key(guesses[i]), i)))


def doubt(guess: Sequence[float]) -> float:
    """0 (sure of every class) to 1 (of one class nothing is known)."""
    return max((1 - abs(2 * p - 1) for p in guess), default=0.0)


def _by_guess(guess: tuple[float, ...] | None) -> tuple[float, ...]:
    if not guess:
        return (1.0, 0.0, 0.0)
    best = max(range(len(guess)), key=lambda i: guess[i])
    return (0.0, float(best), -guess[best])


def _by_doubt(guess: tuple[float, ...] | None) -> tuple[float, ...]:
    return (1.0, 0.0) if not guess else (0.0, -doubt(guess))
