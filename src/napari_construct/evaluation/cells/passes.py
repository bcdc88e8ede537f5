"""One pass over the images for each model; an image counts when every model could be scored on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_construct.crossmodal.loop.validation import teacher_cells
from napari_construct.crossmodal.teachers.cached import Taught
from napari_construct.data.cells.dataset import CellDataset, CellItem
from napari_construct.data.channels.normalise import percentile_normalised
from napari_construct.evaluation.cells.overlays import CellExample, cell_example, chosen_images
from napari_construct.evaluation.cells.scores import CellImageScore, CellModelScores, scores_of_images
from napari_construct.events import Doubt, Event, Notice, Notices, Steps, of_image, without
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.inference.cells.predictor import CellPredictor
from napari_construct.inference.cells.segment import segment_cells_steps, student_channel
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.metrics.cells import cell_counts

Truth = Literal["drawn", "teacher"]


class Passes:
    """Scores of models and teacher on the images of a dataset.

    Parameters
    ----------
    dataset : CellDataset
        Images.
    taught : Taught or None
        What the teacher says of them.
    settings : CellSettings
        How cells are decided, of students and teacher alike.
    tolerance : float
        Pixels within which contours agree.
    passes : int
        How often the images are looked at, for the events.

    Attributes
    ----------
    truth : {"drawn", "teacher"}
        Drawn cells; the teacher's where there are none at all.
    failures : dict of int to (str, str)
        Images that could not be scored.
    notices : Notices
        Of all passes.

    Raises
    ------
    DatasetError
        If nobody drew cells and there is no teacher.
    """

    def __init__(
        self,
        dataset: CellDataset,
        taught: Taught | None,
        settings: CellSettings,
        tolerance: float,
        passes: int,
    ) -> None:
        self.dataset, self.taught, self.settings, self.tolerance = dataset, taught, settings, tolerance
        self.truth: Truth = "drawn" if any(dataset.has_truth) else "teacher"
        if self.truth == "teacher" and taught is None:
            raise DatasetError(
                f"expected images with drawn cells, got {len(dataset)} without; add label images, or name a "
                "teacher to compare with (--teacher)"
            )
        every = range(len(dataset))
        known = self.truth == "teacher"
        self.indices = [i for i in every if known or dataset.has_truth[i]]
        self.failures: dict[int, tuple[str, str]] = {}
        self.notices = Notices()
        self._said: set[str] = set()
        self._done, self._total = 0, passes * len(self.indices)

    def model_steps(self, predictor: CellPredictor) -> Steps[dict[int, CellImageScore]]:
        """Score one student.

        Yields
        ------
        Event
            Stage "images", one an image, with its name; notices.
        """
        scores: dict[int, CellImageScore] = {}
        for index in self.indices:
            name = self.dataset.names[index]
            yield self._event(name)
            if index in self.failures:
                continue
            clock = time.perf_counter()
            try:
                item, truth = self._item(index)
                found = yield from self._told(self._cells(item, predictor, name), name)
                counts = cell_counts(truth, found, self.tolerance)
            except (InputError, DatasetError) as error:
                yield self._failed(index, error)
                continue
            scores[index] = CellImageScore(name, counts, time.perf_counter() - clock)
        return scores

    def teacher_steps(self) -> Steps[dict[int, CellImageScore]]:
        """Score the teacher; its stored outputs are used where there are any."""
        scores: dict[int, CellImageScore] = {}
        for index in self.indices:
            name = self.dataset.names[index]
            yield self._event(name)
            if index in self.failures or self.taught is None:
                continue
            try:
                _, truth = self._item(index)
                found = teacher_cells(self.taught[index], self.settings)
                scores[index] = CellImageScore(name, cell_counts(truth, found, self.tolerance))
            except (InputError, DatasetError) as error:
                yield self._failed(index, error)
        return scores

    def example_steps(
        self, predictor: CellPredictor, scores: dict[int, CellImageScore], most: int
    ) -> Steps[tuple[CellExample, ...]]:
        """Pictures of the worst, median and best images of a student, which is run on them again."""
        indices = sorted(scores)
        dice = [one["dice"] for one in scores_of_images(_model([scores[i] for i in indices]))]
        found: list[CellExample] = []
        for place, which in chosen_images(dice, most):
            index, score = indices[place], dice[place]
            name = self.dataset.names[index]
            item, truth = self._item(index)
            cells = yield from without(self._cells(item, predictor, name), lambda _: True)
            plane = item.image.pixels[student_channel(item.image, self.settings.channel, name)]
            shown, told = percentile_normalised(plane), "drawn" if self.truth == "drawn" else "teacher"
            found.append(cell_example(name, which, score or 0.0, shown, truth, cells, told))
        return tuple(found)

    def shared(self, scores: Sequence[dict[int, CellImageScore]]) -> list[int]:
        """Images that all could be scored on.

        Raises
        ------
        DatasetError
            If there are none.
        """
        both = [i for i in self.indices if all(i in one for one in scores)]
        if not both:
            reasons = self.notices.texts()
            raise DatasetError(
                "expected at least one image that can be scored, got none"
                + (f": {reasons[0]}" if reasons else "; check the images")
            )
        return both

    def _item(self, index: int) -> tuple[CellItem, NDArray[np.int32]]:
        item = self.dataset.load(index)
        if self.truth == "drawn":
            if item.truth is None:
                raise InputError(
                    f"{self.dataset.names[index]}: expected drawn cells, got none; the file has changed"
                )
            return item, item.truth
        if self.taught is None:
            raise DatasetError("expected a teacher, got none; name one")
        return item, teacher_cells(self.taught[index], self.settings)

    def _cells(self, item: CellItem, predictor: CellPredictor, name: str) -> Steps[NDArray[np.int32]]:
        result = yield from segment_cells_steps(item.image, predictor, self.settings, name=name)
        if result.instances is None:
            raise InputError(f"{name}: expected numbered cells, got none; use a model for channels")
        return result.instances

    def _told(self, steps: Steps[NDArray[np.int32]], name: str) -> Steps[NDArray[np.int32]]:
        """The same job; what an earlier model was told of an image is left out."""

        def before(notice: Notice) -> bool:
            told = notice.message in self._said
            self._said.add(notice.message)
            if not told:
                self.notices.add(notice)
            return told

        return without(of_image(steps, name), before)

    def _event(self, name: str) -> Event:
        self._done += 1
        return Event("images", self._done - 1, self._total, name)

    def _failed(self, index: int, error: Exception) -> Notice:
        name = self.dataset.names[index]
        self.failures[index] = name, str(error)
        notice = Notice("images", self._done, self._total, Doubt(error), image=name)
        self.notices.add(notice)
        return notice


def _model(images: Sequence[CellImageScore]) -> CellModelScores:
    return CellModelScores("", None, {}, tuple(images))
