"""Calibrate a trained model again: on validation patches with labels, or on images with masks.

Nothing is trained. Windows of a patch's size are cut from images with masks; a class counts as present
in a window if it has a twentieth of the pixels whose truth is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.inference.activation import Activation
from napari_construct.inference.predictor import Predictor, cam_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.tiling import spread
from napari_construct.models.calibration import Calibration
from napari_construct.models.checkpoint import Checkpoint
from napari_construct.models.pooling import pool_logits
from napari_construct.training.calibrate import cross_fitted_f1, fit_calibration
from napari_construct.training.config import TrainingConfig
from napari_construct.training.crf_choice import crf_helps_steps
from napari_construct.training.iou_offsets import iou_offsets
from napari_construct.training.labelled_logits import LabelledLogits, join, labelled_logits_steps
from napari_construct.training.patches import load_patches
from napari_construct.training.validation import MaskedImages, open_masked
from napari_construct.types import PathLike

PRESENT: Final = 0.05
"""Share of a window's known pixels from which a class counts as present."""

CELLS_OF_AN_IMAGE: Final = 4096


def recalibrate(
    checkpoint: Checkpoint,
    data: ImageLevelDataset | MaskedImages | PathLike,
    *,
    mpp: float | None = None,
    offsets: bool = False,
    encoder: Encoder | None = None,
    device: str = "auto",
    any_encoder: bool = False,
) -> Steps[Checkpoint]:
    """Fit temperature, presence thresholds and, if asked for, class offsets on validation data.

    Images with masks also tell whether the dense CRF makes masks better, which becomes the model's default.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model; it must not have been trained on ``data``.
    data : ImageLevelDataset, MaskedImages or path
        Patches with labels, or images with masks: a folder with ``img`` and ``mask``.
    mpp : float, optional
        Micrometres per pixel of the data, where files do not say it.
    offsets : bool
        Whether class offsets are fitted: by likelihood to patches, by mean intersection over union to
        masks. Those of the model are kept otherwise.
    encoder : Encoder, optional
        Of the checkpoint, where the catalogue cannot make it alone.
    device : str
        "auto", "cpu", "cuda" ...
    any_encoder : bool
        Take an encoder of another hash as well. The result keeps the hash of the encoder it was trained with.

    Yields
    ------
    Event
        Stages "calibrate" and "read".

    Returns
    -------
    Checkpoint
        The same weights; ``metrics["calibration_f1"]`` is the macro F1 of presence, each half of the
        patches judged by thresholds from the other half.

    Raises
    ------
    ConfigurationError
        If the data has other classes than the model.
    DatasetError
        If the data cannot be used.
    """
    predictor = Predictor(checkpoint, device, encoder=encoder, any_encoder=any_encoder)
    kept: dict[str, Any] = {
        "class_offsets": checkpoint.calibration.class_offsets,
        "crf": checkpoint.calibration.crf,
    }
    if isinstance(data, ImageLevelDataset):
        truth = yield from _of_dataset(data, predictor, mpp)
        used = {"patches": len(truth.pooled), "fingerprint": data.fingerprint}
        found = fit_calibration(truth, offsets=offsets)
        kept |= {"class_offsets": found.class_offsets} if offsets else {}
    else:
        images = data if isinstance(data, MaskedImages) else open_masked(data, mpp)
        truth = yield from masked_logits_steps(images, predictor)
        used = {"images": len(images.pairs), "windows": len(truth.pooled)}
        found = fit_calibration(truth)
        kept |= {"class_offsets": iou_offsets(truth, found.temperature)} if offsets else {}
        balanced = with_calibration(checkpoint, found.model_copy(update=kept))
        judged = Predictor(balanced, device, encoder=encoder, any_encoder=any_encoder)
        kept["crf"] = yield from crf_helps_steps(images, judged)
    found = found.model_copy(update=kept)
    metrics: dict[str, Any] = {**checkpoint.metrics, "calibration_f1": cross_fitted_f1(truth)}
    made = with_calibration(checkpoint, found, **used, offsets=offsets)
    return replace(made, metrics=metrics)


def with_calibration(checkpoint: Checkpoint, calibration: Calibration, **record: object) -> Checkpoint:
    """The checkpoint with another calibration but its own rule for glass; ``record`` is how it was found."""
    kept = calibration.model_copy(update={"background": checkpoint.calibration.background})
    return replace(
        checkpoint, calibration=kept, training={**checkpoint.training, "calibration": dict(record)}
    )


