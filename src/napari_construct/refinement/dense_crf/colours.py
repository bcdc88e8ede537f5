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

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf.compiled import serving
from napari_construct.refinement.dense_crf.compiled_colours import (
    filler,
    histogram,
    runs_compiled,
)
from napari_construct.refinement.dense_crf.landmarks import pivoted_cholesky
from napari_construct.refinement.dense_crf.strips import Map

BINS = 4096
MAX_LANDMARKS = 448
SPARE = 0.4
"""The landmarks leave out this share of what the rank may leave out."""

NARROW_SIGMA = 16.0
"""Colour standard deviation, grey levels, under which more features and landmarks are allowed."""

HISTOGRAM_PIXELS = 1 << 19
FEW_BINS = 96
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
        centre = self.landmarks.mean(1, keepdim=True)
        z = (self.landmarks - centre) / self.sigma
        # |c - z|^2 / 2 as one product of five columns
        right = torch.cat([z, torch.ones_like(z[..., :1]), _half_square(z)], 2).transpose(1, 2)
        b, n, _ = colours.shape
        features = colours.new_empty(b, n, self.weights.shape[2], dtype=dtype)
        missing = colours.new_empty(b, n)
        size = CHUNK if colours.device.type == "cpu" else 64 * CHUNK
        if runs_compiled(colours, self.weights, dtype):
            given = colours / self.sigma, self.landmarks / self.sigma, self.weights
            fill = filler(*given, features, missing, size)
            for _ in run(fill, range(0, n, size)):
                pass
            return features, missing

        def some(start: int) -> None:
            part = slice(start, start + size)
            c = (colours[:, part] - centre) / self.sigma
            left = torch.cat([c, _half_square(c), torch.ones_like(c[..., :1])], 2)
            phi = torch.bmm(torch.bmm(left, right).clamp_min_(LOWEST).exp_(), self.weights)
            features[:, part] = phi
            missing[:, part] = phi.square_().sum(2).neg_().add_(1).clamp_min_(0)

        for _ in run(some, range(0, n, size)):
            pass
        return features, missing


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
    colours, counts = _histogram(image, dtype, _least_bits(sigma))
    a_feature = 2.0 if sigma < NARROW_SIGMA else 1.5
    most = min(MAX_LANDMARKS, int(a_feature * (max_rank + 1)))
    landmarks, psi = pivoted_cholesky(colours / sigma, counts, SPARE * tolerance, most)
    z = colours.gather(1, landmarks[..., None].expand(-1, -1, 3))
    degree = torch.einsum("bnm,bm->bn", psi, torch.einsum("bn,bnm->bm", counts, psi))
    weight = counts * degree.clamp_min(1.0).rsqrt()
    weight = weight / weight.sum(1, keepdim=True)
    covariance = torch.bmm((psi * weight[..., None]).transpose(1, 2), psi)
    values, vectors = _eigh(covariance)
    tail = values.square().cumsum(1).flip(1)
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


def _eigh(covariance: Float[Tensor, "b m m"]) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(covariance)
    return values.clamp_min(0), vectors


def _code(image: UInt8[Tensor, "*b 3"], bits: int) -> Int[Tensor, "*b"]:
    """The leading bits of the three channels as one number."""
    q = (image >> (8 - bits)).to(torch.int32)
    return (q[..., 0] << 2 * bits) | (q[..., 1] << bits) | q[..., 2]


def distinct(image: UInt8[Tensor, "1 h w 3"]) -> tuple[Float[Tensor, "n 3"], Int[Tensor, "1 h w"]]:
    """Colours of an image, and the row of every pixel."""
    low = image.amin((0, 1, 2))
    r, g, b = ((image.amax((0, 1, 2)) - low).long() + 1).tolist()
    offset = (image - low).to(torch.int32)
    code = (offset[..., 0] * g + offset[..., 1]) * b + offset[..., 2]
    size = -(-r * g * b // 8) * 8
    present = torch.zeros(size, dtype=torch.uint8, device=image.device)
    present.scatter_(0, code.reshape(-1).long(), 1)
    # eight colours at a time, because most of the cube is empty
    eights = present.view(torch.int64).nonzero()[:, 0]
    inside = present.view(-1, 8)[eights].nonzero()
    codes = eights[inside[:, 0]] * 8 + inside[:, 1]
    row = torch.empty(size, dtype=torch.int32, device=image.device)
    row.scatter_(0, codes, torch.arange(len(codes), dtype=torch.int32, device=image.device))
    colours = torch.stack([codes // (g * b), codes // b % g, codes % b], 1) + low
    return colours.float(), row.index_select(0, code.reshape(-1)).reshape(code.shape)


def _bits(occupied: int, least: int) -> int:
    """Bits a channel for an image with colours in so many bins of four bits."""
    return max(least, 6 if occupied <= FEW_BINS // 2 else 5 if occupied <= FEW_BINS else 4)


def _histogram(
    image: UInt8[Tensor, "b h w 3"], dtype: torch.dtype, least: int = 4
) -> tuple[Float[Tensor, "b n 3"], Float[Tensor, "b n"]]:
    """Mean colour and count of every occupied bin; bins occupied in no image are left out.

    Large images are read at every second, third ... pixel. An image with colours in few bins (grey,
    fluorescence, glass) gets finer ones, so that there are enough landmarks to choose from; ``least`` is the
    number of bits a channel that others get.
    """
    b, h, w, _ = image.shape
    step = max(1, int((h * w / HISTOGRAM_PIXELS) ** 0.5))
    pixels = image[:, ::step, ::step].reshape(b, -1, 3)
    if dtype == torch.float64 and serving("fitting", image.device, b) is not None:
        means, found = histogram(pixels[0], lambda n: _bits(n, least))
        return means[None], found[None]
    own = torch.arange(b, device=image.device, dtype=torch.int32)[:, None]
    occupied = torch.zeros(b, BINS, dtype=torch.uint8, device=image.device)
    occupied.view(-1).scatter_(0, (_code(pixels, 4) + BINS * own).reshape(-1).long(), 1)
    bits = [_bits(n, least) for n in occupied.sum(1).tolist()]
    most = max(bits)
    # an image that needs fewer bits than another keeps its own bins: no number depends on neighbours
    mask = torch.tensor([256 - (256 >> n) for n in bits], dtype=torch.uint8, device=image.device)
    code = _code(pixels & mask[:, None, None], most) + (own << 3 * most)
    bins = b << 3 * most
    code = code.reshape(-1)
    counts = torch.bincount(code, minlength=bins).reshape(b, -1)
    kept = counts.amax(0).nonzero()[:, 0]
    flat = pixels.reshape(-1, 3).to(dtype)
    sums = [torch.bincount(code, flat[:, c], minlength=bins).reshape(b, -1)[:, kept] for c in range(3)]
    counts = counts[:, kept].to(dtype)
    return torch.stack(sums, 2) / counts.clamp_min(1)[..., None], counts
