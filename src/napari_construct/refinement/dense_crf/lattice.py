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

from collections.abc import Iterable
from functools import partial

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf import splines
from napari_construct.refinement.dense_crf.colours import ColourFeatures
from napari_construct.refinement.dense_crf.strips import Map, cut, workers

MIN_DEGREE = 1e-3


def to_cells(planes: Float[Tensor, "b n h w"], s: int) -> Float[Tensor, "b ny nx n p"]:
    """Cut pictures into cells of s x s pixels, padded with zeros."""
    b, n, h, w = planes.shape
    ny, nx = -(-h // s), -(-w // s)
    if (ny * s, nx * s) != (h, w):
        planes = torch.nn.functional.pad(planes, (0, nx * s - w, 0, ny * s - h))
    return planes.reshape(b, n, ny, s, nx, s).permute(0, 2, 4, 1, 3, 5).reshape(b, ny, nx, n, s * s)


def from_cells(cells: Float[Tensor, "b ny nx n p"], s: int, h: int, w: int) -> Float[Tensor, "b n h w"]:
    """Undo :func:`to_cells`."""
    b, ny, nx, n, _ = cells.shape
    planes = cells.reshape(b, ny, nx, n, s, s).permute(0, 3, 1, 4, 2, 5).reshape(b, n, ny * s, nx * s)
    return planes[..., :h, :w]


class Lattice:
    """Splat, blur and slice for images of one size, in float32 or bfloat16.

    Attributes
    ----------
    features : tensor
        (b, ny, nx, p, r + 1): the colour features times degree^-1/2 of the appearance kernel, and in the
        last column degree^-1/2 of the smoothness kernel; zero outside the image.
    residual : tensor
        (b, ny, nx, 1, p) float32: what the self term of the normalised appearance kernel lacks.
    """

    def __init__(
        self,
        image: UInt8[Tensor, "b h w 3"],
        colours: ColourFeatures,
        *,
        sigma_xy: float,
        smoothness_sigma: float,
        spacing: float,
        degree: int,
        dtype: torch.dtype,
        run: Map,
    ) -> None:
        self.b, self.h, self.w, _ = image.shape
        self.s = splines.spacing(min(sigma_xy, smoothness_sigma), spacing)
        self.ny, self.nx, self.p = -(-self.h // self.s), -(-self.w // self.s), self.s**2
        self.device, self.dtype = image.device, dtype
        # linear splines on a grid of pixels are a poor basis; quadratic ones hold every picture
        degree = degree if self.s > 2 else 2
        self.rank, self.taps = colours.rank, degree + 1
        cells = (self.ny, self.nx, self.s)
        self.appearance_blur = splines.PlaneBlur(cells, sigma_xy, degree, dtype, self.device)
        self.smoothness_blur = splines.PlaneBlur(cells, smoothness_sigma, degree, dtype, self.device)
        plane = splines.plane_weights(self.s, degree)
        self.weights = torch.tensor(plane, dtype=torch.float32, device=self.device)
        self._place_features(*colours.of_pixels(image, run), run)
        self._normalise(smoothness_sigma, run)

    def _place_features(self, table: Float[Tensor, "n r"], rows: Int[Tensor, "b h w"], run: Map) -> None:
        """Bring features to their cells; remember 1 - |Phi|^2."""
        outside, s = len(table), self.s
        missing = torch.nn.functional.pad((1 - table.square().sum(1)).clamp_min_(0), (0, 1))
        low = table.new_zeros(outside + 1, self.rank + 1, dtype=self.dtype)
        low[:-1, :-1] = table
        padding = (0, self.nx * s - self.w, 0, self.ny * s - self.h)
        rows = torch.nn.functional.pad(rows, padding, value=outside)
        rows = rows.reshape(self.b, self.ny, s, self.nx, s).permute(0, 1, 3, 2, 4).contiguous()
        shape = (self.b, self.ny, self.nx)
        self.features = low.new_empty(*shape, self.p, self.rank + 1)
        self.residual = missing.new_empty(*shape, 1, self.p)
        self.inside = missing.new_empty(*shape, 1, self.p)

        def place(strip: slice) -> None:
            index = rows[:, strip].reshape(-1)
            for source, target in ((low, self.features), (missing, self.residual)):
                target[:, strip] = source.index_select(0, index).reshape(target[:, strip].shape)
            self.inside[:, strip] = (index != outside).reshape(self.inside[:, strip].shape)

        for _ in run(place, self.strips()):
            pass

    def _normalise(self, smoothness_sigma: float, run: Map) -> None:
        """Scale both kernels by their row sums to the power -1/2."""
        parts = run(lambda strip: self.splat(self.inside[:, strip], strip), self.strips())
        windows = self.windows(self.blur(self.collect(parts), 0.0, 1.0, run))
        degrees = [_degree(n, smoothness_sigma, self.device) for n in (self.h, self.w)]
        smooth = to_cells((degrees[0][:, None] * degrees[1]).rsqrt()[None, None], self.s)[..., 0, :]

        def scale(strip: slice) -> None:
            degree = self.slice(windows, strip) + self.residual[:, strip]
            root = degree.clamp_(min=MIN_DEGREE).rsqrt_().mul_(self.inside[:, strip])
            self.residual[:, strip] *= root.square()
            self.features[:, strip] *= root.transpose(3, 4).to(self.dtype)
            self.features[:, strip, ..., -1] = smooth[:, strip].to(self.dtype)

        for _ in run(scale, self.strips()):
            pass

    def strips(self) -> list[slice]:
        """Rows of cells worked on at a time."""
        return cut(self.ny, self.nx * self.p, self.device)

    def pixels(self, rows: slice) -> slice:
        """The pixel rows of rows of cells."""
        return slice(rows.start * self.s, min(self.h, rows.stop * self.s))

    def splat(self, values: Float[Tensor, "b y nx k p"], rows: slice) -> Float[Tensor, "b yn mx k r"]:
        """Sum values times features on the nodes of rows of cells; strips share nodes at their edges."""
        b, y, nx, k, p = values.shape
        # one run of k * p numbers a spline: processors like long runs
        runs = self.weights[:, None].expand(-1, k, -1).reshape(-1, k * p).to(self.dtype)
        weighted = values.to(self.dtype).reshape(-1, 1, k * p) * runs
        features = self.features[:, rows].reshape(-1, p, self.rank + 1)
        parts = torch.bmm(weighted.reshape(len(features), -1, p), features)
        parts = parts.reshape(b, y, nx, self.taps, self.taps, k, self.rank + 1)
        edge = self.taps - 1
        nodes = parts.new_zeros(b, y + edge, nx + edge, k, self.rank + 1)
        for i in range(self.taps):
            for j in range(self.taps):
                nodes[:, i : i + y, j : j + nx] += parts[:, :, :, i, j]
        return nodes

    def collect(self, parts: Iterable[Float[Tensor, "b _ mx k r"] | None]) -> Float[Tensor, "b my mx k r"]:
        """Add up the nodes of all strips, in their order."""
        nodes: Tensor | None = None
        for rows, part in zip(self.strips(), parts, strict=True):
            if part is None:
                continue
            if nodes is None:
                nodes = part.new_zeros(self.b, self.ny + self.taps - 1, *part.shape[2:])
            nodes[:, rows.start : rows.stop + self.taps - 1] += part
        if nodes is None:
            raise ValueError("expected the nodes of every strip, got none; the image has no rows")
        return nodes

    def blur(
        self,
        nodes: Float[Tensor, "b my mx k r"],
        smoothness_weight: float,
        appearance_weight: float,
        run: Map = map,
    ) -> Float[Tensor, "b my mx k r"]:
        """Both kernels between the nodes, each times its weight."""
        out = self.appearance_blur(nodes.flatten(3), run).reshape(nodes.shape)
        out *= appearance_weight
        out[..., -1] = self.smoothness_blur(nodes[..., -1], map) * smoothness_weight
        return out

    def windows(self, grid: Float[Tensor, "b my mx k r"]) -> Float[Tensor, "b ny nx g g k r"]:
        """The nodes of every cell, a view."""
        return grid.unfold(1, self.taps, 1).unfold(2, self.taps, 1).permute(0, 1, 2, 5, 6, 3, 4)

    def slice(self, windows: Float[Tensor, "b ny nx g g k r"], rows: slice) -> Float[Tensor, "b y nx k p"]:
        """Values of both kernels together at the pixels, float32."""
        part = windows[:, rows]
        b, y, nx, _, _, k, r = part.shape
        features = self.features[:, rows].reshape(-1, self.p, r)
        values = torch.bmm(part.reshape(len(features), -1, r), features.transpose(1, 2))
        values = values.reshape(len(features), -1, k * self.p)
        runs = self.weights[:, None].expand(-1, k, -1).reshape(-1, k * self.p)
        out = values[:, 0].float().mul_(runs[0])
        for i in range(1, len(runs)):
            out.addcmul_(values[:, i].float(), runs[i])
        return out.reshape(b, y, nx, k, self.p)

    def messages(
        self, q: Float[Tensor, "b ny nx k p"]
    ) -> tuple[Float[Tensor, "b ny nx k p"], Float[Tensor, "b ny nx k p"]]:
        """Both normalised kernels times q, apart: smoothness, appearance (self terms included)."""
        q = q.detach()  # other threads would record a graph
        with workers(self.device) as run:
            nodes = self.collect(run(lambda rows: self.splat(q[:, rows], rows), self.strips()))
            both = []
            for weights in ((1.0, 0.0), (0.0, 1.0)):
                windows = self.windows(self.blur(nodes, *weights, run))
                both.append(torch.cat(list(run(partial(self.slice, windows), self.strips())), 1))
        return both[0], both[1].addcmul_(self.residual, q)


def _degree(n: int, sigma: float, device: torch.device) -> Float[Tensor, " n"]:
    """Row sums of a Gaussian of one axis."""
    reach = min(n - 1, int(8 * sigma) + 1)
    gauss = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    ones = torch.ones(1, 1, n, dtype=torch.float64)
    sums = torch.nn.functional.conv1d(ones, gauss[None, None], padding=reach)
    return sums[0, 0].to(torch.float32).to(device)
