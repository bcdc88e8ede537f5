"""Which masks of a viewer were corrected, and what they become for a retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_construct.teaching.strokes import Strokes
from napari_construct.types import LabelImage
from napari_construct.widgets.layers import Decided, corrected_planes


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """A corrected plane of an image.

    Attributes
    ----------
    name : str
        Of the layer of the mask, with the plane of a stack.
    decided : Decided
        What the mask was decided from.
    painted : ndarray
        (h, w) uint8, a copy: painted labels, 0 elsewhere.
    """

    name: str
    decided: Decided
    painted: LabelImage

    @property
    def model(self) -> str:
        """Name or path of its model; empty for one without training."""
        return self.decided.model if isinstance(self.decided.model, str) else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the labels."""
        return self.decided.predictor.classes.names

    @property
    def counts(self) -> dict[str, int]:
        """Painted pixels of each class that was painted; others were erased, or are no class."""
        pixels = np.bincount(self.painted.ravel(), minlength=len(self.classes) + 1).tolist()
        return {name: pixels[i] for i, name in enumerate(self.classes, start=1) if pixels[i]}

    def strokes(self) -> Strokes:
        """For a retraining; values that are no class are left out."""
        known = np.where(self.painted <= len(self.classes), self.painted, 0).astype(np.uint8)
        decided = self.decided
        return Strokes(
            decided.plane.name,
            decided.activation.image,
            known,
            decided.activation.mpp,
            source=decided.plane.path,
        )


def gather(layers: Sequence[Any]) -> tuple[Corrected, ...]:
    """The corrected planes of all masks; a mask and its refined one are one, where the later one counts."""
    found: dict[int, Corrected] = {}
    for layer in layers:
        for plane in corrected_planes(layer):
            key, decided = id(plane.decided), plane.decided
            at = "".join(f" [{index}]" for index in decided.at)
            painted = plane.painted
            if key in found:
                painted = np.where(painted > 0, painted, found[key].painted).astype(np.uint8)
            one = Corrected(f"{layer.name}{at}", decided, painted)
            if one.counts:
                found[key] = one
    return tuple(found.values())
