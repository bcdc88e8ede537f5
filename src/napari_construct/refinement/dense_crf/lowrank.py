"""First form: Nystrom features of the colours, one spatial blur a feature."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf.inputs import unary_energy
from napari_construct.refinement.dense_crf.params import CRFParameters


def lowrank_mean_field(
    image: UInt8[Tensor, "b h w 3"], probabilities: Float[Tensor, "b k h w"], p: CRFParameters, rank: int = 96
) -> Float[Tensor, "b k h w"]:
    """Run the mean field with a low-rank colour kernel."""
    return torch.stack([_one(i, q, p, rank) for i, q in zip(image, probabilities, strict=True)])


def _gauss(n: int, sigma: float) -> Tensor:
    x = torch.arange(n, dtype=torch.float32)
    return torch.exp(-(x[:, None] - x).square() / (2 * sigma**2))


def _one(image: Tensor, probabilities: Tensor, p: CRFParameters, rank: int) -> Tensor:
    _, h, w = probabilities.shape
    unary = unary_energy(probabilities[None])[0]
    colours = image.reshape(-1, 3).float() / p.appearance_sigma_rgb
    quantised, counts = torch.unique((colours * 4).round() / 4, dim=0, return_counts=True)
    kernel = torch.cdist(quantised, quantised).square().mul(-0.5).exp().double()
    root = counts.double().sqrt()
    values, vectors = torch.linalg.eigh(kernel * root[:, None] * root)
    values, vectors = values[-rank:].clamp_min(1e-8), vectors[:, -rank:]
    table = torch.cdist(colours, quantised).square().mul(-0.5).exp()
    phi = (table @ (root[:, None] * vectors / values.sqrt()).float()).T.reshape(-1, h, w)
    blurs = [(_gauss(h, s), _gauss(w, s)) for s in (p.smoothness_sigma, p.appearance_sigma_xy)]

    def appearance(v: Tensor) -> Tensor:
        out = torch.zeros_like(v)
        for f in phi:
            out += f * (blurs[1][0] @ (f * v) @ blurs[1][1])
        return out

    ones = torch.ones_like(unary[:1])
    smooth_scale = (blurs[0][0] @ ones @ blurs[0][1]).rsqrt()
    scale = appearance(ones).clamp_min(1e-6).rsqrt()
    q = torch.softmax(-unary, 0)
    for _ in range(p.iterations):
        smooth = smooth_scale * (blurs[0][0] @ (smooth_scale * q) @ blurs[0][1])
        message = p.smoothness_weight * smooth + p.appearance_weight * scale * appearance(scale * q)
        q = torch.softmax(message - unary, 0)
    return q
