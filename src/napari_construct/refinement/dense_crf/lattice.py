"""The two kernels of an image as one low-rank operator on a coarse grid, made once and used often.

With colour features Phi (``colours``) and splines W, T (``splines``) the appearance kernel is

    K = sum_r diag(Phi_r) W T W^T diag(Phi_r) + diag(1 - |Phi|^2),

and the smoothness kernel has the same form with one constant feature and a T of its own. Pixels are
kept cell by cell, so that splat and slice are small matrix products, one a cell: with g splines,
k labels, r features and p pixels a cell,

    splat   A (g k, r) = (S q) (g k, p) Phi (p, r)      then add the cells up on the nodes,
    slice   V (g k, p) = C (g k, r) Phi^T (r, p)        then the sum over the splines with S.

The features belong to the image and the sigmas; weights, unaries and the number of iterations may
change without making them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf import splines
from napari_construct.refinement.dense_crf.colours import ColourFeatures

STRIP_PIXELS = 1 << 16
"""Pixels whose intermediate products are held at a time on a CPU: they stay in its cache."""

MIN_DEGREE = 1e-3


@dataclass(frozen=True, slots=True)
class Cells:
    """Pictures cut into cells: (b, n, h, w) <-> (b, ny, nx, n, p), padded with zeros."""

    h: int
    w: int
    s: int
    ny: int = field(init=False)
    nx: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ny", -(-self.h // self.s))
        object.__setattr__(self, "nx", -(-self.w // self.s))

    @property
    def p(self) -> int:
        return self.s * self.s

    def split(self, planes: Float[Tensor, "b n h w"]) -> Float[Tensor, "b ny nx n p"]:
        s = self.s
        planes = torch.nn.functional.pad(planes, (0, self.nx * s - self.w, 0, self.ny * s - self.h))
        b, n = planes.shape[:2]
        parts = planes.reshape(b, n, self.ny, s, self.nx, s).permute(0, 2, 4, 1, 3, 5)
        return parts.reshape(b, self.ny, self.nx, n, s * s)

    def join(self, cells: Float[Tensor, "b ny nx n p"]) -> Float[Tensor, "b n h w"]:
        b, _, _, n, _ = cells.shape
        parts = cells.reshape(b, self.ny, self.nx, n, self.s, self.s).permute(0, 3, 1, 4, 2, 5)
        planes = parts.reshape(b, n, self.ny * self.s, self.nx * self.s)
        return planes[..., : self.h, : self.w].contiguous()


class Lattice:
    """Splat, blur and slice for images of one size, in float32 or bfloat16.

    Attributes
    ----------
    features : tensor
        (b, ny, nx, p, r + 1): the colour features times degree^-1/2 of the appearance kernel, and in the
        last column degree^-1/2 of the smoothness kernel; zero outside the image.
    residual : tensor
        (b, ny, nx, 1, p): what the self term of the normalised appearance kernel lacks.
    """

    def __init__(
        self,
        image: UInt8[Tensor, "b h w 3"],
        features: ColourFeatures,
        *,
        sigma_xy: float,
        smoothness_sigma: float,
        spacing: float,
        degree: int,
        dtype: torch.dtype,
    ) -> None:
        _, h, w, _ = image.shape
        device = image.device
        self.cells = Cells(h, w, splines.spacing(min(sigma_xy, smoothness_sigma), spacing))
        self.dtype = dtype
        self.rank = features.rank
        self.taps = degree + 1
        geometry = (self.cells.ny, self.cells.nx, self.cells.s)
        self.appearance_blur = splines.PlaneBlur(geometry, sigma_xy, degree, dtype, device)
        self.smoothness_blur = splines.PlaneBlur(geometry, smoothness_sigma, degree, dtype, device)
        plane = splines.plane_weights(self.cells.s, degree)
        self.weights = torch.tensor(plane, dtype=torch.float32, device=device)
        self._place_features(*features.of_pixels(image))
        self._normalise(_degree(h, smoothness_sigma, device), _degree(w, smoothness_sigma, device))

    def _place_features(self, table: Float[Tensor, "n r"], rows: Int[Tensor, "b h w"]) -> None:
        """Bring features to their cells; remember 1 - |Phi|^2."""
        cells, outside = self.cells, len(table)
        b, s = len(rows), cells.s
        missing = (1 - table.square().sum(1)).clamp_min_(0)
        missing = torch.nn.functional.pad(missing, (0, 1))
        table = torch.nn.functional.pad(table.to(self.dtype), (0, 1, 0, 1))
        padding = (0, cells.nx * s - cells.w, 0, cells.ny * s - cells.h)
        rows = torch.nn.functional.pad(rows, padding, value=outside)
        rows = rows.reshape(b, cells.ny, s, cells.nx, s).permute(0, 1, 3, 2, 4).reshape(-1)
        shape = (b, cells.ny, cells.nx, 1, cells.p)
        self.residual = missing.index_select(0, rows).reshape(shape)
        self.inside = (rows != outside).to(torch.float32).reshape(shape)
        features = table.index_select(0, rows)
        self.features = features.reshape(b, cells.ny, cells.nx, cells.p, self.rank + 1)

    def _normalise(self, degree_y: Tensor, degree_x: Tensor) -> None:
        """Scale both kernels by their row sums to the power -1/2."""
        nodes = self.new_nodes(1)
        for strip in self.strips():
            self.splat(self.inside[:, strip], nodes, strip)
        windows = self.windows(self.blur(nodes, 0.0, 1.0))
        degree = self.residual.clone()
        for strip in self.strips():
            degree[:, strip] += self.slice(windows, strip)
        scale = degree.clamp_(min=MIN_DEGREE).rsqrt_().mul_(self.inside)
        self.residual = self.residual * scale.square()
        self.features *= scale.transpose(3, 4).to(self.dtype)
        smooth = self.cells.split((degree_y[:, None] * degree_x).rsqrt()[None, None])
        self.features[..., -1] = smooth[..., 0, :].to(self.dtype)

    def strips(self) -> list[slice]:
        """Rows of cells worked on at a time."""
        ny, row = self.cells.ny, self.cells.nx * self.cells.p
        if self.features.device.type != "cpu":
            return [slice(0, ny)]
        step = max(1, STRIP_PIXELS // row)
        return [slice(y, min(ny, y + step)) for y in range(0, ny, step)]

    def new_nodes(self, k: int) -> Float[Tensor, "b my mx k r"]:
        shape = (
            self.features.shape[0],
            self.cells.ny + self.taps - 1,
            self.cells.nx + self.taps - 1,
            k,
            self.rank + 1,
        )
        return self.features.new_zeros(shape)

    def splat(
        self, values: Float[Tensor, "b y nx k p"], nodes: Float[Tensor, "b my mx k r"], rows: slice
    ) -> None:
        """Add values times the features to the nodes."""
        b, y, nx, k, p = values.shape
        # one run of k * p numbers a spline: processors like long runs
        runs = self.weights[:, None].expand(-1, k, -1).reshape(-1, k * p).to(self.dtype)
        weighted = values.to(self.dtype).reshape(-1, 1, k * p) * runs
        features = self.features[:, rows].reshape(-1, p, self.rank + 1)
        parts = torch.bmm(weighted.reshape(len(features), -1, p), features)
        parts = parts.reshape(b, y, nx, self.taps, self.taps, k, self.rank + 1)
        for i in range(self.taps):
            for j in range(self.taps):
                nodes[:, rows.start + i : rows.stop + i, j : j + nx] += parts[:, :, :, i, j]

    def blur(
        self, nodes: Float[Tensor, "b my mx k r"], smoothness_weight: float, appearance_weight: float
    ) -> Float[Tensor, "b my mx k r"]:
        """Both kernels between the nodes, each times its weight."""
        out = self.appearance_blur(nodes.flatten(3)).reshape(nodes.shape)
        out *= appearance_weight
        out[..., -1] = self.smoothness_blur(nodes[..., -1]) * smoothness_weight
        return out

    def windows(self, grid: Float[Tensor, "b my mx k r"]) -> Float[Tensor, "b ny nx g g k r"]:
        """The nodes of every cell, a view."""
        return grid.unfold(1, self.taps, 1).unfold(2, self.taps, 1).permute(0, 1, 2, 5, 6, 3, 4)

    def slice(self, windows: Float[Tensor, "b ny nx g g k r"], rows: slice) -> Float[Tensor, "b y nx k p"]:
        """Values of both kernels together at the pixels."""
        part = windows[:, rows]
        b, y, nx, _, _, k, r = part.shape
        p = self.cells.p
        features = self.features[:, rows].reshape(-1, p, r)
        values = torch.bmm(part.reshape(len(features), -1, r), features.transpose(1, 2))
        values = values.reshape(len(features), -1, k * p)
        runs = self.weights[:, None].expand(-1, k, -1).reshape(-1, k * p)
        out = values[:, 0].float().mul_(runs[0])
        for i in range(1, len(runs)):
            out.addcmul_(values[:, i].float(), runs[i])
        return out.reshape(b, y, nx, k, p)

    def messages(
        self, q: Float[Tensor, "b ny nx k p"]
    ) -> tuple[Float[Tensor, "b ny nx k p"], Float[Tensor, "b ny nx k p"]]:
        """Both normalised kernels times q, apart: smoothness, appearance (self terms included)."""
        nodes = self.new_nodes(q.shape[3])
        for rows in self.strips():
            self.splat(q[:, rows], nodes, rows)
        both = []
        for weights in ((1.0, 0.0), (0.0, 1.0)):
            windows = self.windows(self.blur(nodes, *weights))
            both.append(torch.cat([self.slice(windows, rows) for rows in self.strips()], 1))
        return both[0], both[1].addcmul_(self.residual, q)


def _degree(n: int, sigma: float, device: torch.device) -> Float[Tensor, " n"]:
    """Row sums of a Gaussian of one axis."""
    reach = min(n - 1, int(8 * sigma) + 1)
    gauss = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    ones = torch.ones(1, 1, n, dtype=torch.float64)
    sums = torch.nn.functional.conv1d(ones, gauss[None, None], padding=reach)
    return sums[0, 0].to(torch.float32).to(device)
