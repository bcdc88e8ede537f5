"""Pivoted Cholesky: the colours from which a kernel is known best."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from napari_construct.refinement.dense_crf.compiled import flat, serving

MIN_RESIDUAL = 2e-3
CHECK_EVERY = 16


def pivoted_cholesky(
    points: Float[Tensor, "b n 3"], counts: Float[Tensor, "b n"], tolerance: float, most: int
) -> tuple[Int[Tensor, "b m"], Float[Tensor, "b n m"]]:
    """Landmarks among the points and psi of all points; psi of the landmarks is lower triangular.

    An image is done when the kernel's mean residual falls to ``tolerance``, or with ``most`` landmarks.
    """
    fitting = serving("fitting", points.device, len(points))
    if fitting is None:
        alone = len(points) == 1 and points.device.type == "cpu"
        return (_one if alone else _batch)(points, counts, tolerance, most)
    n = points.shape[1]
    columns = points.new_empty(min(n, most), n)
    landmarks = torch.zeros(len(columns), dtype=torch.int64)
    given = flat(points.contiguous()), flat(counts.contiguous())
    made = fitting.pivoted_cholesky(*given, tolerance, MIN_RESIDUAL, flat(columns), flat(landmarks))
    return landmarks[None, : max(1, made)], columns[None, : max(1, made)].transpose(1, 2)


def _batch(
    points: Float[Tensor, "b n 3"], counts: Float[Tensor, "b n"], tolerance: float, most: int
) -> tuple[Int[Tensor, "b m"], Float[Tensor, "b n m"]]:
    """:func:`pivoted_cholesky` of images side by side; an image that is done gets columns of 0."""
    b, n, _ = points.shape
    most = min(n, most)
    columns = points.new_zeros(b, most, n)
    residual = (counts > 0).to(points.dtype)
    importance, share = counts.sqrt(), counts / counts.sum(1, keepdim=True)
    half = -0.5 * points.square().sum(2)
    landmarks = torch.zeros(b, most, dtype=torch.long, device=points.device)
    made = most
    for j in range(most):
        i = (residual * importance).argmax(1, keepdim=True)
        top = residual.gather(1, i)
        going = (top > MIN_RESIDUAL) & ((residual * share).sum(1, keepdim=True) > tolerance)
        if j % CHECK_EVERY == 0 and not bool(going.any()):
            made = max(j, 1)
            break
        landmarks[:, j : j + 1] = i
        point = points.gather(1, i[..., None].expand(-1, -1, 3))
        kernel = (torch.bmm(points, point.transpose(1, 2))[..., 0] + half + half.gather(1, i)).exp_()
        if j:
            row = columns[:, :j].gather(2, i[:, None].expand(-1, j, -1))
            kernel -= torch.bmm(row.transpose(1, 2), columns[:, :j])[:, 0]
        column = kernel * top.clamp_min(MIN_RESIDUAL).rsqrt() * going * (residual > 0)
        columns[:, j] = column
        residual = (residual - column.square()).clamp_min_(0).scatter_(1, i, 0.0)
    return landmarks[:, :made], columns[:, :made].transpose(1, 2)


def _one(
    points: Float[Tensor, "1 n 3"], counts: Float[Tensor, "1 n"], tolerance: float, most: int
) -> tuple[Int[Tensor, "1 m"], Float[Tensor, "1 n m"]]:
    """As ``_batch`` for one image, with fewer and smaller operations."""
    x, n = points[0], points.shape[1]
    half = -0.5 * x.square().sum(1)
    importance, share = counts[0].sqrt(), counts[0] / counts.sum()
    residual = torch.ones_like(share)
    columns = x.new_empty(min(n, most), n)
    landmarks: list[int] = []
    for j, column in enumerate(columns):
        i = int((residual * importance).argmax())
        top = float(residual[i])
        if top <= MIN_RESIDUAL or float(residual @ share) <= tolerance:
            break
        torch.add(half, half[i], out=column).addmv_(x, x[i]).exp_()
        if j:
            column.addmv_(columns[:j].T, columns[:j, i], alpha=-1)
        column.mul_(top**-0.5).masked_fill_(residual == 0, 0.0)
        residual.addcmul_(column, column, value=-1).clamp_min_(0)
        residual[i] = 0
        landmarks.append(i)
    made = max(1, len(landmarks))
    order = torch.tensor(landmarks or [0])
    return order[None], columns[None, :made].transpose(1, 2)
