"""How far the labelling of patches is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_construct.labelling.table import Labels


@dataclass(frozen=True, slots=True)
class LabelProgress:
    """How far the labelling is.

    Attributes
    ----------
    labelled, total, none : int
        Patches with labels, all patches, and those that show none of the classes.
    counts : tuple of (str, int)
        Patches by class.
    """

    labelled: int
    total: int
    none: int
    counts: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        parts = [f"{count} {name}" for name, count in self.counts if count]
        parts += [f"{self.none} none of them"] if self.none else []
        said = f"{self.labelled} of {self.total} labelled"
        return f"{said}: {', '.join(parts)}" if parts else said


def progress_of(labels: Sequence[Labels], names: Sequence[str]) -> LabelProgress:
    """Count the labels of patches, by the names of the classes."""
    known = [own for own in labels if own is not None]
    counts = [sum(i in own for own in known) for i in range(len(names))]
    none = sum(not own for own in known)
    return LabelProgress(len(known), len(labels), none, tuple(zip(names, counts, strict=True)))
