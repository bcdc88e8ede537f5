"""Calibrate a trained model again: on validation patches with labels, or on images with masks.

Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.mask_values import FirstClass
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Notice, Progress, Steps, merged, run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.calibration import Calibration, ViewsName
from napari_construct.training.calibration.fit_calibration import cross_fitted_f1, fit_calibration
from napari_construct.training.calibration.iou_offsets import iou_offsets, right_probabilities
from napari_construct.training.calibration.labelled_logits import LabelledLogits, labelled_logits_steps
from napari_construct.training.calibration.mask_choices import best_choices_steps
from napari_construct.training.calibration.masked_logits import masked_logits_steps
from napari_construct.training.calibration.validation import MaskedImages, open_masked
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.views.patches import PatchStore, load_patches
from napari_construct.types import PathLike


def recalibrate(
    checkpoint: Checkpoint,
    data: ImageLevelDataset | MaskedImages | PathLike,
    *,
    mpp: float | None = None,
    offsets: bool = False,
    encoder: Encoder | None = None,
    device: str = "auto",
    any_encoder: bool = False,
    first_class: FirstClass = "auto",
    mask_order: Sequence[str] | None = None,
    progress: Progress = None,
) -> Checkpoint:
    """Fit temperature, presence thresholds and optionally class offsets on validation data.

    On images with masks, it also measures whether four views and the dense CRF improve masks, and stores the
    result as the model's default.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model; it must not have been trained on ``data``.
    data : ImageLevelDataset, MaskedImages or path
        Patches with labels, or images with masks: a folder with ``img`` and ``mask``.
    mpp : float, optional
        Micrometres per pixel of the data, if files do not store it.
    offsets : bool
        Whether class offsets are fitted: by likelihood to patches, by mean intersection over union to
        masks. Otherwise those of the model are kept.
    encoder : Encoder, optional
        Encoder of the checkpoint, if the catalogue cannot load it.
    device : str
        "auto", "cpu", "cuda" ...
    any_encoder : bool
        Also accept an encoder with another hash. The result keeps the hash of the encoder it was trained
        with.
    first_class : {"auto", 0, 1}
        Value of the first class in the masks of a folder, see
        :func:`~napari_construct.data.mask_values.mask_reading`.
    mask_order : sequence of str, optional
        The classes in the order of the values of the masks of a folder; by default the model's order.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    Checkpoint
        The same weights; ``metrics["calibration_f1"]`` is the macro F1 of presence, each half of the patches
        with thresholds fitted on the other half.

    Raises
    ------
    ConfigurationError
        If the data has other classes than the model.
    DatasetError
        If the data cannot be used.
    """
    steps = recalibrate_steps(
        checkpoint,
        data,
        mpp=mpp,
        offsets=offsets,
        encoder=encoder,
        device=device,
        any_encoder=any_encoder,
        first_class=first_class,
        mask_order=mask_order,
    )
    return run(steps, progress)


def recalibrate_steps(
    checkpoint: Checkpoint,
    data: ImageLevelDataset | MaskedImages | PathLike,
    *,
    mpp: float | None = None,
    offsets: bool = False,
    encoder: Encoder | None = None,
    device: str = "auto",
    any_encoder: bool = False,
    first_class: FirstClass = "auto",
    mask_order: Sequence[str] | None = None,
    patches: PatchStore | None = None,
) -> Steps[Checkpoint]:
    """:func:`recalibrate` as a job.

    Parameters
    ----------
    patches : PatchStore, optional
        The patches of ``data`` where they were read before, as the model sees them (:func:`view_config`).

    Yields
    ------
    Event, Notice
        Stages "calibrate" and "read".
    """
    predictor = Predictor(checkpoint, device, encoder=encoder, any_encoder=any_encoder)
    if isinstance(data, ImageLevelDataset):
        truth = yield from _of_dataset(data, predictor, mpp, patches)
        used = {"patches": len(truth.pooled), "fingerprint": data.fingerprint}
        found = (
            _taken_over(predictor.calibration, fit_calibration(truth, offsets=True), truth)
            if offsets
            else _around_offsets(truth, predictor.calibration)
        )
    else:
        opened = data if isinstance(data, MaskedImages) else open_masked(data, mpp, first_class, mask_order)
        images = opened.read_as(predictor.classes)
        if images.reading is not None and images.reading.derived and not isinstance(data, MaskedImages):
            yield Notice("calibrate", 0, 0, images.reading.words)
        truth, found = yield from merged(_of_masks(images, predictor, offsets=offsets))
        used = {"images": len(images.pairs), "windows": len(truth.pooled)}
    metrics: dict[str, Any] = {**checkpoint.metrics, "calibration_f1": cross_fitted_f1(truth)}
    made = with_calibration(checkpoint, found, **used, offsets=offsets)
    return replace(made, metrics=metrics)


def with_calibration(checkpoint: Checkpoint, calibration: Calibration, **record: object) -> Checkpoint:
    """The checkpoint with another calibration but its own background rule; ``record`` describes the fit."""
    kept = calibration.model_copy(update={"background": checkpoint.calibration.background})
    return replace(
        checkpoint, calibration=kept, training={**checkpoint.training, "calibration": dict(record)}
    )


def view_config(predictor: Predictor, mpp: float | None) -> TrainingConfig:
    """Settings that rescale patches of ``mpp`` micrometres per pixel like the model's training patches."""
    checkpoint = predictor.checkpoint
    scale: dict[str, Any] = {"image_size": predictor.patch}
    if mpp is not None and checkpoint.mpp is not None:
        scale = {"patch_mpp": mpp, "mpp": checkpoint.mpp}
    return TrainingConfig(model=checkpoint.config, **scale)


