"""Prepared images of a training set: kept in memory as far as it goes, prepared again beyond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_construct.crossmodal.config import NO_KD, DistilConfig, Term
from napari_construct.crossmodal.teachers.cached import Taught
from napari_construct.crossmodal.views.prepared import Prepared, prepare
from napari_construct.data.cells.dataset import CellDataset, CellItem
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.training.randomness import seed_of


class ItemStore:
    """The images of a dataset, as the network is trained on them.

    Parameters
    ----------
    dataset : CellDataset
        Images.
    taught : Taught or None
        What the teacher says of each of them; None trains on drawn cells alone.
    config : DistilConfig
        Settings.

    Attributes
    ----------
    with_truth : frozenset of int
        Images whose drawn cells are used.
    indices : tuple of int
        Images that are used: all, or without a teacher those with drawn cells.

    Raises
    ------
    ConfigurationError
        If the terms ask for a teacher and there is none, or for drawn cells alone and nobody drew any.
    """

    def __init__(self, dataset: CellDataset, taught: Taught | None, config: DistilConfig) -> None:
        if config.uses_teacher and taught is None:
            raise ConfigurationError(
                f"expected a teacher for the terms {', '.join(config.terms)}, got none; name one "
                "(--teacher), or train on drawn cells alone (--no-kd)"
            )
        self.dataset, self.config = dataset, config
        self.taught = taught if config.uses_teacher else None
        self.with_truth = frozenset(_chosen(dataset.has_truth, config) if "truth" in config.terms else ())
        if config.terms == NO_KD and not self.with_truth:
            raise ConfigurationError(
                "expected images with drawn cells for training without a teacher, got none; add label "
                "images, or name a teacher (--teacher)"
            )
        used = sorted(self.with_truth) if self.taught is None else range(len(dataset))
        self.indices: tuple[int, ...] = tuple(used)
        self._kept: dict[int, Prepared] = {}
        self._diameters: dict[int, float] = {}
        self._room = config.memory_limit_mb * 1_000_000

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def terms(self) -> tuple[Term, ...]:
        """Terms of which at least one image has something to say: truth only where cells were drawn."""
        return tuple(term for term in self.config.terms if term != "truth" or self.with_truth)

    def __getitem__(self, place: int) -> Prepared:
        return self._prepared(self.indices[place])

    @property
    def diameter(self) -> float | None:
        """Median over the images read so far of the diameter of their cells, in pixels of the student."""
        found = list(self._diameters.values())
        return float(np.median(found)) if found else None

    def read(self) -> Steps[None]:
        """Prepare all images once.

        Yields
        ------
        Event
            Stage "read".
        """
        for done, index in enumerate(self.indices):
            yield Event("read", done, len(self), self.dataset.names[index])
            self._prepared(index)
        yield Event("read", len(self), len(self))

    def _prepared(self, index: int) -> Prepared:
        if index in self._kept:
            return self._kept[index]
        item = self.dataset.load(index)
        if index not in self.with_truth:
            item = CellItem(item.image)
        output = None if self.taught is None else self.taught[index]
        found = prepare(item, output, self.config, self.dataset.names[index])
        if found.diameter is not None:
            self._diameters[index] = found.diameter
        if found.bytes <= self._room:
            self._room -= found.bytes
            self._kept[index] = found
        return found


def _chosen(has_truth: Sequence[bool], config: DistilConfig) -> list[int]:
    """Images whose truth is used: all, or as many as the budget allows, drawn by the seed."""
    there = [i for i, known in enumerate(has_truth) if known]
    if config.truth_images is None or config.truth_images >= len(there):
        return there
    order = np.random.default_rng(seed_of(config.seed, "truth", 0)).permutation(len(there))
    return sorted(there[i] for i in order[: config.truth_images])
