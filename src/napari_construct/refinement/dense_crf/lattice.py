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

from collections.abc import Sequence
from functools import cached_property, lru_cache

import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor

from napari_construct.refinement.dense_crf import compiled, splines
from napari_construct.refinement.dense_crf.band import Band, Workspaces
from napari_construct.refinement.dense_crf.colours import ColourFeatures, distinct
from napari_construct.refinement.dense_crf.strips import Map, cut, workers

MIN_DEGREE = 1e-3

DISTINCT_FROM = 1 << 17
"""From this many pixels on, features are computed once a colour, not once a pixel."""


def to_cells(planes: Shaped[Tensor, "b n h w"], s: int) -> Shaped[Tensor, "b ny nx n p"]:
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
    compiled : bool
        Whether kernels that numba compiled do the work, or torch.
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
        self.sums = torch.float64 if dtype == torch.float64 else torch.float32
        self.appearance_blur = splines.PlaneBlur(cells, sigma_xy, degree, self.sums, self.device)
        self.smoothness_blur = splines.PlaneBlur(cells, smoothness_sigma, degree, self.sums, self.device)
        plane = splines.plane_weights(self.s, degree)
        self.weights = torch.tensor(plane, dtype=self.sums, device=self.device)
        self.compiled, self.rooms = compiled.runs_compiled(self), compiled.Rooms()
        across = self.appearance_blur.x, self.smoothness_blur.x
        self.along_x = compiled.along_x(*across) if self.compiled else ()
        self.inside = to_cells(torch.ones(1, 1, self.h, self.w, dtype=self.sums, device=self.device), self.s)
        self._place_features(image, colours, run)
        self._normalise(smoothness_sigma, run)

    def _place_features(self, image: UInt8[Tensor, "b h w 3"], colours: ColourFeatures, run: Map) -> None:
        """Features cell by cell, and what their squares miss to one; of any value outside the image."""
        shape, end = (self.b, self.ny, self.nx), (self.p, self.rank + 1)
        if self.b > 1 or self.h * self.w < DISTINCT_FROM:
            pixels = to_cells(image.movedim(3, 1), self.s).transpose(3, 4).flatten(1, 3)
            features, missing = colours(pixels.float().contiguous(), run, self.dtype)
            self.features = features.view(*shape, *end)
            self.residual = missing.view(*shape, 1, self.p).to(self.sums)
            return
        found, rows = distinct(image)
        index = to_cells(rows[:, None], self.s)
        features, missing = colours(found[None], run, self.dtype)
        self.features = features.new_empty(*shape, *end)
        self.residual = torch.empty(*shape, 1, self.p, dtype=self.sums, device=self.device)

        def place(strip: slice) -> None:
            given = index[:, strip].reshape(-1)
            for source, target in ((features, self.features), (missing, self.residual)):
                target[:, strip] = source[0].index_select(0, given).reshape(target[:, strip].shape)

        for _ in run(place, self.strips()):
            pass

    def _normalise(self, smoothness_sigma: float, run: Map) -> None:
        """Scale both kernels by their row sums to the power -1/2."""
        degrees = [_degree(n, smoothness_sigma, self.device) for n in (self.h, self.w)]
        smooth = to_cells((degrees[0][:, None] * degrees[1]).rsqrt()[None, None], self.s)[..., 0, :]
        if self.compiled:
            compiled.normalise(self, smooth, MIN_DEGREE, run)
            return
        (sums,) = self._apply(self.inside.expand(self.b, -1, -1, -1, -1), ((0.0, 1.0),), run, full=False)

        def scale(strip: slice) -> None:
            degree = sums[:, strip] + self.residual[:, strip]
            root = degree.clamp_(min=MIN_DEGREE).rsqrt_().mul_(self.inside[:, strip])
            self.residual[:, strip] *= root.square()
            self.features[:, strip] *= root.transpose(3, 4).to(self.dtype)
            self.features[:, strip, ..., -1] = smooth[:, strip].to(self.dtype)

        for _ in run(scale, self.strips()):
            pass

    def strips(self) -> list[slice]:
        """Rows of cells worked on at a time."""
        return cut(self.ny, self.nx * self.p, self.device)

    @cached_property
    def bands(self) -> list[compiled.CompiledBand]:
        """The strips as compiled kernels take them."""
        return [compiled.CompiledBand(self, index) for index in range(len(self.strips()))]

    def pixels(self, rows: slice) -> slice:
        """The pixel rows of rows of cells."""
        return slice(rows.start * self.s, min(self.h, rows.stop * self.s))

    def own(self, index: int) -> slice:
        """The rows of nodes that a strip writes: neighbours have rows of their own for shared nodes."""
        rows, edge = self.strips()[index], self.taps - 1
        return slice(rows.start + index * edge, rows.stop + (index + 1) * edge)

    @cached_property
    def node_rows(self) -> tuple[int, ...]:
        """The row of nodes of every row of all strips' nodes."""
        edge = self.taps - 1
        return tuple(row for rows in self.strips() for row in range(rows.start, rows.stop + edge))

    def new_nodes(self, k: int) -> Float[Tensor, "b m mx k r"]:
        """Room for the nodes of all strips and k planes."""
        shape = (self.b, len(self.node_rows), self.nx + self.taps - 1, k, self.rank + 1)
        return torch.empty(shape, dtype=self.sums, device=self.device)

    def runs(self, k: int) -> Float[Tensor, "g kp"]:
        """The splines' values at the pixels of a cell for k planes: processors like long runs."""
        return self.weights[:, None].expand(-1, k, -1).reshape(-1, k * self.p)

    def messages(
        self, q: Float[Tensor, "b ny nx k p"]
    ) -> tuple[Float[Tensor, "b ny nx k p"], Float[Tensor, "b ny nx k p"]]:
        """Both normalised kernels times q, apart: smoothness, appearance (self terms included)."""
        q = q.detach()  # other threads would record a graph
        with workers(self.device) as run:
            smooth, appearance = self._apply(q, ((1.0, 0.0), (0.0, 1.0)), run)
        return smooth, appearance.addcmul_(self.residual, q)

    def _apply(
        self,
        values: Float[Tensor, "b ny nx k p"],
        weights: Sequence[tuple[float, float]],
        run: Map,
        *,
        full: bool = True,
    ) -> list[Float[Tensor, "b ny nx k p"]]:
        """Both kernels times values, without the self terms, for every pair of weights."""
        if self.compiled:
            return compiled.apply(self, values, weights, run)
        k = values.shape[3]
        nodes, spaces = self.new_nodes(k), Workspaces(self, k, self.sums if full else self.dtype)
        out = [torch.empty_like(values) for _ in weights]

        def splat(index: int) -> None:
            band = Band(self, index, k, (0.0, 0.0), full=full)
            room = spaces.take(band.y)
            room.given_cells.copy_(values[:, band.rows])
            band.splat(room, band.port(nodes))
            spaces.give(band.y, room)

        def gather(index: int) -> None:
            for pair, target in zip(weights, out, strict=True):
                band = Band(self, index, k, pair, full=full)
                room = spaces.take(band.y)
                band.blur(room, band.port(nodes))
                target[:, band.rows] = band.slice(room)
                spaces.give(band.y, room)

        for work in (splat, gather):
            for _ in run(work, range(len(self.strips()))):
                pass
        return out


@lru_cache(maxsize=64)
def _degree(n: int, sigma: float, device: torch.device) -> Float[Tensor, " n"]:
    """Row sums of a Gaussian of one axis."""
    reach = min(n - 1, int(8 * sigma) + 1)
    gauss = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    ones = torch.ones(1, 1, n, dtype=torch.float64)
    sums = torch.nn.functional.conv1d(ones, gauss[None, None], padding=reach)
    return sums[0, 0].to(torch.float32).to(device)
