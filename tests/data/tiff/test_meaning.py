"""Pixels of a TIFF mean what the file says, whatever the packing."""

from __future__ import annotations

import io
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.tiff_bytes import page, tiff_bytes, write_page

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import InputError

WHITE, BLACK, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
PACKING = st.fixed_dictionaries(
    {
        "order": st.sampled_from("<>"),
        "deflate": st.booleans(),
        "tile": st.sampled_from([0, 16, 32]),
        "rows": st.sampled_from([1, 7, 16, 64]),
    }
)
SIDES = st.tuples(st.integers(16, 40), st.integers(16, 40))


def _read(samples, photometric, bits, **options):
    with tempfile.TemporaryDirectory() as folder:
        return read_image(write_page(Path(folder) / "a.tif", samples, photometric, bits, **options))


def _noise(sides, count, bits, seed=0):
    samples = np.random.default_rng(seed).integers(0, 2**bits, (*sides, count), dtype=np.uint32)
    samples[0, 0], samples[-1, -1] = 0, 2**bits - 1
    return samples


def _expected(samples, bits):
    scaled = np.rint(samples * (255 / (2**bits - 1)))
    return scaled if samples.shape[2] == 3 else np.repeat(scaled, 3, axis=2)


@settings(max_examples=40, deadline=None)
@given(SIDES, st.sampled_from([8, 10, 12, 14, 16]), st.booleans(), PACKING)
def test_rgb_of_every_depth_and_packing(sides, bits, planar, packing):
    samples = _noise(sides, 3, bits)
    pixels = _read(samples, RGB, bits, planar=planar, **packing).pixels
    assert np.abs(pixels - _expected(samples, bits)).max() <= 1


@settings(max_examples=50, deadline=None)
@given(SIDES, st.sampled_from([1, 2, 4, 8, 12, 16]), st.sampled_from([WHITE, BLACK]), PACKING)
def test_grey_of_every_depth_has_its_full_range(sides, bits, photometric, packing):
    samples = _noise(sides, 1, bits)
    expected = _expected(samples, bits)
    pixels = _read(samples, photometric, bits, **packing).pixels
    assert np.abs(pixels - (expected if photometric == BLACK else 255 - expected)).max() <= 1


@settings(max_examples=30, deadline=None)
@given(SIDES, st.sampled_from([1, 2, 4, 8]), st.booleans(), PACKING)
def test_palettes_of_8_and_16_bits(sides, bits, deep, packing):
    samples = _noise(sides, 1, bits)
    table = np.random.default_rng(1).integers(0, 256, (3, 2**bits))
    table[0, 0] = 255
    extra = {320: ("H", (table * (257 if deep else 1)).ravel().tolist())}
    pixels = _read(samples, PALETTE, bits, extra=extra, **packing).pixels
    np.testing.assert_array_equal(pixels, table.T[samples[..., 0]])


@settings(max_examples=30, deadline=None)
@given(SIDES, st.booleans(), PACKING)
def test_ycbcr_without_jpeg_is_converted(sides, planar, packing):
    rgb = _noise(sides, 3, 8).astype(np.uint8)
    ycbcr = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(np.uint32)
    image = _read(ycbcr, YCBCR, 8, planar=planar, extra={530: ("H", [1, 1])}, **packing)
    assert np.abs(image.pixels.astype(int) - rgb).max() <= 3
    assert "YCbCr" in image.notices[0]


def _rationals(*values):
    return "I", [part for value in values for part in (round(value * 10_000), 10_000)]


def test_ycbcr_of_video_range_and_other_coefficients(tmp_path):
    rgb = _noise((32, 32), 3, 8).astype(float)
    red, green, blue = 0.2126, 0.7152, 0.0722
    y = rgb @ (red, green, blue)
    cb, cr = (rgb[..., 2] - y) / (2 - 2 * blue), (rgb[..., 0] - y) / (2 - 2 * red)
    stored = np.dstack([16 + y * 219 / 255, 128 + cb * 112 / 127, 128 + cr * 112 / 127])
    tags, segments = page(np.rint(stored).astype(np.uint32), YCBCR, 8, extra={530: ("H", [1, 1])})
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes([(tags, segments)]))
    with tifffile.TiffFile(path, mode="r+b") as tif:  # fractions are of a type of their own
        assert tif.pages.first.photometric == YCBCR
    tags |= {529: _rationals(red, green, blue), 532: _rationals(16, 235, 128, 240, 128, 240)}
    path.write_bytes(tiff_bytes([(tags, segments)]))
    off = np.abs(read_image(path).pixels - rgb)
    assert off.mean() < 1.5
    assert off.max() <= 5


