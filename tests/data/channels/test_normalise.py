from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_construct.data.channels import normalise
from napari_construct.data.channels.normalise import percentile_normalised
from napari_construct.exceptions import ConfigurationError, InputError


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.uint32, np.int64, np.float32, np.float64]
)
def test_closed_form(dtype: Any) -> None:
    ramp = np.arange(101, dtype=dtype).reshape(1, 101)
    found = percentile_normalised(ramp, 10.0, 90.0)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.clip((np.arange(101) - 10) / 80, 0, 1)[None], atol=1e-6)


def test_scale_and_offset_do_not_matter() -> None:
    channel = np.random.default_rng(0).random((60, 70))
    expected = percentile_normalised(channel)
    assert expected.min() == 0
    assert expected.max() == 1
    np.testing.assert_allclose(percentile_normalised(channel * 1e6 - 5e5), expected, atol=1e-5)
    deep = percentile_normalised((channel * 65535).astype(np.uint16))
    np.testing.assert_allclose(deep, expected, atol=1e-4)


def test_constant_and_sparse_channels() -> None:
    for value in (0, 7, 255):
        assert not percentile_normalised(np.full((20, 30), value, np.uint8)).any()
    sparse = np.zeros((100, 100), np.uint16)
    sparse[3, 4], sparse[5, 6] = 1000, 500  # both percentiles are 0
    found = percentile_normalised(sparse)
    assert (found[3, 4], found[5, 6], found.sum()) == (1, 0.5, 1.5)
    assert percentile_normalised(np.array([[False, True]])).tolist() == [[0, 1]]


def test_large_channels_are_sampled_on_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = np.random.default_rng(1).normal(100, 20, (1000, 900)).astype(np.float32)
    whole = percentile_normalised(channel)
    monkeypatch.setattr(normalise, "SAMPLES", 20_000)
    sampled = percentile_normalised(channel)
    assert not np.array_equal(sampled, whole)
    np.testing.assert_allclose(sampled, whole, atol=0.05)
    np.testing.assert_array_equal(percentile_normalised(channel.copy()), sampled)


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = np.random.default_rng(2).random((100, 90), dtype=np.float32)
    whole = percentile_normalised(channel)
    monkeypatch.setattr(normalise, "_BAND", 450)
    np.testing.assert_array_equal(percentile_normalised(channel), whole)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.float16]),
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=None,
    )
)
def test_any_finite_channel_lands_between_0_and_1(channel: Any) -> None:
    if not np.isfinite(channel).all():
        with pytest.raises(InputError, match="expected finite values"):
            percentile_normalised(channel)
        return
    found = percentile_normalised(channel)
    assert found.shape == channel.shape
    assert found.min() >= 0
    assert found.max() <= 1


def test_what_is_refused() -> None:
    for low, high in ((5.0, 5.0), (-1.0, 50.0), (50.0, 101.0), (90.0, 10.0)):
        with pytest.raises(ConfigurationError, match="0 <= low < high <= 100"):
            percentile_normalised(np.zeros((4, 4)), low, high)
    for array in (np.zeros((1, 4, 4)), np.zeros((4, 4), complex)):
        with pytest.raises(InputError, match="expected one channel"):
            percentile_normalised(array)
