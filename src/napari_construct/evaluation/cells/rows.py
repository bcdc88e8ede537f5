"""Rows of a report: models that differ in the seed only, and the baseline that belongs to a student."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from napari_construct.evaluation.cells.models import Kind, Training
from napari_construct.evaluation.cells.scores import CellModelScores


@dataclass(frozen=True, slots=True, eq=False)
class CellRow:
    """Models of one configuration.

    Attributes
    ----------
    name : str
        Distinct among the rows.
    kind : {"student", "baseline"}
        What they were named as.
    training : Training
        Of the first.
    models : tuple of CellModelScores
        One per seed.
    """

    name: str
    kind: Kind
    training: Training
    models: tuple[CellModelScores, ...]


def grouped(
    models: Sequence[CellModelScores], kinds: Sequence[Kind], trainings: Sequence[Training]
) -> tuple[CellRow, ...]:
    """Group seeds; a model whose file does not say how it was trained is a row of its own."""
    groups: dict[tuple[Kind, str], list[int]] = {}
    for i, (kind, training) in enumerate(zip(kinds, trainings, strict=True)):
        key = training.key if training.known else f"{i}"
        groups.setdefault((kind, key), []).append(i)
    rows: list[CellRow] = []
    for (kind, _), members in groups.items():
        chosen = tuple(models[i] for i in members)
        training = trainings[members[0]]
        name = _name([m.name for m in chosen], training)
        taken = {row.name for row in rows}
        numbered = (name, *(f"{name} {n}" for n in range(2, len(models) + 2)))
        rows.append(CellRow(next(n for n in numbered if n not in taken), kind, training, chosen))
    return tuple(rows)


def baseline_of(row: CellRow, rows: Sequence[CellRow]) -> tuple[CellRow | None, str]:
    """The baseline with the fewest other settings among those of the same encoder, and a doubt.

    Returns
    -------
    CellRow or None, str
        None without a baseline of this encoder. The sentence says in what else the two differ; it is empty
        where they differ in the teacher only.
    """
    fits = [r for r in rows if r.kind == "baseline" and r.training.encoder == row.training.encoder]
    if not fits:
        return None, ""
    best = min(fits, key=lambda r: len(row.training.differs(r.training)))
    if not (row.training.known and best.training.known):
        return best, (
            f"{row.name} and its baseline {best.name}: not both say how they were trained; the gain is of "
            "distillation only if they were trained alike"
        )
    differ = row.training.differs(best.training)
    if differ:
        return best, (
            f"{row.name} and its baseline {best.name} also differ in {', '.join(differ)}; the gain is not of "
            "distillation alone"
        )
    return best, ""


def _name(names: Sequence[str], training: Training) -> str:
    """Of one model its own; of several what their names share, or the encoder."""
    if len(names) == 1:
        return names[0]
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    shared = "".join(letters[0] for letters in alike).rstrip("0123456789").rstrip(" -_.")
    shared = shared.removesuffix("seed").rstrip(" -_.")
    return shared or training.encoder
