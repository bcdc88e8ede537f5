from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from napari_construct.data.channels.arrays import as_channels
from napari_construct.data.channels.assemble import join_channels, picked
from napari_construct.exceptions import InputError

PIXELS = np.random.default_rng(0).integers(0, 60000, (3, 40, 50), dtype=np.uint16)


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
def test_first_or_last_axis(kind: str, tmp_path: Path) -> None:
    def made(array: np.ndarray) -> Any:
        if kind == "zarr":
            stored = zarr.create_array(tmp_path / f"{array.shape}", shape=array.shape, dtype=array.dtype)
            stored[:] = array
            return stored
        return da.from_array(array, chunks=20) if kind == "dask" else array

    for array in (PIXELS, np.moveaxis(PIXELS, 0, -1)):
        image = as_channels(made(array), name="layer", mpp=0.5)
        np.testing.assert_array_equal(image.pixels, PIXELS)
        assert image.pixels.flags.c_contiguous
        assert (image.names, image.mpp, image.path) == (("0", "1", "2"), 0.5, Path("layer"))
    np.testing.assert_array_equal(as_channels(made(PIXELS[0])).pixels, PIXELS[:1])


def test_named_axes() -> None:
    array = xr.DataArray(
        PIXELS.transpose(2, 0, 1)[None],
        dims=("t", "x", "c", "y"),
        coords={"c": ["nuclear", "membrane", "other"]},
    )
    image = as_channels(array)
    np.testing.assert_array_equal(image.pixels, PIXELS)
    assert image.names == ("nuclear", "membrane", "other")


def test_axis_that_is_said() -> None:
    many = np.zeros((60, 50, 70), np.uint8)
    with pytest.raises(InputError, match=r"fewer channels than rows and columns.*axis=0"):
        as_channels(many)
    assert as_channels(many, axis=0).pixels.shape == (60, 50, 70)
    assert as_channels(many, axis=-1).pixels.shape == (70, 60, 50)


def test_what_is_refused() -> None:
    class Endless:
        shape = (4, 10**6, 10**6)
        dtype = np.dtype(np.uint8)

        def __array__(self) -> np.ndarray:
            pytest.fail("loaded")

    with pytest.raises(InputError, match="expected at most 100,000,000 pixels"):
        as_channels(Endless())
    with pytest.raises(InputError, match="expected at most 16,000 bytes, got 24,000"):
        as_channels(np.zeros((6, 40, 50), np.uint16), max_pixels=2000)
    with pytest.raises(InputError, match="expected 3 names of channels, got 1"):
        as_channels(PIXELS, names=["a"])
    with pytest.raises(InputError, match="choose one plane of a stack"):
        as_channels(np.zeros((2, 3, 40, 50)))
    with pytest.raises(InputError, match="NaN"):
        as_channels(np.full((40, 50), np.nan))
    with pytest.raises(InputError, match="got dict"):
        as_channels({})
    with pytest.raises(InputError, match="at least 16 pixels"):
        as_channels(np.zeros((8, 50)))


def test_layers_become_one_image() -> None:
    one = as_channels(PIXELS[0], name="nuclei.tif", mpp=0.5)
    other = as_channels(PIXELS[1].astype(np.float32), name="membranes")
    image = join_channels([one, other], ["nuclear", "membrane"])
    np.testing.assert_array_equal(image.pixels, PIXELS[:2])
    assert (image.names, image.mpp) == (("nuclear", "membrane"), 0.5)
    assert join_channels([one, other]).names == ("0", "1")
    with pytest.raises(InputError, match="expected 2 names"):
        join_channels([one, other], ["a"])
    with pytest.raises(InputError, match=r"40 x 50 pixels as nuclei\.tif has, got 30 x 50"):
        join_channels([one, as_channels(PIXELS[1, :30])])
    with pytest.raises(InputError, match="um per pixel"):
        join_channels([one, as_channels(PIXELS[1], mpp=0.25)])
    with pytest.raises(InputError, match="got none"):
        join_channels([])


def test_picked() -> None:
    image = picked(as_channels(PIXELS, names=["a", "b", "c"]), (2, 0), 0.3)
    np.testing.assert_array_equal(image.pixels, PIXELS[[2, 0]])
    assert (image.names, image.mpp) == (("c", "a"), 0.3)
