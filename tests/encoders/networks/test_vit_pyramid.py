from __future__ import annotations

import pytest
import torch

from napari_construct.encoders.networks.vit_pyramid import (
    check_multiple,
    feature_pyramid,
    resize_position_embedding,
    square_side,
    tap_blocks,
)
from napari_construct.exceptions import EncoderError


def test_pyramid_sizes_and_means() -> None:
    taps = [torch.rand(1, 3, 4, 6, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    levels = feature_pyramid(taps)
    assert [tuple(level.shape[-2:]) for level in levels] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    torch.testing.assert_close(levels[2], taps[2])
    torch.testing.assert_close(levels[3][0, :, 0, 0], taps[3][0, :, :2, :2].mean((1, 2)))
    constant = feature_pyramid([torch.full((1, 1, 2, 2), 3.0)] * 4)
    assert all(bool((level == 3).all()) for level in constant)


def test_taps_close_each_quarter() -> None:
    assert tap_blocks(12) == (2, 5, 8, 11)
    assert tap_blocks(24) == (5, 11, 17, 23)
    with pytest.raises(EncoderError, match="at least four blocks, got 3"):
        tap_blocks(3)


def test_position_embedding_is_resized_bilinearly_without_antialiasing() -> None:
    embedding = torch.arange(17.0).view(1, 17, 1)  # one class token, then 4 x 4 counting from 1
    resized = resize_position_embedding(embedding, 1, (2, 2), mode="bilinear", antialias=False)
    # halving: each new place is the mean of the four old ones it covers
    torch.testing.assert_close(resized.flatten(), torch.tensor([0.0, 3.5, 5.5, 11.5, 13.5]))
    third = resize_position_embedding(
        torch.arange(37.0).view(1, 37, 1), 1, (2, 2), mode="bilinear", antialias=False
    )
    # thirds: only the old place under the new centre is read, which antialiasing would not do
    torch.testing.assert_close(third.flatten(), torch.tensor([0.0, 8.0, 11.0, 26.0, 29.0]))


def test_the_same_grid_is_not_resampled() -> None:
    embedding = torch.rand(1, 10, 4)
    assert resize_position_embedding(embedding, 1, (3, 3)) is embedding


def test_a_grid_may_become_oblong() -> None:
    assert resize_position_embedding(torch.rand(1, 9, 4), 0, (2, 5)).shape == (1, 10, 4)


@pytest.mark.parametrize("tokens", [0, -1, 8])
def test_refuses_a_grid_that_is_not_square(tokens: int) -> None:
    with pytest.raises(EncoderError, match="square grid"):
        square_side(tokens)


def test_refuses_sizes_that_do_not_fit() -> None:
    check_multiple(torch.zeros(1, 3, 64, 32), 32, "x")
    with pytest.raises(EncoderError, match=r"x: expected RGB images whose sides are multiples of 32 pixels"):
        check_multiple(torch.zeros(1, 3, 64, 33), 32, "x")
    with pytest.raises(EncoderError, match="multiples of 32"):
        check_multiple(torch.zeros(1, 3, 0, 32), 32, "x")