def _units(ycbcr, down, across):
    """Data units of TIFF 6.0 section 21."""
    height, width = (-(-n // f) * f for n, f in zip(ycbcr.shape[:2], (down, across), strict=True))
    full = np.pad(ycbcr, ((0, height - ycbcr.shape[0]), (0, width - ycbcr.shape[1]), (0, 0)), mode="edge")
    units = full.reshape(height // down, down, width // across, across, 3).swapaxes(1, 2)
    y = units[..., 0].reshape(*units.shape[:2], -1)
    return np.concatenate([y, units[:, :, 0, 0, 1:]], axis=2).tobytes()


@pytest.mark.parametrize("rows", [8, 40])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize(("across", "down"), [(2, 2), (2, 1), (4, 2), (4, 4), (1, 2)])
def test_ycbcr_with_fewer_colour_samples(tmp_path, across, down, deflate, rows):
    rgb = np.full((34, 45, 3), (200, 120, 160), np.uint8)
    rgb[:, 24:] = (90, 60, 140)
    ycbcr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    strips = [_units(ycbcr[top : top + rows], down, across) for top in range(0, len(rgb), rows)]
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    tags, _ = page(
        ycbcr.astype(np.uint32), YCBCR, 8, deflate=deflate, rows=rows, extra={530: ("H", [across, down])}
    )
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes([(tags, strips)]))
    image = read_image(path)
    assert np.abs(image.pixels.astype(int) - rgb).max() <= 3
    assert "YCbCr" in image.notices[0]
    part = read_image(path, region=(slice(5, 30), slice(11, 40)))
    np.testing.assert_array_equal(part.pixels, image.pixels[5:30, 11:40])
    if deflate:  # libtiff, through Pillow
        with Image.open(path) as opened:
            assert np.abs(image.pixels - np.asarray(opened.convert("RGB")).astype(int)).max() <= 3


@pytest.mark.parametrize("compression", ["jpeg", "lzw", "deflate", "packbits", "zstd", "lzma", None])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
def test_compressions_agree(tmp_path, compression, photometric):
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)
    rgb = np.dstack([smooth, 200 - smooth // 2, 255 - smooth])
    data = smooth if photometric == "minisblack" else rgb
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric=photometric, compression=compression, tile=(32, 32)
    )
    expected = np.dstack([smooth] * 3) if photometric == "minisblack" else rgb
    off = np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - expected)
    assert off.max() <= (20 if compression == "jpeg" else 0)


@pytest.mark.parametrize(("compression", "name"), [("jpeg", "jpg"), ("tiff_lzw", "lzw"), (None, "raw")])
def test_pillow_writes_ycbcr(tmp_path, compression, name):
    rgb = np.full((64, 64, 3), (200, 120, 160), np.uint8)
    path = tmp_path / f"{name}.tif"
    Image.fromarray(rgb).convert("YCbCr").save(path, compression=compression)
    assert np.abs(read_image(path).pixels.astype(int) - rgb).max() <= 4


@pytest.mark.parametrize("limit", [1023, 4095, 16383])
def test_depth_in_sixteen_bits_is_that_of_max_sample_value(limit):
    samples = _noise((32, 32), 3, 9)
    image = _read(samples, RGB, 16, extra={281: ("H", [limit] * 3)})
    assert np.abs(image.pixels - samples * (255 / limit)).max() <= 1
    assert f"{limit.bit_length()}-bit" in image.notices[0]


def test_white_is_zero_of_floats(tmp_path):
    light = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    tifffile.imwrite(tmp_path / "a.tif", light, photometric="miniswhite")
    pixels = read_image(tmp_path / "a.tif").pixels
    assert np.abs(pixels[..., 0] - (255 - light * 255)).max() <= 1


@pytest.mark.parametrize(("kind", "alpha"), [(0, False), (1, True), (2, True)])
def test_extra_samples_are_alpha_only_when_the_file_says_so(tmp_path, kind, alpha):
    from napari_construct.data.tiff.read import read_tiff

    samples = _noise((32, 32), 4, 8)
    samples[..., 3] = 255
    path = write_page(tmp_path / "a.tif", samples, RGB, 8, extra={338: ("H", [kind])})
    plane = read_tiff(path, max_pixels=10**6)
    assert plane.array.shape[2] == (4 if alpha else 3)
    assert any("does not call alpha" in notice for notice in plane.notices) is not alpha
    np.testing.assert_array_equal(plane.array[..., :3], samples[..., :3])


def test_colours_multiplied_by_alpha_are_divided(tmp_path):
    from napari_construct.data.tiff.read import read_tiff

    samples = np.zeros((32, 32, 4), np.uint32)
    samples[:, :16] = (100, 50, 25, 128)
    path = write_page(tmp_path / "a.tif", samples, RGB, 8, extra={338: ("H", [1])})
    array = read_tiff(path, max_pixels=10**6).array
    assert array[0, 0].tolist() == [199, 100, 50, 128]
    assert array[0, 20].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(tmp_path, orientation):
    samples = _noise((24, 40), 3, 8)
    path = write_page(tmp_path / "a.tif", samples, RGB, 8, extra={274: ("H", [orientation])})
    image = read_image(path)
    with Image.open(path) as opened:
        opened.load()
        shown = np.asarray(opened)
    np.testing.assert_array_equal(image.pixels, shown)
    assert any("orientation" in notice for notice in image.notices) is (orientation > 1)
    part = read_image(path, region=(slice(3, 22), slice(2, 20)))
    np.testing.assert_array_equal(part.pixels, shown[3:22, 2:20])
    mask = write_page(tmp_path / "m.tif", samples[..., :1] % 3, BLACK, 8, extra={274: ("H", [orientation])})
    assert read_mask(mask).shape == shown.shape[:2]


@pytest.mark.parametrize(
    ("photometric", "count", "name"),
    [(5, 4, "CMYK"), (8, 3, "CIELAB"), (9, 3, "ICCLAB"), (10, 3, "ITULAB"), (32803, 1, "CFA"),
     (32844, 1, "LOGL"), (32845, 3, "LOGLUV"), (4, 1, "MASK"), (999, 1, "999")],
)  # fmt: skip
def test_other_colour_spaces_are_refused_by_name(tmp_path, photometric, count, name):
    path = write_page(tmp_path / "a.tif", _noise((32, 32), count, 8), photometric, 8)
    with pytest.raises(InputError, match=rf"colour space .*{name}.*; convert it to RGB") as error:
        read_image(path)
    assert "damaged" not in str(error.value)


def test_whole_files_with_unsupported_features_are_not_called_damaged(tmp_path):
    samples = _noise((32, 32), 3, 8)
    for extra in ({259: ("H", [32809])}, {317: ("H", [77])}, {339: ("H", [9, 9, 9])}):
        path = write_page(tmp_path / "a.tif", samples, RGB, 8, extra=extra)
        with pytest.raises(InputError, match=";") as error:
            read_image(path)
        assert "damaged" not in str(error.value), error.value


def test_old_jpeg(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 120, 160)).save(stream, "JPEG")
    tags, _ = page(np.zeros((32, 32, 3), np.uint32), YCBCR, 8, rows=32)
    tags[259] = ("H", [6])
    (tmp_path / "a.tif").write_bytes(tiff_bytes([(tags, [stream.getvalue()])]))
    pixels = read_image(tmp_path / "a.tif").pixels
    assert np.abs(pixels.astype(int) - (200, 120, 160)).max() <= 4


