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
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from napari_construct.crf.base.memory import large_empty
from napari_construct.crf.base.strips import Map, workers
from napari_construct.crf.lowrank import compiled_operator
from napari_construct.crf.lowrank.colours import ColourFeatures
from napari_construct.crf.lowrank.grid import Grid, from_cells, to_cells
from napari_construct.crf.lowrank.histogram import distinct
from napari_construct.crf.lowrank.operators import MeanFieldArrays, Operator, Strip
from napari_construct.crf.lowrank.splines import row_sums
from napari_construct.crf.lowrank.torch_operator import TorchOperator

MIN_DEGREE = 1e-3

DISTINCT_FROM = 1 << 17
"""From this many pixels on, features are computed once a colour, not once a pixel."""


class Lattice:
    """Splat, blur and slice for images of one size, with features in float32 or bfloat16.

    Attributes
    ----------
    grid : Grid
        The cells, with the features.
    operator : Operator
        What does the work: compiled kernels or torch.
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
        b, h, w, _ = image.shape
        self.grid = grid = Grid(
            (b, h, w),
            sigma_xy=sigma_xy,
            smoothness_sigma=smoothness_sigma,
            spacing=spacing,
            degree=degree,
            sums=torch.float64 if dtype == torch.float64 else torch.float32,
            device=image.device,
        )
        _place_features(grid, image, colours, dtype, run)
        compiled = compiled_operator.serves(grid)
        self.operator: Operator = (compiled_operator.CompiledOperator if compiled else TorchOperator)(grid)
        degrees = [row_sums(n, smoothness_sigma, grid.device) for n in (h, w)]
        smooth = to_cells((degrees[0][:, None] * degrees[1]).rsqrt()[None, None], grid.s)[..., 0, :]
        self.operator.normalise(smooth, MIN_DEGREE, run)

    @property
    def images(self) -> int:
        return self.grid.b

    @property
    def device(self) -> torch.device:
        return self.grid.device

    def new_nodes(self, k: int) -> Any:
        return self.operator.new_nodes(k)

    def free(self, *nodes: Any) -> None:
        self.operator.free(*nodes)

    def strips(self, arrays: MeanFieldArrays) -> Sequence[Strip]:
        return self.operator.strips(arrays)

    def messages(
        self, q: Float[Tensor, "b k h w"]
    ) -> tuple[Float[Tensor, "b k h w"], Float[Tensor, "b k h w"]]:
        """Both normalised kernels times q, apart: smoothness, appearance (self terms included)."""
        grid = self.grid
        cells = to_cells(q.detach(), grid.s)  # other threads would record a graph
        with workers(grid.device) as run:
            smooth, appearance = self.operator.apply(cells, ((1.0, 0.0), (0.0, 1.0)), run)
        appearance.addcmul_(grid.residual, cells)
        return from_cells(smooth, grid.s, grid.h, grid.w), from_cells(appearance, grid.s, grid.h, grid.w)


def _place_features(
    grid: Grid,
    image: UInt8[Tensor, "b h w 3"],
    colours: ColourFeatures,
    dtype: torch.dtype,
    run: Map,
) -> None:
    """Features cell by cell, and what their squares miss to one; of any value outside the image."""
    shape, end = (grid.b, grid.ny, grid.nx), (grid.p, colours.rank + 1)
    if grid.b > 1 or grid.h * grid.w < DISTINCT_FROM:
        pixels = to_cells(image.movedim(3, 1), grid.s).transpose(3, 4).flatten(1, 3)
        features, missing = colours(pixels.float().contiguous(), run, dtype)
        grid.features = features.view(*shape, *end)
        grid.residual = missing.view(*shape, 1, grid.p).to(grid.sums)
        return
    found, rows = distinct(image)
    index = to_cells(rows[:, None], grid.s)
    features, missing = colours(found[None], run, dtype)
    missing = missing.to(grid.sums)
    grid.features = large_empty((*shape, *end), features.dtype, grid.device)
    grid.residual = missing.new_empty(*shape, 1, grid.p)

    def place(strip: slice) -> None:
        given = index[:, strip].reshape(-1)
        for source, target in ((features[0], grid.features), (missing[0], grid.residual)):
            torch.index_select(source, 0, given, out=target[:, strip].view(-1, *source.shape[1:]))

    for _ in run(place, grid.strips):
        pass
