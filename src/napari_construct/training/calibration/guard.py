"""The guard against images unlike the training patches: made from patches, without training.

Its limits let 95 of 100 images of slides pass that it was not made from: each slide (patient) is left out in
turn, and its patches stand for images of one, four and sixteen windows. Where slides are not known, runs of
the sorted names stand in for them, as names mostly begin with the slide, and the limits are raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Event, Progress, Steps, run
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.guard import (
    SIZES,
    WINDOW,
    Guard,
    chosen_channels,
    fit_gaussian,
    used_levels,
    window_features,
)
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.views.augmentation import augment, centre_view
from napari_construct.training.views.patches import PatchStore, load_patches

STAGE: Final = "guard"
"""Name of its events."""

MOST_PATCHES: Final = 300
"""Training patches that are looked at, evenly spread; each is seen in :data:`VIEWS` ways."""

LEAST_PATCHES: Final = 10
"""Fewer say nothing of what a model knows, and get no guard."""

VIEWS: Final = 4
"""Of a patch: its middle with surroundings and its corner without, as it is and in another stain."""

FOLDS: Final = 10
"""Most parts that are left out in turn."""

RUNS: Final = 5
"""Runs of the sorted names that stand in for slides."""

KEPT: Final = 0.95
"""Share of the images of slides left out that the limits let pass."""

UNKNOWN_SLIDES: Final = 1.35
"""Factor of the limits where slides are not known: neighbours of one slide are in other runs then."""

_BATCH: Final = 16

_STAINS: Final = AugmentationConfig(
    crop_area=(1.0, 1.0),
    aspect=1.0,
    mosaic=0.0,
    stain_swap=0.0,
    grey=0.0,
    stain_gain=0.6,
    stain_offset=0.12,
    brightness=0.25,
    contrast=0.3,
)
"""Another stain, scanner and orientation. The scale stays, and nothing comes from other patches: they would
show a slide that is left out."""

_DRAWS: Final = 200
"""Images that are put together of the patches of each slide, for every size."""


def add_guard(
    checkpoint: Checkpoint,
    dataset: ImageLevelDataset,
    *,
    groups: Sequence[str] | None = None,
    mpp: float | None = None,
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
        Micrometres per pixel of the patches, if files do not store it.
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
        add_guard_steps(checkpoint, dataset, groups=groups, mpp=mpp, encoder=encoder, device=device), progress
    )


def add_guard_steps(
    checkpoint: Checkpoint,
    dataset: ImageLevelDataset,
    *,
    groups: Sequence[str] | None = None,
    mpp: float | None = None,
    encoder: Encoder | None = None,
    device: str = "auto",
) -> Steps[Checkpoint]:
    """:func:`add_guard` as a job."""
    place = resolve_device(device)
    model = build_from_checkpoint(checkpoint, encoder).to(place)
    scale: dict[str, float | int] = {"image_size": int(checkpoint.training.get("patch", 0)) or 256}
    if mpp is not None and checkpoint.mpp is not None:
        scale = {"patch_mpp": mpp, "mpp": checkpoint.mpp}
    config = TrainingConfig.checked(model=checkpoint.config, **scale)
    patches = yield from load_patches(dataset, config, model.spec)
    guard = yield from guard_steps(model, patches, groups or dataset.groups, place)
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
    chosen = np.unique(np.linspace(0, len(patches) - 1, min(MOST_PATCHES, len(patches))).round().astype(int))
    if len(chosen) < LEAST_PATCHES:
        return None
    spec = model.spec
    levels = used_levels(spec)
    channels = chosen_channels(spec, levels)
    was_training = model.training
    model.eval()
    generator = torch.Generator().manual_seed(0)
    found = []
    try:
        for start in range(0, len(chosen), _BATCH):
            indices = chosen[start : start + _BATCH].tolist()
            found.append(_features(model, patches, indices, levels, device, generator)[..., channels])
            yield Event(STAGE, min(start + _BATCH, len(chosen)), len(chosen))
    finally:
        model.train(was_training)
    features = torch.cat(found, 1).double().numpy()
    known = [groups[i] for i in chosen] if groups else None
    slides, count = _slides([patches.paths[i].name for i in chosen], known)
    distances = _left_out_distances(features, slides) * (1.0 if count else UNKNOWN_SLIDES)
    limits = _limits(distances, slides)
    mean, whitening = fit_gaussian(features.reshape(-1, features.shape[-1]))
    return Guard(levels, channels, mean, whitening, limits, len(chosen), count)


def _features(
    model: PixelNetwork,
    patches: PatchStore,
    indices: list[int],
    levels: tuple[int, ...],
    device: torch.device,
    generator: torch.Generator,
) -> Float[Tensor, "views b c"]:
    """Mean features of each patch in every view; the first is its middle with surroundings."""
    raw, view = patches.batch(indices).to(device), patches.view
    plain = centre_view(raw, window=view.window, size=view.size)
    stained = augment(raw, _STAINS, window=view.window, size=view.size, generator=generator)
    return torch.stack(
        [
            _mean_features(model, images, levels, surrounded=surrounded)
            for images in (plain, stained)
            for surrounded in (True, False)
        ]
    )


def _mean_features(
    model: PixelNetwork, images: Float[Tensor, "b 3 s s"], levels: tuple[int, ...], *, surrounded: bool
) -> Float[Tensor, "b c"]:
    """In a slide a window has surroundings, at the border of an image it has none: both must be familiar."""
    cell, size = model.spec.multiple, images.shape[-1]
    border = cell if surrounded and size > cell else 0
    if border:
        images = F.pad(images, (border,) * 4, mode="reflect")
    with torch.inference_mode():
        seen = model(images).student
    shape = images.shape[-2], images.shape[-1]
    features = window_features(seen, levels, shape, cell, size * WINDOW).cpu()
    if not border:
        return features[:, 0, 0]
    rows, columns = features.shape[1:3]
    return features[:, (rows - 1) // 2, (columns - 1) // 2]


def _slides(names: list[str], groups: list[str] | None) -> tuple[NDArray[np.intp], int]:
    """Slide of every patch, and how many are known (0 where runs of the names stand in for them)."""
    if groups is not None and len(set(groups)) > 1:
        every, member = np.unique(np.array(groups), return_inverse=True)
        return member.astype(np.intp), len(every)
    order = np.argsort(np.array(names), kind="stable")
    part = np.empty(len(names), dtype=np.intp)
    part[order] = np.arange(len(names)) * RUNS // len(names)
    return part, 0


def _left_out_distances(features: NDArray[np.float64], slides: NDArray[np.intp]) -> NDArray[np.float64]:
    """Distance of every patch, with its surroundings, from those of other slides."""
    d = features.shape[-1]
    part = _parts(slides)
    found = np.empty(len(slides))
    for number in np.unique(part):
        kept, left_out = part != number, part == number
        mean, whitening = fit_gaussian(features[:, kept].reshape(-1, d))
        guard = Guard((), torch.arange(d), mean, whitening, (1.0, 1.0, 1.0), 0)
        found[left_out] = guard.distances(torch.from_numpy(features[0, left_out])).numpy()
    return found


def _parts(slides: NDArray[np.intp]) -> NDArray[np.intp]:
    """Part of every patch: whole slides, dealt to the emptiest part, largest first."""
    sizes = np.bincount(slides)
    loads = np.zeros(min(FOLDS, len(sizes)))
    part = np.zeros(len(sizes), dtype=np.intp)
    for slide in np.argsort(-sizes, kind="stable"):
        part[slide] = loads.argmin()
        loads[part[slide]] += sizes[slide]
    return part[slides]


def _limits(distances: NDArray[np.float64], slides: NDArray[np.intp]) -> tuple[float, float, float]:
    """Median distance that most images of 1, 4, 16 windows of a slide keep; slides count by patches."""
    rng = np.random.default_rng(0)
    found = []
    for size in SIZES:
        medians: list[float] = []
        weights: list[int] = []
        for slide in np.unique(slides):
            own = distances[slides == slide]
            draws = [rng.choice(own, min(size, len(own)), replace=False) for _ in range(_DRAWS)]
            medians.extend(float(np.median(draw)) for draw in draws)
            weights.extend([len(own)] * _DRAWS)
        values = np.array(medians)
        order = np.argsort(values, kind="stable")
        below = np.cumsum(np.array(weights)[order]) / sum(weights)
        found.append(float(values[order[min(int(np.searchsorted(below, KEPT)), len(order) - 1)]]))
    one, four, sixteen = np.minimum.accumulate(found).tolist()
    return one, four, sixteen