def test_samples_of_numbers_without_brightness(tmp_path):
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((32, 32), np.complex64))
    tifffile.imwrite(tmp_path / "i.tif", np.full((32, 32), -5, np.int16))
    for name in "ci":
        with pytest.raises(InputError, match="convert") as error:
            read_image(tmp_path / f"{name}.tif")
        assert "damaged" not in str(error.value)


def test_masks_are_read_as_stored(tmp_path):
    indices = _noise((32, 32), 1, 2)
    for photometric, bits in ((WHITE, 2), (BLACK, 4), (WHITE, 8)):
        np.testing.assert_array_equal(
            read_mask(write_page(tmp_path / "m.tif", indices, photometric, bits)), indices[..., 0]
        )


def test_palette_with_alpha(tmp_path):
    from napari_construct.data.tiff.read import read_tiff

    picture = Image.fromarray(_noise((32, 32), 3, 8).astype(np.uint8)).convert("P")
    picture.putalpha(Image.new("L", (32, 32), 77))
    path = tmp_path / "a.tif"
    picture.convert("PA").save(path)
    array = read_tiff(path, max_pixels=10**6).array
    assert array.shape == (32, 32, 4)
    assert (array[..., 3] == 77).all()


@pytest.mark.parametrize("converted", [False, True])
def test_aperio_jpeg_2000_of_ycbcr(tmp_path, converted):
    """Compression 33003 holds YCbCr, unless the codestream says that its components are mixed from RGB."""
    imagecodecs = pytest.importorskip("imagecodecs")
    rgb = np.full((64, 64, 3), (200, 120, 160), np.uint8)
    rgb[:, 30:] = (90, 60, 140)
    stored = rgb if converted else np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    stream = imagecodecs.jpeg2k_encode(stored, codecformat="J2K", mct=converted, level=0, reversible=True)
    tags, _ = page(rgb.astype(np.uint32), RGB, 8, tile=64)
    tags[259] = ("H", [33003])
    (tmp_path / "a.tif").write_bytes(tiff_bytes([(tags, [stream])], tiled=True))
    assert np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - rgb).max() <= 3


@settings(max_examples=15, deadline=None)
@given(SIDES, st.sampled_from([8, 12, 16]), PACKING)
def test_converted_samples_keep_their_range(sides, bits, packing):
    """After white-is-zero and YCbCr the largest value says nothing of the depth."""
    faint = np.full((*sides, 1), 2**bits - 1 - (2**bits) // 50, np.uint32)
    pixels = _read(faint, WHITE, bits, **packing).pixels
    assert np.abs(pixels - 255 / 50).max() <= 1.5
    grey = np.full((*sides, 3), 2 ** (bits - 1), np.uint32)
    grey[..., 0] = 2**bits // 50
    pixels = _read(grey, YCBCR, bits, extra={530: ("H", [1, 1])}, **packing).pixels
    assert np.abs(pixels - 255 / 50).max() <= 1.5
