"""Training views of H&E patches: geometry, exposure, and stain.

Slides differ in how long they lay in which dye. In optical density a dye acts additively, so that is
where it is varied: ``OD = -log(RGB)`` is split into amounts of hematoxylin, eosin and a residual
(Ruifrok and Johnston 2001), each amount a becomes ``gain * a + offset`` with a random gain and offset
per image, and the sum is turned back into RGB. As split and sum are linear, both collapse into one
3x3 matrix and one vector per image.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.training.config.config import AugmentationConfig
from napari_construct.training.views.appearance import change_focus, mix_grey, swap_stain

_HEMATOXYLIN: Final = (0.65, 0.70, 0.29)
_EOSIN: Final = (0.07, 0.99, 0.11)
DARKEST: Final = 1 / 255
"""Transmission under which optical density is no longer measurable with 8 bits."""


def stain_basis() -> Float[Tensor, "3 3"]:
    """Unit optical-density vectors (rows) of hematoxylin, eosin, and what is orthogonal to both."""
    basis = torch.tensor([_HEMATOXYLIN, _EOSIN], dtype=torch.float64)
    basis = torch.cat([basis, torch.linalg.cross(basis[0], basis[1])[None]])
    return F.normalize(basis, dim=1).float()


def jitter_stain(
    images: Float[Tensor, "b 3 h w"], gain: Float[Tensor, "b 3"], offset: Float[Tensor, "b 3"]
) -> Float[Tensor, "b 3 h w"]:
    """Multiply and shift the amount of each stain.

    Parameters
    ----------
    images : Tensor
        RGB in [0, 1].
    gain : Tensor
        Factor of each stain's amount; 1 changes nothing.
    offset : Tensor
        Added to each stain's amount, natural optical density; 0 changes nothing.
    """
    basis = stain_basis().to(images)
    mixing = torch.linalg.inv(basis) @ torch.diag_embed(gain.to(images)) @ basis
    shift = offset.to(images) @ basis
    density = -images.clamp(DARKEST, 1).log()
    changed = torch.einsum("bchw,bcd->bdhw", density, mixing) + shift[:, :, None, None]
    return (-changed).exp().clamp(0, 1)


def augment(
    patches: UInt8[Tensor, "b h w 3"],
    config: AugmentationConfig,
    *,
    window: float,
    size: int,
    generator: torch.Generator,
) -> Float[Tensor, "b 3 s s"]:
    """Random views of patches.

    Parameters
    ----------
    patches : Tensor
        Raw RGB, on any device; random numbers are drawn on the CPU.
    config : AugmentationConfig
        Ranges.
    window : float
        Side of the square a view shows before ``config.crop_area``, in pixels of the patch.
    size : int
        Side of the views in pixels.
    generator : torch.Generator
        A CPU generator; equal states give equal views.

    Returns
    -------
    Tensor
        RGB in [0, 1], on the device of ``patches``.
    """
    b, h, w, _ = patches.shape
    theta = _random_affine(b, (h, w), window, config, generator)
    return _change_look(_sample(patches, theta, size), config, generator)


def augment_with_masks(
    patches: UInt8[Tensor, "b h w 3"],
    masks: UInt8[Tensor, "b h w"],
    config: AugmentationConfig,
    *,
    window: float,
    size: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "b 3 s s"], UInt8[Tensor, "b s s"]]:
    """Random views of patches as :func:`augment` gives them, and of their masks (nearest pixel)."""
    b, h, w, _ = patches.shape
    theta = _random_affine(b, (h, w), window, config, generator)
    grid = F.affine_grid(theta.to(patches.device), [b, 1, size, size], align_corners=False)
    values = masks[:, None].float()
    cut = F.grid_sample(values, grid, mode="nearest", padding_mode="reflection", align_corners=False)
    images = _change_look(_sample(patches, theta, size), config, generator)
    return images, cut[:, 0].round().to(torch.uint8)


def _change_look(images: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """What differs between slides: stain, exposure, focus, noise."""
    b = len(images)
    images = _swap_stain(images, config, generator)
    images = _expose(images, config, generator)
    if config.stain_gain or config.stain_offset:
        gain = 1 + config.stain_gain * _uniform((b, 3), generator)
        offset = config.stain_offset * _uniform((b, 3), generator)
        images = jitter_stain(images, gain.to(images.device), offset.to(images.device))
    return _rescan(images, config, generator)


def centre_view(patches: UInt8[Tensor, "b h w 3"], *, window: float, size: int) -> Float[Tensor, "b 3 s s"]:
    """The central square of side ``window`` at ``size`` pixels, RGB in [0, 1]."""
    _, h, w, _ = patches.shape
    if h == w == size == window:
        return _float(patches)
    theta = torch.zeros(patches.shape[0], 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = window / w, window / h
    return _sample(patches, theta, size)


def whole_patches(patches: UInt8[Tensor, "b h w 3"], scale: float) -> Float[Tensor, "b 3 y x"]:
    """Patches as they are, ``scale`` times as large, RGB in [0, 1]."""
    if scale == 1:
        return _float(patches)
    side = [max(round(length * scale), 1) for length in patches.shape[1:3]]
    return F.interpolate(_float(patches), side, mode="bilinear", antialias=scale < 1, align_corners=False)


def _random_affine(
    b: int, shape: tuple[int, int], window: float, config: AugmentationConfig, generator: torch.Generator
) -> Float[Tensor, "b 2 3"]:
    """Matrices from view to patch coordinates, both from -1 to 1 (as ``affine_grid`` takes them)."""
    h, w = shape
    low, high = config.crop_area
    area = low + (high - low) * torch.rand(b, generator=generator)
    ratio = torch.exp(_uniform((b,), generator) * torch.tensor(config.aspect).log() / 2)
    # a stretched crop must stay inside its window, so the longer side is what the area allows
    rows = (window * area.sqrt() * ratio).clamp_max(min(window, h))
    columns = (window * area.sqrt() / ratio).clamp_max(min(window, w))
    y = (h - rows) / h * _uniform((b,), generator)
    x = (w - columns) / w * _uniform((b,), generator)
    theta = torch.zeros(b, 2, 3)
    theta[:, 0, 2], theta[:, 1, 2] = x, y
    turns = torch.randint(4 if config.rotations else 1, (b,), generator=generator)
    flip = torch.randint(2 if config.flips else 1, (b, 2), generator=generator) * -2.0 + 1
    cosine = torch.tensor([1.0, 0.0, -1.0, 0.0])[turns]
    sine = torch.tensor([0.0, 1.0, 0.0, -1.0])[turns]
    theta[:, 0, 0], theta[:, 0, 1] = columns / w * cosine * flip[:, 0], columns / w * sine * flip[:, 1]
    theta[:, 1, 0], theta[:, 1, 1] = -rows / h * sine * flip[:, 0], rows / h * cosine * flip[:, 1]
    return theta


def _sample(patches: Tensor, theta: Tensor, size: int) -> Tensor:
    images = _float(patches)
    grid = F.affine_grid(theta.to(images), [images.shape[0], 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _expose(images: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    b = images.shape[0]
    brightness = (config.brightness * _uniform((b, 1, 1, 1), generator)).to(images)
    contrast = (config.contrast * _uniform((b, 1, 1, 1), generator)).to(images)
    if not config.brightness and not config.contrast:
        return images
    images = images * (1 + brightness)
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + (images - mean) * (1 + contrast)).clamp(0, 1)


def _swap_stain(images: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    if config.stain_swap:
        partner = torch.randperm(len(images), generator=generator).to(images.device)
        images = swap_stain(images, partner, _some(images, config.stain_swap, generator))
    return mix_grey(images, _some(images, config.grey, generator)) if config.grey else images


def _rescan(images: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """What another scanner would have done: focus and noise."""
    if config.focus:
        sign = torch.randint(2, (len(images), 1, 1, 1), generator=generator) * 2.0 - 1
        amount = _some(images, config.focus, generator) * sign.to(images)
        twice = torch.randint(2, (len(images),), generator=generator).bool()
        images = change_focus(images, amount, twice.to(images.device))
    if config.noise:
        level = config.noise * torch.rand((len(images), 1, 1, 1), generator=generator)
        white = torch.randn(images.shape, generator=generator) * level
        images = (images + white.to(images)).clamp(0, 1)
    return images


def _some(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """(b, 1, 1, 1): uniform from 0 to 1 for a share of the views, 0 for the others."""
    b = len(images)
    chosen = torch.rand(b, generator=generator) < share
    amount = torch.rand(b, generator=generator) * chosen
    return amount.view(b, 1, 1, 1).to(images)


def _float(patches: Tensor) -> Tensor:
    return patches.permute(0, 3, 1, 2).float().div_(255)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform from -1 to 1."""
    return torch.rand(shape, generator=generator) * 2 - 1
