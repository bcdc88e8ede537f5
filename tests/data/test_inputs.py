"""Whatever shows an image, as RGB with rows first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_construct.data.images import read_image
from napari_construct.data.inputs import as_image
from napari_construct.exceptions import InputError

RGB = np.random.default_rng(0).integers(80, 256, (20, 30, 3), np.uint8)


class NamedArray:
    """What ``as_image`` uses of an xarray.DataArray, which need not be installed."""

    def __init__(self, data: Any, dims: tuple[str, ...], name: str | None = None) -> None:
        self.data, self.dims, self.name = data, dims, name
        self.sizes = dict(zip(dims, data.shape, strict=True))

    def isel(self, indexers: dict[str, int]) -> NamedArray:
        key = tuple(indexers.get(dim, slice(None)) for dim in self.dims)
        return NamedArray(self.data[key], tuple(d for d in self.dims if d not in indexers), self.name)

    def transpose(self, *dims: str) -> NamedArray:
        return NamedArray(self.data.transpose([self.dims.index(dim) for dim in dims]), dims, self.name)


def test_numpy_passes_untouched() -> None:
    found = as_image(RGB)
    assert found.pixels is RGB or np.shares_memory(found.pixels, RGB)
    assert (found.mpp, found.notices, found.path.name) == (None, (), "image")


def test_path(tmp_path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path, dpi=(25400, 25400))
    for given in (path, str(path)):
        found = as_image(given)
        np.testing.assert_array_equal(found.pixels, RGB)
        assert found.mpp == pytest.approx(1.0, rel=1e-3)
    assert as_image(found) is found
    assert read_image(path).mpp == found.mpp


@pytest.mark.parametrize("mode", ["RGB", "P", "YCbCr", "RGBA"])
def test_pillow(mode) -> None:
    flat = Image.new("RGB", (30, 20), (204, 102, 153))  # a colour of Pillow's own palette
    found = as_image(flat.convert(mode)).pixels
    assert found.shape == (20, 30, 3)
    assert np.abs(found.astype(int) - (204, 102, 153)).max() <= 3


def test_dask_is_computed() -> None:
    dask = pytest.importorskip("dask.array")
    np.testing.assert_array_equal(as_image(dask.from_array(RGB, chunks=(7, 30, 3))).pixels, RGB)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("axes", "dims"),
    [
        ((0, 1, 2), ("y", "x", "c")),
        ((2, 0, 1), ("c", "y", "x")),
        ((1, 2, 0), ("X", "channel", "Y")),
        ((0, 1, 2), ("row", "column", "band")),
    ],
)
def test_axes_are_found_by_their_names(axes, dims, lazy) -> None:
    data: Any = RGB.transpose(axes)
    if lazy:
        data = pytest.importorskip("dask.array").from_array(data)
    found = as_image(NamedArray(data, dims, "section 3"))
    np.testing.assert_array_equal(found.pixels, RGB)
    assert found.path.name == "section 3"


def test_axes_of_length_one_are_dropped() -> None:
    array = NamedArray(RGB.transpose(2, 0, 1)[None, :, None], ("T", "C", "Z", "Y", "X"))
    np.testing.assert_array_equal(as_image(array).pixels, RGB)


def test_real_xarray() -> None:
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(RGB.transpose(2, 0, 1)[None], dims=("t", "c", "y", "x"), name="real")
    np.testing.assert_array_equal(as_image(array).pixels, RGB)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (None, "NoneType"),
        ({"image": RGB}, "dict"),
        (b"png", "bytes"),
        ("nowhere.png", "nowhere.png"),
        (RGB.transpose(2, 0, 1), "channels first"),
        (np.zeros((4, 20, 30, 3), np.uint8), r"\(4, 20, 30, 3\)"),
        (np.full((20, 30, 3), np.nan), "NaN"),
        (np.array([["a"] * 20] * 20), "<U1"),
        ([[1, 2], [3]], "list"),
        (SimpleNamespace(shape=(20, 30, 3)), "SimpleNamespace|object"),
        (NamedArray(np.zeros((3, 20, 30, 3), np.uint8), ("t", "y", "x", "c")), r"t: 3.*\.isel"),
        (NamedArray(RGB, ("a", "b", "c")), r"named y, x.*\.rename"),
    ],
)
def test_what_is_no_image_is_said_with_a_remedy(given, match) -> None:
    with pytest.raises(InputError, match=match) as caught:
        as_image(given)
    assert ";" in str(caught.value)
