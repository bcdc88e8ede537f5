"""Memory for large arrays."""

from __future__ import annotations

import pytest
import torch

from napari_construct.crf.base.memory import large_empty


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1,), (0, 4)])
def test_it_is_a_tensor_like_any_other(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    made = large_empty(shape, dtype, torch.device("cpu"))
    assert (made.shape, made.dtype, made.is_contiguous()) == (torch.Size(shape), dtype, True)
    assert made.data_ptr() % 64 == 0
    other = large_empty(shape, dtype, torch.device("cpu"))
    made.fill_(1)
    other.fill_(2)
    assert bool((made == 1).all())
