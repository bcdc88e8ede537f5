"""Views of an image for test-time augmentation: a turn, a flip and a brightness, applied and undone.

Both presets share this code. Brightness scales the distance of every channel from a point:
``about + factor * (x - about)``. About zero that is brightness of the raw image. The released code
multiplies the *normalised* tensor instead, and ``(x - mean) / std * factor`` is the normalised form
of ``mean + factor * (x - mean)``: the same function about the mean of the normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor


def scale_about(
    images: Float[Tensor, "b 3 h w"], factor: float | Tensor, about: Sequence[float]
) -> Float[Tensor, "b 3 h w"]:
    """Scale the distance of every pixel from one colour: ``about + factor * (x - about)``.

    Parameters
    ----------
    images : Tensor
        RGB.
    factor : float or Tensor
        0 gives the colour, 1 the image; a tensor is broadcast, (b, 1, h, w) fades pixel by pixel.
    about : sequence of float
        Red, green, blue of the fixed point.
    """
    point = torch.tensor(tuple(about), dtype=images.dtype, device=images.device).view(1, -1, 1, 1)
    scaled: Tensor = point + factor * (images - point)
    return scaled


@dataclass(frozen=True, slots=True)
class View:
    """One view; the default one is the image itself.

    Attributes
    ----------
    flip : bool
        Left and right exchanged.
    turns : int
        Quarter turns.
    brightness : float
        Factor of :func:`scale_about`.
    """

    flip: bool = False
    turns: int = 0
    brightness: float = 1.0

    def apply(
        self, images: Float[Tensor, "b 3 h w"], about: Sequence[float] | None = None
    ) -> Float[Tensor, "b 3 _ _"]:
        """The view of images in [0, 1].

        Parameters
        ----------
        images : Tensor
            RGB in [0, 1].
        about : sequence of float, optional
            Fixed point of the brightness. By default black, clipped to [0, 1] as a camera would;
            with the mean of a normalisation (the published preset) nothing is clipped.
        """
        if self.brightness != 1.0:
            images = scale_about(images, self.brightness, about if about is not None else (0.0, 0.0, 0.0))
            images = images.clamp(0, 1) if about is None else images
        images = images.flip(-1) if self.flip else images
        return images.rot90(self.turns, (-2, -1)) if self.turns else images

    def undo(self, maps: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k _ _"]:
        """Bring maps of the view back to the image's orientation."""
        maps = maps.rot90(-self.turns, (-2, -1)) if self.turns else maps
        return maps.flip(-1) if self.flip else maps


SIX_VIEWS: Final = tuple(
    View(flip, brightness=factor) for flip in (False, True) for factor in (0.9, 1.0, 1.1)
)
"""The published six views: horizontal flip times brightness 0.9, 1.0 and 1.1."""

FOUR_VIEWS: Final = tuple(View(turns=turns) for turns in range(4))
"""The four quarter turns: tissue on a slide has no up, but networks learn one."""

VIEWS: Final[Mapping[str, tuple[View, ...]]] = MappingProxyType(
    {"one": (View(),), "four": FOUR_VIEWS, "six": SIX_VIEWS}
)
