"""Low-rank features of the colours of an image.

The colour kernel exp(-|c - c'|^2 / 2 sigma^2) of a stained image has low rank, because its colours
fill a small part of the cube smoothly. We look for features phi(c) in R^r with phi(c) . phi(c') close
to the kernel where the image has its pixels:

1. the histogram with bins of 16 grey levels (fewer for a narrow kernel) gives mean colours with counts;
2. pivoted Cholesky picks landmarks z among them, the next always where the kernel's residual, weighted
   by the root of the counts, is largest; with K_zz = L L^T, psi(c) = L^-1 k(z, c) is the Nystrom map:
   the projection of the kernel on the span of the landmarks (Williams and Seeger 2001);
3. principal components of psi under the weighted histogram keep the r directions that carry the
   kernel: phi(c) = U_r^T psi(c), the best rank within that span (in the weighted Frobenius norm).

The weights are count / sqrt(degree), halfway between the kernel itself and its symmetric normalisation:
rare colours count for more than their number. What is left out, k - phi . phi, is positive
semi-definite, so its diagonal 1 - |phi|^2 bounds it; the lattice adds that diagonal back (the self
term is exact), and the relative Frobenius norm of what is cut chooses the rank.

Everything is fitted to one image and never to its neighbours in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.numba_gate import flat, kernels_serve, rounded
from napari_construct.crf.base.strips import Map
from napari_construct.crf.lowrank.histogram import histogram
from napari_construct.crf.lowrank.landmarks import pivoted_cholesky

MAX_LANDMARKS = 448
SPARE = 0.4
"""The landmarks leave out this share of what the rank may leave out."""

NARROW_SIGMA = 16.0
"""Colour standard deviation, grey levels, under which more features and landmarks are allowed."""

CHUNK = 4096
LOWEST = -30.0
"""Exponents are clipped here: results that underflow make a processor stumble."""


@dataclass(frozen=True, slots=True)
class ColourFeatures:
    """Landmarks (b, m, 3) in grey levels and weights (b, m, r + 1) of a batch of images.

    The last column is zero: room for the feature of the smoothness kernel.

    Attributes
    ----------
    errors : tuple of float
        For every image, the relative Frobenius norm of what its rank leaves out.
    """

    landmarks: Float[Tensor, "b m 3"]
    weights: Float[Tensor, "b m r1"]
    sigma: float
    errors: tuple[float, ...]

    @property
    def rank(self) -> int:
        """Features; images that need fewer have zeros in the last ones."""
        return self.weights.shape[2] - 1

    def __call__(
        self, colours: Float[Tensor, "b n 3"], run: Map, dtype: torch.dtype = torch.float32
    ) -> tuple[Float[Tensor, "b n r1"], Float[Tensor, "b n"]]:
        """Features of colours in grey levels, with a zero as the last, and 1 - |phi|^2 of each colour."""
        b, n, _ = colours.shape
        features = colours.new_empty(b, n, self.weights.shape[2], dtype=dtype)
        missing = colours.new_empty(b, n)
        size = CHUNK if colours.device.type == "cpu" else 64 * CHUNK
        compiled = dtype != torch.float64 and kernels_serve(colours.device, b)
        fill = (self._by_kernels if compiled else self._by_torch)(colours, features, missing, size)
        for _ in run(fill, range(0, n, size)):
            pass
        return features, missing

    def _by_kernels(
        self, colours: Float[Tensor, "1 n 3"], features: Tensor, missing: Float[Tensor, "1 n"], size: int
    ) -> Callable[[int], None]:
        """A function that fills in so many features and what they miss, from one on."""
        from napari_construct.crf.kernels import colour_kernels

        scaled, m = colours / self.sigma, self.landmarks.shape[1]
        table = self.landmarks.new_zeros(3, rounded(m))
        table[:, :m] = self.landmarks[0].T / self.sigma
        given = flat(table), flat(self.weights)

        def fill(start: int) -> None:
            part = slice(start, start + size)
            kept = flat(features[:, part]), flat(missing[:, part])
            colour_kernels.features(flat(scaled[:, part]), *given, *kept, self.weights.shape[2])

        return fill

    def _by_torch(
        self, colours: Float[Tensor, "b n 3"], features: Tensor, missing: Float[Tensor, "b n"], size: int
    ) -> Callable[[int], None]:
        centre = self.landmarks.mean(1, keepdim=True)
        z = (self.landmarks - centre) / self.sigma
        # |c - z|^2 / 2 as one product of five columns
        right = torch.cat([z, torch.ones_like(z[..., :1]), _half_square(z)], 2).transpose(1, 2)

        def fill(start: int) -> None:
            part = slice(start, start + size)
            c = (colours[:, part] - centre) / self.sigma
            left = torch.cat([c, _half_square(c), torch.ones_like(c[..., :1])], 2)
            phi = torch.bmm(torch.bmm(left, right).clamp_min_(LOWEST).exp_(), self.weights)
            features[:, part] = phi
            missing[:, part] = phi.square_().sum(2).neg_().add_(1).clamp_min_(0)

        return fill


def fit_colours(
    image: UInt8[Tensor, "b h w 3"], sigma: float, tolerance: float, max_rank: int
) -> ColourFeatures:
    """Choose landmarks and rank for every image of a batch.

    Parameters
    ----------
    image : tensor
        (b, h, w, 3) uint8.
    sigma : float
        Colour standard deviation, grey levels.
    tolerance : float
        Largest relative Frobenius norm of what the rank leaves out.
    max_rank : int
        The rank is never larger. It is one less than a multiple of 8: the lattice needs a column
        for the smoothness kernel, and processors like round sizes.
    """
    device = image.device
    dtype = torch.float32 if device.type == "mps" else torch.float64
    colours, counts = histogram(image, dtype, _least_bits(sigma))
    a_feature = 2.0 if sigma < NARROW_SIGMA else 1.5
    most = min(MAX_LANDMARKS, int(a_feature * (max_rank + 1)))
    landmarks, psi = pivoted_cholesky(colours / sigma, counts, SPARE * tolerance, most)
    z = colours.gather(1, landmarks[..., None].expand(-1, -1, 3))
    degree = torch.einsum("bnm,bm->bn", psi, torch.einsum("bn,bnm->bm", counts, psi))
    weight = counts * degree.clamp_min(1.0).rsqrt()
    weight = weight / weight.sum(1, keepdim=True)
    covariance = torch.bmm((psi * weight[..., None]).transpose(1, 2), psi)
    values, vectors = torch.linalg.eigh(covariance)
    tail = values.clamp_min(0).square().cumsum(1).flip(1)
    cut = torch.cat([tail[:, 1:], torch.zeros_like(tail[:, :1])], 1).div(tail[:, :1]).sqrt()
    enough = (cut <= tolerance).to(torch.int32).argmax(1) + 1
    ranks = ((enough + 8) // 8 * 8 - 1).clamp_max(max_rank)
    rank = int(ranks.max())
    # psi(c) = L^-1 k(z, c) and phi = U^T psi, so the weights on k(z, c) are L^-T U
    lower = psi.gather(1, landmarks[..., None].expand(-1, -1, psi.shape[2])).tril()
    used = lower.diagonal(dim1=1, dim2=2) > 0
    lower = lower + torch.diag_embed((~used).to(dtype))
    u = vectors.flip(2)[:, :, :rank]
    weights = torch.linalg.solve_triangular(lower.transpose(1, 2), u, upper=True) * used[..., None]
    weights = weights * (torch.arange(weights.shape[2], device=device) < ranks[:, None])[:, None]
    weights = torch.nn.functional.pad(weights, (0, rank + 1 - weights.shape[2])).contiguous()
    kept = ranks.clamp_max(cut.shape[1]).long() - 1
    errors = tuple(cut.gather(1, kept[:, None])[:, 0].tolist())
    return ColourFeatures(z.float(), weights.float(), sigma, errors)


def _half_square(c: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 1"]:
    return c.square().sum(2, keepdim=True).mul_(-0.5)


def _least_bits(sigma: float) -> int:
    """Bits a channel with which bins are at most 0.85 standard deviations wide, 4 to 6."""
    return next((bits for bits in (4, 5) if 256 >> bits <= 0.85 * sigma), 6)
