"""An honest running score: whole strokes are left out in turn and predicted from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_construct.events import Event, Steps
from napari_construct.teaching.cells import Cells, cells_at
from napari_construct.teaching.fit import Rows

FOLDS: Final = 5
LEAST_STROKES: Final = 2
"""Of a class, for a score: one is left out, another is learned from."""

STAGE: Final = "score"

Fit = Callable[[Rows], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How strokes of a class were predicted while they were left out.

    Attributes
    ----------
    name : str
        Of the class.
    recall : float or None
        Share of a stroke's cells that got its class, mean over strokes; None with fewer than two strokes.
    strokes, cells : int
        Number of painted strokes and cells.
    """

    name: str
    recall: float | None
    strokes: int
    cells: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores of strokes that were left out.

    Attributes
    ----------
    classes : tuple of ClassScore
        Of all classes of the model.
    """

    classes: tuple[ClassScore, ...]

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean recall of the classes that have one; None if fewer than two have."""
        found = [one.recall for one in self.classes if one.recall is not None]
        return float(np.mean(found)) if len(found) > 1 else None

    def as_record(self) -> list[dict[str, Any]]:
        """Plain JSON values."""
        return [asdict(one) for one in self.classes]


def strokes_of(
    painted: NDArray[np.uint8], cells: Cells, shape: tuple[int, int], stride: int
) -> NDArray[np.intp]:
    """Number of the stroke that each cell belongs to: strokes of a class are apart unless they touch.

    Parameters
    ----------
    painted : ndarray
        (h, w) uint8.
    cells : Cells
        Its cells.
    shape : tuple of int
        Rows and columns of the image at the model's resolution.
    stride : int
        Pixels per cell there.
    """
    y, x = np.nonzero(painted)
    if not len(y):
        return np.zeros(0, dtype=np.intp)
    box = (slice(y.min(), y.max() + 1), slice(x.min(), x.max() + 1))
    part = painted[box]
    numbers = np.zeros(part.shape, dtype=np.intp)
    first = 0
    for value in np.unique(part[part > 0]):
        found, count = ndimage.label(part == value, structure=np.ones((3, 3)))
        numbers[found > 0] = found[found > 0] + first
        first += count
    rows, columns = cells_at(y, x, (painted.shape[0], painted.shape[1]), shape, stride)
    across = -(-shape[1] // stride)
    home = np.searchsorted(cells.rows * across + cells.columns, rows * across + columns)
    stroke = np.zeros(len(cells), dtype=np.intp)
    own = painted[y, x] == cells.values[home]
    stroke[home[own]] = numbers[y - y.min(), x - x.min()][own] - 1
    return stroke


def held_out_score(
    rows: Rows, strokes: Int[Tensor, " n"], names: Sequence[str], fit: Fit, seed: int = 0
) -> Steps[HeldOut]:
    """Balanced accuracy and recall of strokes that are left out, in five folds.

    Parameters
    ----------
    rows : Rows
        Painted cells, and others to learn from.
    strokes : Tensor
        Number of the stroke of each cell; -1 where nothing was painted.
    names : sequence of str
        Of the classes.
    fit : callable
        From rows to weight and bias.
    seed : int
        Of the folds.

    Yields
    ------
    Event
        Stage "score", after every fold.
    """
    owners = _classes_of_strokes(rows, strokes)
    fold = _folds(owners, seed)
    right: dict[int, float] = {}
    for number in range(FOLDS):
        left_out = [stroke for stroke in owners if fold[stroke] == number]
        if left_out:
            outside = torch.isin(strokes, torch.tensor(left_out))
            weight, bias = fit(rows.part(torch.nonzero(~outside)[:, 0]))
            for stroke in left_out:
                own = rows.part(torch.nonzero(strokes == stroke)[:, 0])
                right[stroke] = _share(own, weight, bias)
        yield Event(STAGE, number + 1, FOLDS)
    found = []
    for i, name in enumerate(names):
        own_strokes = [stroke for stroke, owner in owners.items() if owner == i]
        scores = [right[stroke] for stroke in own_strokes if stroke in right]
        recall = float(np.mean(scores)) if scores else None
        found.append(ClassScore(name, recall, len(own_strokes), int((rows.targets == i).sum())))
    return HeldOut(tuple(found))


def _classes_of_strokes(rows: Rows, strokes: Tensor) -> dict[int, int]:
    numbers, first = np.unique(strokes.numpy(), return_index=True)
    pairs = zip(numbers.tolist(), rows.targets.numpy()[first].tolist(), strict=True)
    return {number: owner for number, owner in pairs if number >= 0}


def _folds(owners: dict[int, int], seed: int) -> dict[int, int]:
    """Fold of each stroke, -1 for one that is always learned from; folds share each class's strokes."""
    found: dict[int, int] = {}
    for owner in sorted(set(owners.values())):
        own = [stroke for stroke, one in owners.items() if one == owner]
        order = np.random.default_rng([seed, owner]).permutation(own).tolist()
        enough = len(own) >= LEAST_STROKES
        found |= {stroke: place % FOLDS if enough else -1 for place, stroke in enumerate(order)}
    return found


def _share(rows: Rows, weight: Float[Tensor, "c k"], bias: Float[Tensor, " k"]) -> float:
    best = (rows.base + rows.features @ weight + bias).argmax(1)
    return float((best == rows.targets).float().mean())
