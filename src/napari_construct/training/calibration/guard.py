"""The guard against images unlike the training patches: made from patches, without training.

Its limits let most images of slides pass that it was not made from (:mod:`~.guard_limits`), and of
validation data, which is the tissue that the model is for (:mod:`~.guard_validation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Event, Progress, Steps, run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.guard import (
    USED_LEVELS,
    WINDOW,
    Guard,
    chosen_channels,
    fit_familiar,
    window_cells,
    window_features,
)
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.training.calibration.guard_limits import (
    UNKNOWN_SLIDES,
    evenly,
    left_out_distances,
    limits_of,
    slide_numbers,
    usual_limits,
)
from napari_construct.training.calibration.guard_validation import raised_steps
from napari_construct.training.calibration.validation import MaskedImages, open_masked
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.views.augmentation import augment, centre_view
from napari_construct.training.views.patches import PatchStore, load_patches
from napari_construct.types import PathLike

STAGE: Final = "guard"
"""Name of its events."""

MOST_PATCHES: Final = 300
"""Training patches that are looked at, evenly spread; each is seen in :data:`VIEWS` ways."""

LEAST_PATCHES: Final = 10
"""Fewer say nothing of what a model knows, and get no guard."""

VIEWS: Final = 4
"""Of a patch: as it is, softer, sharper, and in another stain, as scanners and laboratories differ."""

_WINDOWS: Final = 3
"""Windows of a view along each side; neighbours overlap by half."""

_SOFT: Final = 1.0
"""Standard deviation in pixels of the blur of a softer view; a sharper one is brighter by what it takes."""

_BATCH: Final = 16

_STAINS: Final = AugmentationConfig(
    crop_area=(1.0, 1.0),
    aspect=1.0,
    mosaic=0.0,
    stain_swap=0.0,
    grey=0.0,
    stain_gain=0.3,
    stain_offset=0.06,
    brightness=0.12,
    contrast=0.15,
)
"""Another stain and orientation, half as far as training goes: a wider one makes other tissues familiar. The
scale stays, and nothing comes from other patches: they would show a slide that is left out."""


def add_guard(
    checkpoint: Checkpoint,
    dataset: ImageLevelDataset,
    *,
    groups: Sequence[str] | None = None,
    mpp: float | None = None,
    val: ImageLevelDataset | MaskedImages | PathLike | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
    progress: Progress = None,
) -> Checkpoint:
    """Add a guard to a trained model, or replace the one that it has. Nothing is trained.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model.
    dataset : ImageLevelDataset
        Its training patches; labels are not used.
    groups : sequence of str, optional
        Slide or patient of every patch; by default those of the dataset's table.
    mpp : float, optional
        Micrometres per pixel of patches and validation data, if files do not store it.
    val : ImageLevelDataset, MaskedImages or path, optional
        Images of other slides that the model is for: patches, or images with masks (a folder with ``img``
        and ``mask``). The limits rise until 95 of 100 of them pass. Their labels are not used.
    encoder : Encoder, optional
        Encoder of the checkpoint, if the catalogue cannot load it.
    device : str
        "auto", "cpu", "cuda" ...
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Returns
    -------
    Checkpoint
        With the guard; without one where there are fewer than ten patches.
    """
    return run(
        add_guard_steps(checkpoint, dataset, groups=groups, mpp=mpp, val=val, encoder=encoder, device=device),
        progress,
    )


def add_guard_steps(
    checkpoint: Checkpoint,
    dataset: ImageLevelDataset,
    *,
    groups: Sequence[str] | None = None,
    mpp: float | None = None,
    val: ImageLevelDataset | MaskedImages | PathLike | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
) -> Steps[Checkpoint]:
    """:func:`add_guard` as a job."""
    predictor = Predictor(checkpoint, device, encoder=encoder)
    model: Any = predictor.network
    scale: dict[str, float | int] = {"image_size": int(checkpoint.training.get("patch", 0)) or 256}
    if mpp is not None and checkpoint.mpp is not None:
        scale = {"patch_mpp": mpp, "mpp": checkpoint.mpp}
    config = TrainingConfig.checked(model=checkpoint.config, **scale)
    patches = yield from load_patches(dataset, config, model.spec)
    guard = yield from guard_steps(model, patches, groups or dataset.groups, predictor.device)
    if guard is None or val is None:
        return replace(checkpoint, guard=guard)
    if isinstance(val, ImageLevelDataset):
        shown = yield from load_patches(val, config, model.spec, patches.view)
        guard = yield from raised_steps(guard, predictor, patches=shown, groups=val.groups)
    else:
        images = val if isinstance(val, MaskedImages) else open_masked(val, mpp)
        guard = yield from raised_steps(guard, predictor, images)
    return replace(checkpoint, guard=guard)


def guard_steps(
    model: PixelNetwork, patches: PatchStore, groups: Sequence[str] | None, device: torch.device
) -> Steps[Guard | None]:
    """Make the guard of a network; it is the same whenever network and patches are.

    Parameters
    ----------
    model : ConstructNet or UNet
        In any mode; runs in eval mode.
    patches : PatchStore
        The training patches.
    groups : sequence of str or None
        Slide or patient of every patch; None or empty where they are not known.
    device : torch.device
        Device of the model.

    Yields
    ------
    Event
        Stage "guard".
    """
    chosen = evenly(len(patches), MOST_PATCHES)
    if len(chosen) < LEAST_PATCHES:
        return None
    channels = chosen_channels(model.spec, USED_LEVELS)
    was_training = model.training
    model.eval()
    generator = torch.Generator().manual_seed(0)
    found = []
    try:
        for start in range(0, len(chosen), _BATCH):
            indices = chosen[start : start + _BATCH]
            found.append(_features(model, patches, indices, device, generator)[..., channels])
            yield Event(STAGE, min(start + _BATCH, len(chosen)), len(chosen))
    finally:
        model.train(was_training)
    features = torch.cat(found, 1).double().numpy()
    known = [groups[i] for i in chosen] if groups else None
    slides, count = slide_numbers([patches.paths[i].name for i in chosen], known)
    distances = left_out_distances(features, slides) * (1.0 if count else UNKNOWN_SLIDES)
    limits = usual_limits(limits_of(distances, slides), len(set(slides.tolist())))
    mean, whitening = fit_familiar(features.reshape(-1, features.shape[-1]))
    return Guard(USED_LEVELS, channels, mean, whitening, limits, len(chosen), count)


def _features(
    model: PixelNetwork,
    patches: PatchStore,
    indices: list[int],
    device: torch.device,
    generator: torch.Generator,
) -> Float[Tensor, "views b windows c"]:
    """Mean features of windows all over each patch, in every view; the first is the patch as it is."""
    raw, view = patches.batch(indices).to(device), patches.view
    plain = centre_view(raw, window=view.window, size=view.size)
    blurred = ndimage.gaussian_filter(plain.cpu().numpy(), (0, 0, _SOFT, _SOFT))
    soft = torch.from_numpy(blurred).to(device)
    sharp = (2 * plain - soft).clamp(0, 1)
    stained = augment(raw, _STAINS, window=view.window, size=view.size, generator=generator)
    return torch.stack([_of_windows(model, images) for images in (plain, soft, sharp, stained)])


def _of_windows(model: PixelNetwork, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b windows c"]:
    cell, window = model.spec.multiple, images.shape[-1] * WINDOW
    with torch.inference_mode():
        seen = model(images).student
    features = window_features(seen, USED_LEVELS, images, cell, window).cpu()
    cells = features.shape[1]
    side = window_cells(window, cell, cells)
    # the cells whose windows start at the border, in the middle, and end at the other border
    at = [(side - 1) // 2 + start for start in evenly(cells - side + 1, _WINDOWS)]
    return features[:, at][:, :, at].flatten(1, 2)