def view_config(predictor: Predictor, mpp: float | None) -> TrainingConfig:
    """Settings that show patches of ``mpp`` micrometres per pixel as the model's own patches were shown."""
    checkpoint = predictor.checkpoint
    scale: dict[str, Any] = {"image_size": predictor.patch}
    if mpp is not None and checkpoint.mpp is not None:
        scale = {"patch_mpp": mpp, "mpp": checkpoint.mpp}
    return TrainingConfig(model=checkpoint.config, **scale)


def masked_logits_steps(data: MaskedImages, predictor: Predictor) -> Steps[LabelledLogits]:
    """Logits of windows and cells of images with masks; mask values that are no class are left out."""
    parts = []
    for done, (image_path, mask_path) in enumerate(data.pairs):
        yield Event("calibrate", done, len(data.pairs), image_path.name)
        image, mask = read_image(image_path), read_mask(mask_path)
        if mask.shape != image.pixels.shape[:2]:
            raise DatasetError(
                f"{mask_path}: expected a mask of {image.pixels.shape[0]} x {image.pixels.shape[1]} pixels "
                f"as its image has, got {mask.shape[0]} x {mask.shape[1]}; check the pair"
            )
        settings = SegmentSettings(mpp=image.mpp or data.mpp)
        activation = yield from cam_steps(image.pixels, predictor, settings, name=image_path.name)
        parts.append(of_activation(activation, mask, predictor))
    yield Event("calibrate", len(data.pairs), len(data.pairs))
    known = [part for part in parts if len(part.cells)]
    if not known:
        raise DatasetError(
            f"expected masks with values from 0 to {len(predictor.classes) - 1}, got none; "
            "check the masks' values"
        )
    return join(known)


def of_activation(activation: Activation, mask: NDArray[np.uint8], predictor: Predictor) -> LabelledLogits:
    """Logits of one image's windows, and of up to ``CELLS_OF_AN_IMAGE`` of its cells."""
    k, rows, columns = activation.logits.shape
    # the pixel under the centre of each cell speaks for it
    centres = [
        np.minimum((np.arange(n) + 0.5) * side / cells, side - 1).astype(np.intp)
        for n, side, cells in zip((rows, columns), activation.shape, activation.cells, strict=True)
    ]
    truth = mask[np.ix_(*centres)].astype(np.intp)
    side = max(predictor.patch // activation.stride, 1)
    pooled, labels = _windows(activation, truth, (min(side, rows), min(side, columns)), predictor)
    inside = np.flatnonzero(truth.ravel() < k)
    inside = inside[:: max(1, -(-len(inside) // CELLS_OF_AN_IMAGE))]
    return LabelledLogits(
        pooled,
        labels,
        activation.logits.reshape(k, -1).T[inside],
        truth.ravel()[inside],
        np.zeros(len(inside), dtype=np.intp),
        np.zeros(1, dtype=np.intp),
    )


def _windows(
    activation: Activation, truth: NDArray[np.intp], size: tuple[int, int], predictor: Predictor
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    k = len(activation.logits)
    maps, pooling = torch.from_numpy(activation.logits), predictor.checkpoint.config.pooling
    pooled, labels = np.zeros((0, k)), np.zeros((0, k), dtype=np.uint8)
    for y in spread(truth.shape[0], size[0], 0):
        for x in spread(truth.shape[1], size[1], 0):
            box = slice(y, y + size[0]), slice(x, x + size[1])
            counts = np.bincount(truth[box].ravel(), minlength=k)[:k]
            if 2 * counts.sum() < truth[box].size:
                continue  # mostly unknown: its score would speak of what is not judged
            score = pool_logits(maps[None, :, *box], pooling)[0].double().numpy()
            pooled = np.concatenate([pooled, score[None]])
            labels = np.concatenate([labels, (counts >= PRESENT * counts.sum())[None].astype(np.uint8)])
    return pooled, labels


def _of_dataset(data: ImageLevelDataset, predictor: Predictor, mpp: float | None) -> Steps[LabelledLogits]:
    names = predictor.classes.names
    if data.class_names != names:
        raise ConfigurationError(
            f"expected validation patches with the classes {', '.join(names)}, as the model has, got "
            f"{', '.join(data.class_names)}; use the same classes in the same order"
        )
    config = view_config(predictor, mpp)
    model: Any = predictor.network
    patches = yield from load_patches(data, config, predictor.spec)
    _, found = yield from labelled_logits_steps(model, patches, data.labels, predictor.device)
    return found
