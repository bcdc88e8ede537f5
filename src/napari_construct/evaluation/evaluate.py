"""Score models on images with masks, in two columns.

*Predicted labels*: the model predicts which classes are present. *Oracle labels*: the classes present in the
mask are given, as in published tables. The network runs once per model and image; both columns, with and
without the dense CRF, use its output.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.mask_values import FirstClass, MaskReading, mask_reading
from napari_construct.data.masks import pair_by_stem
from napari_construct.evaluation.report.paper_tables import distilled
from napari_construct.evaluation.report.report import EvaluationReport
from napari_construct.evaluation.scores.examples import ExampleGallery
from napari_construct.evaluation.scores.image_score import ImageScore, score_image_steps
from napari_construct.evaluation.scores.model_scores import ModelScores
from napari_construct.evaluation.scores.models import ScoredModels
from napari_construct.events import Doubt, Event, Notice, Progress, Result, Steps, forward, of_image, run
from napari_construct.exceptions import ConfigurationError, ConstructError, DatasetError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.record import model_record
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.class_order import OrderDoubt, order_notice, other_reading
from napari_construct.metrics.first_class import other_first_class, zero_is_unlabelled
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.reading.name_lists import names_as_text
from napari_construct.types import PathLike


def evaluate_steps(
    pairs: Iterable[tuple[Path, Path]],
    models: Predictor | ScoredModels,
    settings: SegmentSettings | None = None,
    *,
    ignore: Collection[int] = (),
    first_class: FirstClass = "auto",
    mask_order: Sequence[str] | None = None,
    examples: int = 3,
) -> Steps[EvaluationReport]:
    """Score one model or several as a job.

    Parameters
    ----------
    pairs : iterable of (Path, Path)
        Image and mask.
    models : Predictor or ScoredModels
        One model, or several of the same classes whose scores are averaged.
    settings : SegmentSettings, optional
        As for a segmentation; ``classes`` must be None, because each column sets them.
    ignore : collection of int
        Mask values that are not scored, beside the classes marked as ignored in the table.
    first_class : {"auto", 0, 1}
        Value of the first class in the masks: 0; 1 where 0 is unlabelled; or found out
        (:func:`~napari_construct.data.mask_values.mask_reading`). ``record["masks"]`` says which was used.
    mask_order : sequence of str, optional
        The classes in the order of the masks' values; by default the models' order.
    examples : int
        Number of worst and of best images of the first model that are kept as thumbnails.

    Yields
    ------
    Event
        Stage "images", one per model and image, with its name; stages "tiles" and "refine" in between;
        ``Notice`` of each image. Closing the generator cancels within one tile or step of refinement.

    Returns
    -------
    EvaluationReport
        ``failures`` names images that cannot be read or do not match their mask.

    Raises
    ------
    DatasetError
        If no image could be scored.
    ConfigurationError
        If the settings name classes.
    """
    settings = settings or SegmentSettings()
    if settings.classes is not None:
        raise ConfigurationError(
            f"expected settings without classes, got {', '.join(settings.classes)}; an evaluation scores "
            "both the predicted classes and those of the masks"
        )
    models = models if isinstance(models, ScoredModels) else ScoredModels([models])
    settings = models.resolved(settings)
    pairs, clock = list(pairs), time.perf_counter()
    reading = mask_reading(
        [mask for _, mask in pairs],
        models.classes,
        first_class=first_class,
        ignore=ignore,
        order=mask_order,
    )
    if reading.derived:
        yield Notice("images", 0, len(pairs), reading.words)
    passes = _Passes(pairs, settings, reading, len(models))
    while passes.unscored:
        name, predictor = tuple(zip(models.names, models, strict=True))[len(passes.models)]
        if not passes.models:
            gallery = ExampleGallery(models.classes, examples)
        yield from passes.score_steps(name, predictor, None if passes.models else gallery)
        if reading.source == "assumed" and (why := zero_is_unlabelled(passes.values)):
            reading = reading.as_scores_say()
            said = f"{reading.words}: {why}"
            yield Notice("images", 0, len(pairs), said)
            passes = _Passes(pairs, settings, reading, len(models))  # all images again
            passes.notices[said] = None
    left_out = frozenset(ignore) | reading.ignored_classes
    total = len(pairs) * len(models)
    yield Event("images", total, total)
    scored = passes.scored(models)
    doubt, order = _doubt(passes.values, reading, mask_order)
    if order is not None:
        yield order
    if doubt:
        passes.notices[doubt] = None
        yield Notice("images", total, total, doubt)
    return EvaluationReport(
        classes=models.classes,
        models=scored,
        failures=tuple(passes.failures.values()),
        notices=tuple(passes.notices),
        record={
            "software": software_versions(),
            "model": scored[0].record,
            "settings": settings.model_dump(mode="json"),
            "ignore": sorted(left_out),
            "masks": reading.record,
            "device": str(predictor.device),
            "seconds": time.perf_counter() - clock,
        },
        worst=gallery.worst,
        best=gallery.best,
    )


def _doubt(
    values: NDArray[np.int64], reading: MaskReading, stated: Sequence[str] | None
) -> tuple[str, OrderDoubt | None]:
    """A sentence if the masks seem to mean other classes; nothing where their records name them."""
    if reading.source == "record":
        return "", None
    first, names = reading.first_class, reading.classes.names
    if stated is not None:
        return other_first_class(values, first), None
    shifted, found = other_reading(values, values[first : first + len(names)], first)
    if found is None:
        return shifted, None
    said, order = order_notice(found, names, first), tuple(names[i] for i in found.order)
    event = OrderDoubt("images", 1, 1, found=found, order=order, said=said)
    return Doubt(f"{said}; if so, read them so (--mask-order {names_as_text(order)})"), event


class _Passes:
    """One pass over the images for each model; an image counts when every model could be scored on it."""

    def __init__(
        self,
        pairs: Sequence[tuple[Path, Path]],
        settings: SegmentSettings,
        reading: MaskReading,
        passes: int,
    ) -> None:
        self.pairs, self.settings, self.reading, self.total = pairs, settings, reading, passes * len(pairs)
        self.models: list[tuple[dict[str, Any], dict[int, ImageScore]]] = []
        self.failures: dict[int, tuple[str, str]] = {}
        self.empty: set[int] = set()
        self.notices: dict[str, None] = {}  # in order, each once
        self._said: set[str] = set()

    def score_steps(self, name: str, predictor: Predictor, gallery: ExampleGallery | None) -> Steps[None]:
        done, scores = len(self.models) * len(self.pairs), {}
        for index, (image, mask) in enumerate(self.pairs):
            yield Event("images", done + index, self.total, image.name)
            if index in self.failures or index in self.empty:
                continue
            steps = score_image_steps(image, mask, predictor, self.settings, self.reading, gallery)
            try:
                score, said = yield from self._unsaid(of_image(steps, image.name))
            except ConstructError as error:
                self.failures[index] = str(image), str(error)
                yield Notice("images", done + index, self.total, Doubt(error))
                continue
            self.notices |= dict.fromkeys(said)
            if score is None:
                self.empty.add(index)
                yield Notice("images", done + index, self.total, said[0])
            else:
                scores[index] = score
        known = {"name": name, "distilled": distilled(predictor.checkpoint.training)}
        self.models.append((model_record(predictor) | known, scores))

    @property
    def unscored(self) -> bool:
        """Whether a model is left."""
        return len(self.models) * len(self.pairs) < self.total

    @property
    def values(self) -> NDArray[np.int64]:
        """(k + 1, k + 1) pixels by value of the masks and class that the first model predicted."""
        size = len(self.reading.classes) + 1
        counts = (score.values for score in self.models[0][1].values())
        return sum(counts, start=np.zeros((size, size), dtype=np.int64))

    def _unsaid(self, steps: Steps[Result]) -> Steps[Result]:
        """Pass a job on without the notices that an earlier model has given already."""

        def unsaid(event: Event) -> tuple[Event, ...]:
            if isinstance(event, Notice):
                if event.message in self._said:
                    return ()
                self._said.add(event.message)
            return (event,)

        return forward(steps, unsaid)

    def scored(self, models: ScoredModels) -> tuple[ModelScores, ...]:
        """Scores of every model on the images that all models could score."""
        shared = [i for i in range(len(self.pairs)) if all(i in scores for _, scores in self.models)]
        if not shared:
            reasons = [error for _, error in self.failures.values()] + list(self.notices)
            raise DatasetError(
                "expected at least one image that can be scored, got none"
                + (f": {reasons[0]}" if reasons else "; check the folders")
            )
        return tuple(
            ModelScores(name, record, tuple(scores[i] for i in shared))
            for name, (record, scores) in zip(models.names, self.models, strict=True)
        )


def evaluate(
    images: PathLike,
    masks: PathLike,
    model: PathLike | Predictor | Sequence[PathLike | Predictor] = DEFAULT_MODEL,
    settings: SegmentSettings | None = None,
    *,
    ignore: Collection[int] = (),
    first_class: FirstClass = "auto",
    mask_order: Sequence[str] | None = None,
    progress: Progress = None,
    device: str = "auto",
    **changes: Any,
) -> EvaluationReport:
    """Score a model, or several seeds of one, on a folder of images and a folder of masks.

    Parameters
    ----------
    images, masks : str or path
        Folders; files are paired by their names without suffix.
    model : str, path, Predictor, or sequence of these
        Name of a bundled model, path of a ``.construct`` file, or a loaded model. Scores of several are
        averaged and their standard deviation is reported.
    settings : SegmentSettings, optional
        The defaults otherwise.
    ignore : collection of int
        Mask values that are left out, for example 4 for the white of BCSS.
    first_class : {"auto", 0, 1}
        Value of the first class in the masks: 0; 1 where 0 is unlabelled; or found out.
    mask_order : sequence of str, optional
        The classes in the order of the masks' values; by default the model's order.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    device : str
        Device of the models.
    **changes
        Fields of the settings, for example ``crf=None``.

    Returns
    -------
    EvaluationReport
        ``report.predicted["miou"]``, ``report.oracle["iou"]``, ``report.to_dict()``,
        ``report.to_markdown()``, ``report.to_html()``.

    Raises
    ------
    DatasetError
        If a folder is missing, no names match, or no image could be scored.
    ConfigurationError
        If models differ in their classes, or settings contradict them.
    """
    checked = (settings or SegmentSettings()).changed(**changes)
    pairs = pair_by_stem(images, masks)
    single = isinstance(model, Predictor | str) or not isinstance(model, Sequence)
    models = ScoredModels([model] if single else model, device=device)  # type: ignore[list-item, arg-type]
    steps = evaluate_steps(
        pairs, models, checked, ignore=ignore, first_class=first_class, mask_order=mask_order
    )
    return run(steps, progress)
