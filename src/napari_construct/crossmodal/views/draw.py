"""Views of prepared images: random crops, turned, and as another microscope would have taken them.

Everything drawn at random is a function of the generator, that is of seed and step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur  # type: ignore[import-untyped]

from napari_construct.crossmodal.config import ChannelAugmentation
from napari_construct.crossmodal.views.prepared import MAPS, Prepared

_DIAGONAL: Final = math.sqrt(2)


@dataclass(frozen=True, slots=True, eq=False)
class ViewBatch:
    """Views of one step.

    Attributes
    ----------
    images : Tensor
        (b, c, s, s) in [0, 1].
    maps : Tensor
        (b, m, s, s) in [0, 1]: :data:`~napari_construct.crossmodal.views.prepared.MAPS`.
    """

    images: Float[Tensor, "b c s s"]
    maps: Float[Tensor, "b m s s"]

    def target(self, name: str) -> Float[Tensor, "b 1 s s"]:
        """One of the maps."""
        i = MAPS.index(name)
        return self.maps[:, i : i + 1]


def draw_views(
    items: Sequence[Prepared], size: int, config: ChannelAugmentation, generator: torch.Generator
) -> ViewBatch:
    """One random view of each image.

    Parameters
    ----------
    items : sequence of Prepared
        An image may come more than once.
    size : int
        Side of the views in pixels.
    config : ChannelAugmentation
        Augmentation.
    generator : Generator
        Of all that is random.
    """
    views = torch.cat([_cut(item, size, config, generator) for item in items])
    images, maps = views[:, : -len(MAPS)], views[:, -len(MAPS) :]
    # where a border was drawn by two labels only, a turned view keeps it as it is nearest to one of the two
    hard = torch.tensor([name in ("truth", "truth_boundary", "known", "inside") for name in MAPS])
    maps = torch.where(hard[:, None, None].to(maps.device), (maps >= 0.5).float(), maps)
    inside = maps[:, MAPS.index("inside")][:, None]
    maps = maps * inside  # beyond the image nothing is known
    maps[:, MAPS.index("inside")] = inside[:, 0]
    return ViewBatch(_changed_look(images, config, generator), maps)


def _cut(
    item: Prepared, size: int, config: ChannelAugmentation, generator: torch.Generator
) -> Float[Tensor, "1 m s s"]:
    """A view of one image, image and maps together."""
    h, w = item.image.shape[-2:]
    scale = 1 + config.scale * _uniform(generator)
    angle = math.pi * _uniform(generator) if config.rotation else 0.0
    side = size * scale
    reach = side * (abs(math.cos(angle)) + abs(math.sin(angle)))
    # the centre, so that the view lies in the image where it fits
    y, x = (n / 2 + max(n - reach, 0) / 2 * _uniform(generator) for n in (h, w))
    flip = -1.0 if config.flip and torch.rand((), generator=generator) < 0.5 else 1.0
    half = math.ceil(side * _DIAGONAL / 2) + 2
    top, left = max(int(y) - half, 0), max(int(x) - half, 0)
    bottom, right = min(int(y) + half, h), min(int(x) + half, w)
    part = torch.cat(
        [item.image[:, top:bottom, left:right].float(), item.maps[:, top:bottom, left:right].float() / 255]
    )
    rows, columns = bottom - top, right - left
    cosine, sine = math.cos(angle) * side, math.sin(angle) * side
    theta = torch.tensor(
        [
            [flip * cosine / columns, -sine / columns, 2 * (x - left) / columns - 1],
            [flip * sine / rows, cosine / rows, 2 * (y - top) / rows - 1],
        ]
    )
    grid = F.affine_grid(theta[None], [1, len(part), size, size], align_corners=False)
    return F.grid_sample(part[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _changed_look(
    images: Float[Tensor, "b c s s"], config: ChannelAugmentation, generator: torch.Generator
) -> Float[Tensor, "b c s s"]:
    b, c = images.shape[:2]

    def drawn(most: float) -> Tensor:
        return most * (torch.rand((b, c, 1, 1), generator=generator) * 2 - 1)

    images = images.clamp(0, 1) ** (1 + drawn(config.gamma))
    images = images * (1 + drawn(config.gain)) + drawn(config.offset)
    if config.blur:
        sigmas = config.blur * torch.rand(b, generator=generator)
        blurred = torch.rand(b, generator=generator) < 0.5
        for i in torch.nonzero(blurred).flatten().tolist():
            sigma = max(float(sigmas[i]), 1e-3)
            images[i] = gaussian_blur(images[i], [2 * math.ceil(3 * sigma) + 1] * 2, [sigma, sigma])
    if config.noise:
        level = config.noise * torch.rand((b, c, 1, 1), generator=generator)
        images = images + level * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1)


def _uniform(generator: torch.Generator) -> float:
    """Uniform from -1 to 1."""
    return float(torch.rand((), generator=generator)) * 2 - 1
