"""The mean field on a lattice, in a fused form for speed.

Two facts save work and digits. Labels compete: whatever all labels have in common cancels in the softmax,
so the messages of the k - 1 differences q_l - q_last serve as well as those of the k probabilities, and the
last label never gets one. The last is the label with the most probability in all, whatever the order given:
where a label competes with it, rounding is relative to their difference, and labels with the same
probabilities keep them. Messages are linear: after the first iteration only the change of the differences is
splatted and sliced, and its message added to the last one; rounding to bfloat16 is then relative to the
change, which falls tenfold within two iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from itertools import repeat

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.inputs import MIN_PROBABILITY
from napari_construct.crf.base.strips import one_thread, workers
from napari_construct.crf.lowrank.operators import Kernels, MeanFieldArrays, Strip

MAX_COMPARED = 16

PART_PIXELS = 1 << 20
"""Of an iteration, after which it can be cancelled: some tenths of a second."""

Refined = tuple[Float[Tensor, "b k h w"], UInt8[Tensor, "b h w"] | None]
"""Probabilities and, for up to 16 labels, the index of the largest."""


def mean_field_steps(
    kernels: Kernels,
    probabilities: Float[Tensor, "b k h w"],
    weights: tuple[float, float],
    iterations: int,
) -> Generator[bool, None, Refined]:
    """Refine probabilities, yielding True after every iteration, and False within those of large images.

    Nothing is held while it yields. ``weights`` are those of the smoothness and the appearance kernel.
    """
    b, k, h, w = probabilities.shape
    if k == 1:
        yield from repeat(True, iterations)
        return torch.ones_like(probabilities), probabilities.new_zeros(b, h, w, dtype=torch.uint8)
    given = probabilities.detach()
    if not iterations:
        q = given.clamp(MIN_PROBABILITY, 1.0)
        return q / q.sum(1, keepdim=True), None
    # sorted by weight, so that the result does not depend on the order in which labels are given
    with one_thread():
        order = given.sum((2, 3)).argsort(dim=1, stable=True)
    out = torch.empty_like(given, memory_format=torch.contiguous_format)
    labels = out.new_empty(b, h, w, dtype=torch.uint8) if k <= MAX_COMPARED else None
    strips = kernels.strips(MeanFieldArrays(given.contiguous(), order, weights, out, labels))
    nodes = [kernels.new_nodes(k - 1) for _ in range(2)]
    size = max(2, PART_PIXELS * len(strips) // (b * h * w))
    parts = [strips[i : i + size] for i in range(0, len(strips), size)]

    def start(strip: Strip) -> None:
        strip.start(nodes)

    def step(strip: Strip, number: int, last: bool) -> None:
        strip.step(number, last)
        if last:
            strip.finish()

    for number in range(iterations):
        one: Callable[[Strip], None] = partial(step, number=number, last=number == iterations - 1)
        phases = [(work, part) for work in ([one] if number else [start, one]) for part in parts]
        for i, (work, part) in enumerate(phases, start=1):
            # threads and the absence of gradients last for one part only
            with torch.no_grad(), workers(kernels.device) as run:
                for _ in run(work, part):
                    pass
            if i == len(phases) or len(parts) > 1:
                yield i == len(phases)
    kernels.free(*nodes)
    return out, labels
