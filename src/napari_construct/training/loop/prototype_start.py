"""Initial prototypes: text, examples, or noise.

With a text encoder, each class starts at its prompt. Otherwise k-means of the features of a class's training
patches gives its p initial prototypes. Prototypes reach the map that the CAM is read from through layers that
are random at first, so those layers and the prototypes are fitted to the found centres, which takes no image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import Event, Steps
from napari_construct.models.network.construct import ConstructNet
from napari_construct.training.objective.regions import text_encoder

PATCHES: Final = 60
"""Patches of a class that are looked at, those with the fewest other classes first."""

CELLS: Final = 64
"""Cells of the map that are taken of each patch."""

ROUNDS: Final = 20
"""Of k-means."""

FIT_STEPS: Final = 300


def text_start(encoder: Encoder, classes: ClassTable, per_class: int) -> Float[Tensor, "k p d"]:
    """Embeddings of the classes' prompts, the same for all prototypes of a class."""
    with torch.no_grad():
        embeddings = text_encoder(encoder).embed_texts([c.prompt or c.name for c in classes]).float().cpu()
    return F.normalize(embeddings, dim=-1)[:, None].repeat(1, per_class, 1)


def start_from_examples(
    model: ConstructNet,
    levels: Callable[[Sequence[int]], tuple[Tensor, ...]],
    labels: NDArray[np.uint8],
    seed: int,
) -> Steps[Float[Tensor, "k p c"]]:
    """Move the prototypes of a fresh model to k-means centres of each class; returns the centres.

    Parameters
    ----------
    model : ConstructNet
        Its batch normalisation should hold statistics of training patches.
    levels : callable
        The encoder's levels of patches, by their indices.
    labels : ndarray
        (n, k) image-level labels. A class without patches keeps its start.
    seed : int
        Of cells and clusters.
    """
    head, rng = model.head, np.random.default_rng(seed)
    per_class, was_training = head.prototypes.per_class, head.training
    head.eval()
    centres = []
    with torch.no_grad():
        start = F.normalize(head(levels([0])).projected.float(), dim=-1).cpu()
    for number in range(head.n_classes):
        chosen = _purest(labels, number, rng)
        cells: list[Tensor] = []
        for first in range(0, len(chosen), 16):
            with torch.no_grad():
                embedding = head(levels(chosen[first : first + 16].tolist())).embedding.float()
            cells.extend(_some_cells(level, rng) for level in embedding.cpu())
            yield Event("prototypes", number, head.n_classes)
        own = start[number * per_class : (number + 1) * per_class]
        centres.append(_centres(torch.cat(cells), per_class, rng) if cells else own)
        yield Event("prototypes", number + 1, head.n_classes)
    found = torch.stack(centres)
    _fit(model, found.flatten(0, 1))
    head.train(was_training)
    return found


def _purest(labels: NDArray[np.uint8], number: int, rng: np.random.Generator) -> NDArray[np.intp]:
    members = rng.permutation(np.flatnonzero(labels[:, number]))
    return members[np.argsort(labels[members].sum(axis=1), kind="stable")][:PATCHES]


def _some_cells(embedding: Float[Tensor, "c h w"], rng: np.random.Generator) -> Float[Tensor, "n c"]:
    cells = F.normalize(embedding.flatten(1).T, dim=-1)
    return cells[torch.from_numpy(rng.permutation(len(cells))[:CELLS])]


def _centres(cells: Float[Tensor, "n c"], count: int, rng: np.random.Generator) -> Float[Tensor, "p c"]:
    """Spherical k-means of unit cells; a centre that loses all its cells starts again at a random one."""
    drawn = np.resize(rng.permutation(len(cells)), count)
    centres = cells[torch.from_numpy(drawn)]
    for _ in range(ROUNDS):
        member = (cells @ centres.T).argmax(1)
        means = [cells[member == i].mean(0) for i in range(count)]
        again = cells[torch.from_numpy(rng.integers(len(cells), size=count))]
        centres = torch.stack(
            [m if bool(m.isfinite().all()) else r for m, r in zip(means, again, strict=True)]
        )
        centres = F.normalize(centres, dim=-1)
    return centres


def _fit(model: ConstructNet, centres: Float[Tensor, "kp c"]) -> None:
    """Fit prototypes and the layers above them until they point at the centres."""
    head, device = model.head, next(model.head.parameters()).device
    target = centres.to(device)
    parameters = [*head.prototypes.parameters(), *head.adaptive_layers[-1].parameters()]
    optimiser = torch.optim.Adam(parameters, 1e-2)
    for _ in range(FIT_STEPS):
        optimiser.zero_grad(set_to_none=True)
        projected = head.adaptive_layers[-1](head.prototypes())
        loss = (1 - F.cosine_similarity(projected, target, dim=-1)).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
