"""The size that Zstandard frames state is at least what the decoder makes of them."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_construct.data.zstd_sizes import decoded_size

STREAMED = bytes.fromhex("28b52ffd0058") + bytes.fromhex("f90f00") + b"a" * 511
"""A frame without its size: one raw block, the last, of 511 bytes."""


def size(data: bytes) -> int:
    return decoded_size(lambda at, count: data[at : at + count], len(data))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3), st.lists(st.integers(0, 300_000), min_size=1, max_size=3), st.integers(-5, 19))
def test_stated_sizes_are_exact(seed: int, lengths: list[int], level: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, 1 + 60 * seed, n, dtype=np.uint8).tobytes() for n in lengths]
    frames = b"".join(imagecodecs.zstd_encode(part, level=level) for part in parts)
    assert size(frames) == sum(lengths)
    skipped = (0x184D2A57).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"12345"
    assert size(skipped + frames + skipped) == sum(lengths)
    for cut in (1, 2):
        with pytest.raises(ValueError, match="Zstandard frame"):
            size(frames[:-cut])


def test_without_a_stated_size_blocks_are_counted() -> None:
    assert imagecodecs.zstd_decode(STREAMED, out=511) == b"a" * 511
    assert size(STREAMED) == 2**17
    with pytest.raises(ValueError, match="last block"):
        size(STREAMED[:6] + bytes.fromhex("f80f00") + STREAMED[9:])


@pytest.mark.parametrize("data", [b"PK\3\4" + bytes(40), b"\x28\xb5\x2f", bytes(8)])
def test_what_is_no_frame(data: bytes) -> None:
    with pytest.raises(ValueError, match="Zstandard frame"):
        size(data)
