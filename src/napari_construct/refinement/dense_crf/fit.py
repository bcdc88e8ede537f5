"""Learns the weights of a dense CRF from masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_construct.exceptions import InputError
from napari_construct.refinement.dense_crf.factorisation import Factorisation
from napari_construct.refinement.dense_crf.inputs import ArrayLike, check
from napari_construct.refinement.dense_crf.meanfield import differentiable_mean_field
from napari_construct.refinement.dense_crf.params import CRFParameters

MAX_WEIGHT = 1e4


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

    The mean field is differentiated through its iterations; both kernels are symmetric, so a backward
    step costs as much as a forward step. The logarithms of the two weights are fitted by Adam; the
    sigmas and the number of iterations stay as they are.

    Parameters
    ----------
    images : sequence of array or tensor
        (h, w, 3) uint8 RGB.
    probabilities : sequence of array or tensor
        (k, h, w) floating, one for every image.
    masks : sequence of array or tensor
        (h, w) integer labels from 0 to k - 1.
    initial : CRFParameters, optional
        Where to start; weights of 0 start at 0.1.
    steps : int
        Optimiser steps, each over all images.
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
    logs = torch.tensor([math.log(w) for w in start], requires_grad=True)
    optimiser = torch.optim.Adam([logs], lr=learning_rate)
    losses: list[float] = []
    seen: list[list[float]] = []
    for _ in range(max(1, steps)):
        optimiser.zero_grad()
        total = sum(int(known.sum()) for *_, known in cases)
        loss = 0.0
        for case in cases:
            part = _negative_log_likelihood(*case, logs.exp(), initial.iterations) / total
            part.backward()  # type: ignore[no-untyped-call]
            loss += float(part.detach())
        losses.append(loss)
        seen.append(logs.detach().exp().clamp_max(MAX_WEIGHT).tolist())
        optimiser.step()
    smoothness, appearance = seen[min(range(len(losses)), key=losses.__getitem__)]
    weights = {"smoothness_weight": smoothness, "appearance_weight": appearance}
    return CRFFit(CRFParameters.model_validate(initial.model_dump() | weights), tuple(losses))


def _case(
    image: ArrayLike, probabilities: ArrayLike, mask: ArrayLike, parameters: CRFParameters, ignore: int | None
) -> tuple[Factorisation, Tensor, Tensor, Tensor]:
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
    return Factorisation(inputs.image, parameters, accuracy="auto"), inputs.probabilities, target, known


def _negative_log_likelihood(
    made: Factorisation,
    probabilities: Tensor,
    target: Tensor,
    known: Tensor,
    weights: Tensor,
    iterations: int,
) -> Tensor:
    log_q = differentiable_mean_field(
        made.lattices[0], probabilities, (weights[0], weights[1]), iterations, logarithm=True
    )
    picked = log_q.gather(1, target.clamp_min(0).clamp_max(log_q.shape[1] - 1)[:, None])[:, 0]
    return -(picked * known).sum()
