"""Score a model on images with masks, in two columns.

*Predicted labels*: the model decides which classes an image holds, as for any user. *Oracle labels*:
the classes of the mask are given, as in the literature's tables. The network runs once for both.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_construct.data.images import read_image
from napari_construct.data.masks import pair_by_stem, read_mask
from napari_construct.evaluation.report import EvaluationReport, ImageScore
from napari_construct.events import Event, Notice, Steps, run
from napari_construct.exceptions import ConfigurationError, ConstructError, DatasetError, InputError
from napari_construct.inference.predictor import DEFAULT_MODEL, Predictor, cam_steps, finish, load_model
from napari_construct.inference.record import model_record
from napari_construct.inference.settings import SegmentSettings
from napari_construct.metrics.segmentation import confusion_matrix
from napari_construct.models.versions import software_versions
from napari_construct.types import PathLike


def evaluate_steps(
    pairs: Iterable[tuple[Path, Path]],
    predictor: Predictor,
    settings: SegmentSettings | None = None,
    *,
    ignore: Collection[int] = (),
) -> Steps[EvaluationReport]:
    """Score a model as a job.

    Parameters
    ----------
    pairs : iterable of (Path, Path)
        Image and mask; in masks, value ``i`` is class ``i`` of the model.
    predictor : Predictor
        The model.
    settings : SegmentSettings, optional
        As for a segmentation; ``classes`` must be None, because the two columns decide them.
    ignore : collection of int
        Mask values that are left out of scores, beside the classes the table marks as ignored.

    Yields
    ------
    Event
        Stage "images", one per image, with its name; stage "tiles" in between; ``Notice`` of each image.

    Returns
    -------
    EvaluationReport
        Images that cannot be read or do not fit their mask are named in its ``failures``.

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
    left_out = frozenset(ignore) | {i for i, c in enumerate(predictor.classes) if c.ignored}
    pairs, clock = list(pairs), time.perf_counter()
    scores: list[ImageScore] = []
    failures: list[tuple[str, str]] = []
    notices: list[str] = []
    for done, (image, mask) in enumerate(pairs):
        yield Event("images", done, len(pairs), image.name)
        try:
            score, said = yield from _score(image, mask, predictor, settings, left_out)
        except ConstructError as error:
            failures.append((str(image), str(error)))
            yield Notice("images", done, len(pairs), str(error))
            continue
        scores.append(score)
        notices.extend(said)
    yield Event("images", len(pairs), len(pairs))
    if not scores:
        first = f": {failures[0][1]}" if failures else ""
        raise DatasetError(f"expected at least one image that can be scored, got none{first}")
    return EvaluationReport(
        classes=predictor.classes,
        images=tuple(scores),
        failures=tuple(failures),
        notices=tuple(notices),
        record={
            "software": software_versions(),
            "model": model_record(predictor),
            "settings": settings.model_dump(mode="json"),
            "ignore": sorted(left_out),
            "device": str(predictor.device),
            "seconds": time.perf_counter() - clock,
        },
    )


def evaluate(
    images: PathLike,
    masks: PathLike,
    model: PathLike | Predictor = DEFAULT_MODEL,
    settings: SegmentSettings | None = None,
    *,
    ignore: Collection[int] = (),
    **changes: Any,
) -> EvaluationReport:
    """Score a model on a folder of images and a folder of masks with the same names.

    Parameters
    ----------
    images, masks : str or path
        Folders; files belong together by their names without suffix.
    model : str, path or Predictor
        Name of a bundled model, path of a ``.construct`` file, or a loaded model.
    settings : SegmentSettings, optional
        The defaults otherwise.
    ignore : collection of int
        Mask values that are left out, for example 4 for the white of BCSS.
    **changes
        Fields of the settings, for example ``crf=None``.

    Returns
    -------
    EvaluationReport
        ``report.predicted["miou"]``, ``report.oracle["iou"]``, ``report.to_json()``.
    """
    settings = (settings or SegmentSettings()).changed(**changes)
    pairs = pair_by_stem(images, masks)
    predictor = model if isinstance(model, Predictor) else load_model(model, device=settings.device)
    return run(evaluate_steps(pairs, predictor, settings, ignore=ignore))


def _score(
    image_path: Path,
    mask_path: Path,
    predictor: Predictor,
    settings: SegmentSettings,
    ignore: Collection[int],
) -> Steps[tuple[ImageScore, tuple[str, ...]]]:
    image, mask = read_image(image_path), read_mask(mask_path)
    if mask.shape != image.pixels.shape[:2]:
        raise InputError(
            f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels like "
            f"{image_path.name}, got {mask.shape[0]} x {mask.shape[1]}; make both the same size"
        )
    truth = _true_classes(mask, mask_path, predictor, ignore)
    clock, k = time.perf_counter(), len(predictor.classes)
    activation = yield from cam_steps(image.pixels, predictor, settings, mpp=image.mpp, name=image_path.name)
    predicted = finish(activation, predictor, settings)
    matrix = confusion_matrix(mask, predicted.labels, k, ignore)
    oracle = matrix
    names = tuple(name for name, there in zip(predictor.classes.names, truth, strict=True) if there)
    if names and predicted.presence != truth:
        with_oracle = finish(activation, predictor, settings.changed(classes=names))
        oracle = confusion_matrix(mask, with_oracle.labels, k, ignore)
    score = ImageScore(
        name=image_path.name,
        predicted=matrix,
        oracle=oracle,
        present=predicted.presence,
        truly_present=truth,
        presence_scores=predicted.presence_scores,
        seconds=time.perf_counter() - clock,
    )
    return score, image.notices + activation.notices


def _true_classes(
    mask: npt.NDArray[np.uint8], path: Path, predictor: Predictor, ignore: Collection[int]
) -> tuple[bool, ...]:
    values = set(np.unique(mask).tolist()) - set(ignore)
    k = len(predictor.classes)
    strange = sorted(v for v in values if v >= k)
    if strange:
        listed = ", ".join(map(str, strange[:5]))
        raise InputError(
            f"{path}: expected values from 0 to {k - 1} ({', '.join(predictor.classes.names)}), "
            f"got {listed}; if these are to be left out, ignore them (--ignore {strange[0]})"
        )
    return tuple(i in values for i in range(k))
