"""Learn the weights of a dense CRF from masks.

There are two numbers to learn, so slopes are differences of three refinements in the fused form, on one
factorisation an image: a fraction of the time and memory that differentiating through all iterations takes
(:func:`~napari_construct.crf.lowrank.gradients.differentiable_mean_field` does that, for
gradients in every probability).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_construct.crf.base.inputs import ArrayLike, check
from napari_construct.crf.base.params import CRFParameters
from napari_construct.crf.base.progress import counted
from napari_construct.crf.factorisation import Factorisation
from napari_construct.crf.lowrank.meanfield import mean_field_steps
from napari_construct.events import run
from napari_construct.exceptions import InputError

MAX_WEIGHT = 1e4
LEAST = 1e-30
"""Probabilities are raised to this before the logarithm: one pixel costs at most 69 nats."""

SLOPE_STEP = 0.05
"""Difference of the logarithms of weights over which slopes are taken."""

WINDOW = 320
"""Side in pixels of the part of a larger image that is looked at."""

PATIENCE, ENOUGH = 6, 1e-3
"""Steps after which fitting ends if the loss has not fallen by this share of itself."""


_Case = tuple[Factorisation, Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class CRFFit:
    """Fitted parameters, and the mean negative log-likelihood (nats a pixel) at every step."""

    parameters: CRFParameters
    losses: tuple[float, ...]


def fit_crf(
    images: Sequence[ArrayLike],
    probabilities: Sequence[ArrayLike],
    masks: Sequence[ArrayLike],
    initial: CRFParameters | None = None,
    *,
    steps: int = 20,
    learning_rate: float = 0.2,
    ignore: int | None = None,
) -> CRFFit:
    """Find the weights of both kernels under which masks are most likely.

    The logarithms of the two weights are fitted by Adam with slopes from finite differences; sigmas and
    iterations stay fixed. Of an image larger than 320 x 320 pixels, only the part of that size with the most
    borders between labels is used.

    Parameters
    ----------
    images : sequence of array or tensor
        (h, w, 3) uint8 RGB.
    probabilities : sequence of array or tensor
        (k, h, w) floating, one for every image.
    masks : sequence of array or tensor
        (h, w) integer labels from 0 to k - 1.
    initial : CRFParameters, optional
        Initial parameters; weights of 0 start at 0.1.
    steps : int
        Most optimiser steps, each over all images; fitting ends earlier if the loss stays constant.
    learning_rate : float
        Of Adam, in units of the logarithm of the weights.
    ignore : int, optional
        Mask value that is left out of the likelihood.

    Returns
    -------
    CRFFit
        The parameters of the step with the smallest loss.

    Raises
    ------
    InputError
        If the lists differ in length or are empty, or masks do not fit their images.
    """
    initial = CRFParameters() if initial is None else initial
    if not (len(images) == len(probabilities) == len(masks) > 0):
        raise InputError(
            "expected as many images as probabilities and masks, at least one of each, got "
            f"{len(images)}, {len(probabilities)} and {len(masks)}"
        )
    cases = [_case(*case, initial, ignore) for case in zip(images, probabilities, masks, strict=True)]
    start = [max(0.1, w) for w in (initial.smoothness_weight, initial.appearance_weight)]
    logs = torch.tensor([math.log(w) for w in start], dtype=torch.float64)
    optimiser = torch.optim.Adam([logs], lr=learning_rate)
    losses: list[float] = []
    seen: list[list[float]] = []
    for _ in range(max(1, steps)):
        seen.append(_weights(logs))
        losses.append(_loss(cases, seen[-1], initial.iterations))
        if len(losses) > PATIENCE and min(losses[-PATIENCE:]) > (1 - ENOUGH) * min(losses[:-PATIENCE]):
            break
        logs.grad = torch.stack(
            [
                torch.tensor(_loss(cases, _weights(logs + offset), initial.iterations) - losses[-1])
                for offset in SLOPE_STEP * torch.eye(2, dtype=torch.float64)
            ]
        ).to(logs.dtype)
        logs.grad /= SLOPE_STEP
        optimiser.step()
    smoothness, appearance = seen[min(range(len(losses)), key=losses.__getitem__)]
    weights = {"smoothness_weight": smoothness, "appearance_weight": appearance}
    return CRFFit(CRFParameters.model_validate(initial.model_dump() | weights), tuple(losses))


def _case(
    image: ArrayLike, probabilities: ArrayLike, mask: ArrayLike, parameters: CRFParameters, ignore: int | None
) -> _Case:
    """Factorisation, probabilities (1, k, h, w), target (1, h, w), and which pixels count."""
    inputs = check(image, probabilities)
    target = torch.as_tensor(mask).to(inputs.probabilities.device, torch.long)[None]
    k = inputs.probabilities.shape[1]
    known = torch.ones_like(target, dtype=torch.bool) if ignore is None else target != ignore
    if inputs.batched or target.shape[1:] != inputs.probabilities.shape[2:]:
        raise InputError(
            f"expected single images with masks of their size, got image {tuple(image.shape)} and mask "
            f"{tuple(mask.shape)}; resize the mask with nearest neighbours"
        )
    if not bool(known.any()):
        raise InputError("expected masks with labelled pixels, got only ignored ones; leave the image out")
    low, high = int(target[known].min()), int(target[known].max())
    if low < 0 or high >= k:
        raise InputError(
            f"expected mask values from 0 to {k - 1}, got {low} to {high}; name the value to ignore"
        )
    part = _window(target[0], known[0])
    pixels = inputs.image[:, *part].contiguous()
    made = Factorisation(pixels, parameters, accuracy="fast")
    return made, inputs.probabilities[:, :, *part].contiguous(), target[:, *part], known[:, *part]


def _window(target: Tensor, known: Tensor) -> tuple[slice, slice]:
    """The part of an image with the most borders between known labels, and most known pixels among equals."""
    h, w = target.shape
    if max(h, w) <= WINDOW:
        return slice(0, h), slice(0, w)

    def starts(n: int) -> list[int]:
        count = 1 + 2 * math.ceil(max(0, n - WINDOW) / WINDOW)
        return sorted({i * max(0, n - WINDOW) // max(1, count - 1) for i in range(count)})

    def worth(place: tuple[int, int]) -> tuple[int, int]:
        part = (slice(place[0], place[0] + WINDOW), slice(place[1], place[1] + WINDOW))
        label, counts = target[part], known[part]
        borders = (label[:, 1:] != label[:, :-1]) & counts[:, 1:] & counts[:, :-1]
        return int(borders.sum()), int(counts.sum())

    y, x = max(((y, x) for y in starts(h) for x in starts(w)), key=worth)
    return slice(y, min(h, y + WINDOW)), slice(x, min(w, x + WINDOW))


def _weights(logs: Tensor) -> list[float]:
    weights: list[float] = logs.detach().exp().clamp_max(MAX_WEIGHT).tolist()
    return weights


def _loss(cases: Sequence[_Case], weights: Sequence[float], iterations: int) -> float:
    """Mean negative log-likelihood of the known pixels of all images, nats."""
    total, count = 0.0, 0
    for made, probabilities, target, known in cases:
        steps = mean_field_steps(made.kernels[0], probabilities, (weights[0], weights[1]), iterations)
        refined, _ = run(counted(steps, iterations))
        picked = refined.gather(1, target.clamp(0, refined.shape[1] - 1)[:, None])[:, 0]
        total -= float(picked.clamp_min(LEAST).log().mul(known).sum())
        count += int(known.sum())
    return total / count
