from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.data.test_zarr_image import store

from napari_construct.data.channels.read import read_channel_header, read_channels
from napari_construct.data.images import read_image
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError

NUMBERS = np.random.default_rng(0)
THREE = NUMBERS.integers(0, 60000, (3, 40, 50), dtype=np.uint16)


def written(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


def agrees(path: Path) -> None:
    """The header says what is found."""
    image, header = read_channels(path), read_channel_header(path)
    assert header.names == image.names
    assert (header.channels, header.rows, header.columns) == image.pixels.shape
    assert header.mpp == image.mpp


CASES: dict[str, tuple[Any, dict[str, Any], tuple[str, ...]]] = {
    "OME names": (
        THREE,
        {"ome": True, "metadata": {"axes": "CYX", "Channel": {"Name": ["DAPI", "CD3", "CD8"]}}},
        ("DAPI", "CD3", "CD8"),
    ),
    "OME without names": (THREE, {"ome": True, "metadata": {"axes": "CYX"}}, ("0", "1", "2")),
    "ImageJ labels": (
        THREE,
        {"imagej": True, "metadata": {"axes": "CYX", "Labels": ["c:1/3 - nuclei", "membrane\nx", "c"]}},
        ("nuclei", "membrane", "c"),
    ),
    "tifffile's description": (
        THREE,
        {"photometric": "minisblack", "metadata": {"axes": "CYX", "Channel": {"Name": ["a", "b", "c"]}}},
        ("a", "b", "c"),
    ),
    "planar samples": (
        THREE[[0, 1, 2, 0, 1]],
        {"photometric": "minisblack", "planarconfig": "separate"},
        ("0", "1", "2", "3", "4"),
    ),
    "tiles": (
        THREE,
        {"ome": True, "metadata": {"axes": "CYX"}, "tile": (16, 16), "compression": "zlib"},
        ("0", "1", "2"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_channels_and_their_names(tmp_path: Path, case: str) -> None:
    pixels, options, names = CASES[case]
    path = written(tmp_path / "a.tif", pixels, **options)
    image = read_channels(path)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.pixels.dtype == np.uint16
    assert image.names == names
    assert image.path == path
    agrees(path)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("photometric", ["minisblack", None])
def test_channels_last(tmp_path: Path, count: int, photometric: str | None) -> None:
    """As samples of a pixel, and as a library writes an array of which it was told nothing."""
    pixels = NUMBERS.random((40, 50, count), dtype=np.float32)
    more = {} if photometric is None else {"photometric": photometric, "planarconfig": "contig"}
    path = written(tmp_path / "a.tif", pixels, **more)
    np.testing.assert_array_equal(read_channels(path).pixels, np.moveaxis(pixels, -1, 0))
    agrees(path)


def test_pages_are_channels_with_a_doubt(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tif", THREE[:2], metadata=None)
    image = read_channels(path)
    np.testing.assert_array_equal(image.pixels, THREE[:2])
    (notice,) = image.notices
    assert isinstance(notice, Doubt)
    assert "2 pages of which the file says nothing are read as channels" in notice


def test_names_of_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane, name in zip(THREE, ("dsDNA", "", "CD\x1b[31m45"), strict=True):
            tif.write(plane, metadata=None, extratags=[(285, 2, None, name, True)])
    assert read_channels(path).names == ("dsDNA", "1", r"CD\x1b[31m45")
    agrees(path)


@pytest.mark.parametrize("axes", ["ZYX", "TYX", "ZCYX"])
@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_stacks_are_refused(tmp_path: Path, axes: str, kind: str) -> None:
    pixels = np.zeros((2, 3, 40, 50)[-len(axes) :], np.uint16)
    path = written(tmp_path / "a.tif", pixels, **{kind: True, "metadata": {"axes": axes}})
    for read in (read_channels, read_channel_header):
        with pytest.raises(InputError, match=r"expected one plane of channels .*got axes .*save one plane"):
            read(path)


def test_pixel_size(tmp_path: Path) -> None:
    about = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    path = written(tmp_path / "a.tif", THREE, ome=True, metadata=about)
    assert read_channels(path).mpp == 0.5
    agrees(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grey_tiff(tmp_path: Path, dtype: Any) -> None:
    pixels = (NUMBERS.random((40, 50)) * 200).astype(dtype)
    path = written(tmp_path / "a.tif", pixels)
    image = read_channels(path)
    np.testing.assert_array_equal(image.pixels, pixels[None])
    assert image.pixels.dtype == dtype
    assert image.names == ("0",)
    agrees(path)


def test_white_is_zero(tmp_path: Path) -> None:
    pixels = NUMBERS.integers(0, 65536, (40, 50), dtype=np.uint16)
    path = written(tmp_path / "a.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_channels(path).pixels[0], 65535 - pixels)


def test_false_colours_of_a_channel_are_not_its_values(tmp_path: Path) -> None:
    pixels = NUMBERS.integers(0, 256, (40, 50), dtype=np.uint8)
    green = np.zeros((3, 256), np.uint16)
    green[1] = np.arange(256) * 257
    path = written(tmp_path / "a.tif", pixels, photometric="palette", colormap=green)
    np.testing.assert_array_equal(read_channels(path).pixels[0], pixels)
    green[:, ::2] = 7  # no scale of one light any more: colours
    other = written(tmp_path / "b.tif", pixels, photometric="palette", colormap=green)
    assert read_channels(other).names == ("red", "green", "blue")
    agrees(path)
    agrees(other)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours(tmp_path: Path, suffix: str, alpha: bool) -> None:
    pixels = NUMBERS.integers(0, 256, (40, 50, 4 if alpha else 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"] if alpha else None)
    else:
        Image.fromarray(pixels).save(path)
    image = read_channels(path)
    assert image.names == ("red", "green", "blue")
    np.testing.assert_array_equal(image.pixels, np.moveaxis(pixels[..., :3], -1, 0))
    assert image.notices == ((f"a.{suffix}: the alpha channel is dropped",) if alpha else ())
    agrees(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_stored_as_colours_is_one_channel(tmp_path: Path, suffix: str) -> None:
    """As the images of BBBC038 are: RGBA, and grey."""
    pixels = np.repeat(NUMBERS.integers(0, 256, (40, 50, 1), dtype=np.uint8), 4, axis=2)
    pixels[..., 3] = 255
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"])
    else:
        Image.fromarray(pixels).save(path)
    image = read_channels(path)
    np.testing.assert_array_equal(image.pixels, pixels[None, ..., 0])
    assert image.names == ("0",)
    assert "grey everywhere" in image.notices[-1]
    agrees(path)


def test_grey_png(tmp_path: Path) -> None:
    deep = NUMBERS.integers(0, 65536, (40, 50), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    np.testing.assert_array_equal(read_channels(tmp_path / "a.png").pixels[0], deep)
    both = NUMBERS.integers(0, 256, (40, 50, 2), dtype=np.uint8)
    Image.fromarray(both).save(tmp_path / "b.png")
    image = read_channels(tmp_path / "b.png")
    np.testing.assert_array_equal(image.pixels, both[None, ..., 0])
    assert image.notices == ("b.png: the alpha channel is dropped",)


@pytest.mark.parametrize("axes", ["cyx", "yxc", "tczyx"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr(tmp_path: Path, axes: str, version: str) -> None:
    pixels = NUMBERS.integers(0, 60000, (5, 40, 50), dtype=np.uint16)
    stored = pixels.transpose(["cyx".index(a) for a in axes if a in "cyx"])
    stored = stored.reshape([1 if a in "tz" else pixels.shape["cyx".index(a)] for a in axes])
    labels = [{"label": name, "color": "FFFFFF"} for name in ("DAPI", "", "CD8", "CD4", "CK")]
    path = store(tmp_path / "a.zarr", stored, axes, version=version, more={"omero": {"channels": labels}})
    image = read_channels(path)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.names == ("DAPI", "1", "CD8", "CD4", "CK")
    assert image.mpp == 0.5
    agrees(path)
    with pytest.raises(InputError, match="got 5 channels"):
        read_image(path)


def test_ome_zarr_stacks_are_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", np.zeros((2, 3, 40, 50), np.uint8), "zcyx")
    with pytest.raises(InputError, match="expected one plane"):
        read_channels(path)


def test_bounds_come_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.tif", THREE, ome=True, metadata={"axes": "CYX"})
    store(tmp_path / "a.zarr", THREE, "cyx")
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.zarr", "a.png"):
        with pytest.raises(InputError, match=r"expected at most 100 pixels, got 40 x 50"):
            read_channels(tmp_path / name, max_pixels=100)
    many = written(tmp_path / "b.tif", np.zeros((20, 40, 50), np.float64), photometric="minisblack")
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"expected at most 16,000 bytes of pixels, got 40 x 50 x 20"):
        read_channels(many, max_pixels=2000)
    assert path.exists()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_brightness(tmp_path: Path, bad: float) -> None:
    pixels = np.ones((2, 40, 50), np.float32)
    pixels[1, 3, 4] = bad
    path = written(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(InputError, match=re.escape("expected finite values, got 1 NaN or infinite one(s)")):
        read_channels(path)
    waves = written(tmp_path / "b.tif", pixels.astype(np.complex64), photometric="minisblack")
    with pytest.raises(InputError, match="expected brightness values"):
        read_channels(waves)


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got a folder; name an image in it"):
        read_channels(tmp_path)
    with pytest.raises(InputError, match="found nothing there"):
        read_channels(tmp_path / "none.tif")
    data = written(tmp_path / "a.tif", THREE, ome=True, metadata={"axes": "CYX"}).read_bytes()
    (tmp_path / "short.tif").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged or truncated"):
        read_channels(tmp_path / "short.tif")
    small = written(tmp_path / "small.tif", THREE[:, :8], ome=True, metadata={"axes": "CYX"})
    with pytest.raises(InputError, match="at least 16 pixels a side"):
        read_channels(small)


def test_real_mass_spectrometry(shared_data: Path) -> None:
    path = shared_data / "multiplex" / "fov8_hh3_membrane_ecadherin.ome.tif"
    image = read_channels(path)
    assert image.names == ("HH3", "Membrane", "ECadherin")
    assert (image.pixels.shape, image.pixels.dtype) == ((3, 1024, 1024), np.float32)
    np.testing.assert_array_equal(image.pixels, tifffile.imread(path))


def test_real_regions_of_imaging_mass_cytometry(shared_data: Path) -> None:
    paths = sorted((shared_data / "pairs" / "imc_15rois" / "img").iterdir())
    assert len(paths) == 15
    for path in paths:
        image = read_channels(path)
        np.testing.assert_array_equal(image.pixels, tifffile.imread(path))
        assert image.names == ("0", "1", "2", "3", "4")


def test_real_pictures(shared_data: Path) -> None:
    pairs = shared_data / "pairs"
    image = read_channels(pairs / "cellsam_tissuenet" / "tissuenet.png")
    assert image.names == ("red", "green", "blue")
    assert not image.pixels[0].any()
    fly = read_channels(pairs / "cellprofiler_fly" / "01_POS002_D.TIF")
    np.testing.assert_array_equal(
        fly.pixels[0], tifffile.imread(pairs / "cellprofiler_fly" / "01_POS002_D.TIF")
    )
    assert read_channels(pairs / "ebimage_hela" / "nuclei.tif").pixels.shape == (4, 510, 510)
