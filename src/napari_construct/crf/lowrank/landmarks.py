"""Pivoted Cholesky: the colours from which a kernel is known best."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from napari_construct.crf.base.numba_gate import flat, kernels_serve

MIN_RESIDUAL = 2e-3
CHECK_EVERY = 16


def pivoted_cholesky(
    points: Float[Tensor, "b n 3"], counts: Float[Tensor, "b n"], tolerance: float, most: int
) -> tuple[Int[Tensor, "b m"], Float[Tensor, "b n m"]]:
    """Landmarks among the points and psi of all points; psi of the landmarks is lower triangular.

    An image is done when the kernel's mean residual falls to ``tolerance``, or with ``most`` landmarks;
    where others of its batch are not, it gets columns of 0.
    """
    b, n, _ = points.shape
    most = min(n, most)
    columns, landmarks = points.new_zeros(b, most, n), counts.new_zeros(b, most, dtype=torch.int64)
    if points.dtype == torch.float64 and kernels_serve(points.device, b):
        from napari_construct.crf.kernels import colour_kernels

        given = flat(points.contiguous()), flat(counts.contiguous())
        room = flat(columns), flat(landmarks)
        made = colour_kernels.pivoted_cholesky(*given, tolerance, MIN_RESIDUAL, *room)
    else:
        made = _by_torch(points, counts, tolerance, columns, landmarks)
    made = max(1, made)
    return landmarks[:, :made], columns[:, :made].transpose(1, 2)


def _by_torch(
    points: Float[Tensor, "b n 3"],
    counts: Float[Tensor, "b n"],
    tolerance: float,
    columns: Float[Tensor, "b m n"],
    landmarks: Int[Tensor, "b m"],
) -> int:
    """Fill columns and landmarks; how many there are."""
    residual = (counts > 0).to(points.dtype)
    importance, share = counts.sqrt(), counts / counts.sum(1, keepdim=True)
    half = -0.5 * points.square().sum(2)
    for j in range(columns.shape[1]):
        i = (residual * importance).argmax(1, keepdim=True)
        top = residual.gather(1, i)
        going = (top > MIN_RESIDUAL) & ((residual * share).sum(1, keepdim=True) > tolerance)
        if j % CHECK_EVERY == 0 and not bool(going.any()):
            return j
        landmarks[:, j : j + 1] = i
        point = points.gather(1, i[..., None].expand(-1, -1, 3))
        kernel = (torch.bmm(points, point.transpose(1, 2))[..., 0] + half + half.gather(1, i)).exp_()
        if j:
            row = columns[:, :j].gather(2, i[:, None].expand(-1, j, -1))
            kernel -= torch.bmm(row.transpose(1, 2), columns[:, :j])[:, 0]
        column = kernel * top.clamp_min(MIN_RESIDUAL).rsqrt() * going * (residual > 0)
        columns[:, j] = column
        residual = (residual - column.square()).clamp_min_(0).scatter_(1, i, 0.0)
    return columns.shape[1]