def check_same_classes(
    data: ImageLevelDataset,
    names: Sequence[str],
    patches: str = "validation patches",
    owner: str = "the model",
) -> None:
    """Check that patches have the classes of a model.

    Parameters
    ----------
    data : ImageLevelDataset
        The patches.
    names : sequence of str
        The classes of the model, in order.
    patches, owner : str
        What both are called in the error.

    Raises
    ------
    ConfigurationError
        If they have others, or another order.
    """
    if data.class_names != tuple(names):
        raise ConfigurationError(
            f"expected {patches} with the classes {', '.join(names)}, as {owner} has, got "
            f"{', '.join(data.class_names)}; use the same classes in the same order"
        )


def _taken_over(calibration: Calibration, found: Calibration, truth: LabelledLogits) -> Calibration:
    """A calibration with newly fitted values; a class whose labels are all equal keeps its threshold."""
    said = (truth.labels.min(0) != truth.labels.max(0)).tolist()
    kept = calibration.presence_thresholds or found.presence_thresholds
    thresholds = zip(said, found.presence_thresholds, kept, strict=True)
    return calibration.model_copy(
        update={
            "temperature": found.temperature,
            "class_offsets": found.class_offsets,
            "presence_thresholds": tuple(new if fitted else old for fitted, new, old in thresholds),
        }
    )


def _around_offsets(truth: LabelledLogits, calibration: Calibration) -> Calibration:
    """A calibration with a new temperature and thresholds; its offsets shift the logits as far as before.

    They are added after the temperature, so they change with it.
    """
    shifts = calibration.temperature * np.array(calibration.class_offsets)
    if shifts.size:
        truth = replace(truth, cells=truth.cells + shifts.astype(truth.cells.dtype))
    found = fit_calibration(truth)
    kept = tuple((shifts / found.temperature).tolist())
    return _taken_over(calibration, found.model_copy(update={"class_offsets": kept}), truth)


def _of_masks(
    images: MaskedImages, predictor: Predictor, *, offsets: bool
) -> Steps[tuple[LabelledLogits, Calibration]]:
    """What a calibration is fitted on and what it comes to, for the views that suit the model."""

    def fit(views: ViewsName) -> Steps[tuple[LabelledLogits, Calibration]]:
        seen = predictor.calibrated(predictor.calibration.model_copy(update={"views": views}))
        truth = yield from masked_logits_steps(images, seen)
        if not offsets:
            return truth, _around_offsets(truth, seen.calibration)
        found = fit_calibration(truth)
        balance = iou_offsets(truth, found.temperature)
        temperature, balance = right_probabilities(truth, found.temperature, balance)
        found = found.model_copy(update={"temperature": temperature, "class_offsets": balance})
        return truth, _taken_over(seen.calibration, found, truth)

    before = predictor.calibration.views
    first: ViewsName = "one" if before == "four" else before
    truth, found = yield from fit(first)
    views, crf = yield from best_choices_steps(images, predictor.calibrated(found))
    if views != first:
        truth, found = yield from fit(views)
    return truth, found.model_copy(update={"crf": crf})


def _of_dataset(
    data: ImageLevelDataset, predictor: Predictor, mpp: float | None, patches: PatchStore | None
) -> Steps[LabelledLogits]:
    check_same_classes(data, predictor.classes.names)
    model: Any = predictor.network
    if patches is None:
        patches = yield from load_patches(data, view_config(predictor, mpp), predictor.spec)
    _, found = yield from labelled_logits_steps(model, patches, data.labels, predictor.device)
    return found
