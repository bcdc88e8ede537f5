"""Prepared images of a training set: kept in memory as far as it goes, prepared again beyond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.protocol import Teacher, TeacherOutput
from napari_construct.crossmodal.teacher_view import teacher_view
from napari_construct.crossmodal.views.prepared import Prepared, prepare
from napari_construct.data.cells.dataset import CellDataset, CellItem
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.training.randomness import seed_of


class ItemStore:
    """The images of a dataset, as the student is trained on them.

    Parameters
    ----------
    dataset : CellDataset
        Images.
    teacher : Teacher or None
        Is shown each image once; give one with a cache, so that it is once over all runs.
    config : DistilConfig
        Settings.

    Attributes
    ----------
    with_truth : frozenset of int
        Images whose drawn cells are used.

    Raises
    ------
    ConfigurationError
        If the terms ask for a teacher and there is none, or for drawn cells alone and nobody drew any.
    """

    def __init__(self, dataset: CellDataset, teacher: Teacher | None, config: DistilConfig) -> None:
        self.dataset, self.config = dataset, config
        self.teacher = teacher if config.uses_teacher else None
        if config.uses_teacher and teacher is None:
            raise ConfigurationError(
                f"expected a teacher for the terms {', '.join(config.terms)}, got none; name one (--teacher), or "
                "train on drawn cells alone (--no-kd)"
            )
        self.with_truth = frozenset(_chosen(dataset.has_truth, config) if "truth" in config.terms else ())
        if config.terms == ("truth",) and not self.with_truth:
            raise ConfigurationError(
                "expected images with drawn cells for training without a teacher, got none; add label images, or "
                "name a teacher (--teacher)"
            )
        # without a teacher, images without truth teach nothing
        used = range(len(dataset)) if self.teacher is not None else sorted(self.with_truth)
        self.indices: tuple[int, ...] = tuple(used)
        self._kept: dict[int, Prepared] = {}
        self._room = config.memory_limit_mb * 1_000_000

    def __len__(self) -> int:
        return len(self.indices)

    def read(self) -> Steps[None]:
        """Prepare all images once, which shows each to the teacher.

        Yields
        ------
        Event
            Stage "teach", or "read" without a teacher.
        """
        stage = "read" if self.teacher is None else "teach"
        for done, index in enumerate(self.indices):
            yield Event(stage, done, len(self), self.dataset.names[index])
            self._prepared(index)
        yield Event(stage, len(self), len(self))

    def __getitem__(self, place: int) -> Prepared:
        return self._prepared(self.indices[place])

    def output(self, index: int) -> TeacherOutput | None:
        """What the teacher says of an image of the dataset; None without a teacher."""
        return None if self.teacher is None else taught(self.dataset, index, self.teacher, self.config)[1]

    def _prepared(self, index: int) -> Prepared:
        if index in self._kept:
            return self._kept[index]
        name = self.dataset.names[index]
        if self.teacher is None:
            item, output = self.dataset.load(index), None
        else:
            item, output = taught(self.dataset, index, self.teacher, self.config)
        if index not in self.with_truth:
            item = CellItem(item.image)
        found = prepare(item, output, self.config, name)
        if found.bytes <= self._room:
            self._room -= found.bytes
            self._kept[index] = found
        return found


def taught(
    dataset: CellDataset, index: int, teacher: Teacher, config: DistilConfig
) -> tuple[CellItem, TeacherOutput]:
    """An image of a dataset, and what a teacher says of it."""
    item, name = dataset.load(index), dataset.names[index]
    view = teacher_view(
        item.image, teacher.spec, config.teacher_channels, name, low=config.low, high=config.high
    )
    return item, teacher.predict(view)


def _chosen(has_truth: Sequence[bool], config: DistilConfig) -> list[int]:
    """Images whose truth is used: all, or as many as the budget allows, drawn by the seed."""
    there = [i for i, known in enumerate(has_truth) if known]
    if config.truth_images is None or config.truth_images >= len(there):
        return there
    order = np.random.default_rng(seed_of(config.seed, "truth", 0)).permutation(len(there))
    return sorted(there[i] for i in order[: config.truth_images])
