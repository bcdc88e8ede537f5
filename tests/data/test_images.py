from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.data.images import as_rgb, read_image
from napari_construct.data.listing import list_images
from napari_construct.exceptions import InputError


@pytest.fixture(scope="module")
def tissue(camelyon):
    path = camelyon / "val" / "img" / "tumor_001_71226_y_132358.png"
    return path, np.asarray(Image.open(path))


def test_png_is_read_as_it_is(tissue):
    path, pixels = tissue
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.pixels.flags.c_contiguous
    assert (image.mpp, image.notices, image.path) == (None, (), path)


@pytest.mark.parametrize("name", ["a.bmp", "a.tif", "wrong_suffix.jpg"])
def test_lossless_formats_agree_and_first_bytes_decide(tissue, tmp_path, name):
    path = tmp_path / name
    Image.fromarray(tissue[1]).save(path, format={"a.bmp": "BMP", "a.tif": "TIFF"}.get(name, "PNG"))
    np.testing.assert_array_equal(read_image(path).pixels, tissue[1])


def test_jpeg(tissue, tmp_path):
    Image.fromarray(tissue[1]).save(tmp_path / "a.jpg", quality=95)
    difference = np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - tissue[1])
    assert difference.mean() < 4


@pytest.mark.parametrize(
    ("options", "transpose"),
    [
        ({"photometric": "rgb"}, None),
        ({"photometric": "rgb", "compression": "zlib", "tile": (64, 64)}, None),
        ({"photometric": "rgb", "planarconfig": "separate"}, (2, 0, 1)),
        ({"photometric": "rgb", "bigtiff": True, "byteorder": ">"}, None),
        ({"photometric": "rgb", "ome": True, "metadata": {"axes": "YXS"}}, None),
        ({"photometric": "minisblack", "ome": True, "metadata": {"axes": "CYX"}}, (2, 0, 1)),
    ],
)
def test_layouts_of_tiff_agree(tissue, tmp_path, options, transpose):
    path = tmp_path / "a.tif"
    data = tissue[1] if transpose is None else tissue[1].transpose(transpose)
    tifffile.imwrite(path, data, **options)
    np.testing.assert_array_equal(read_image(path).pixels, tissue[1])


def test_palette_and_inverted_tiff_are_shown_in_their_colours(tmp_path):
    indices = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
    colours = np.zeros((3, 256), np.uint16)
    colours[:, 5] = np.array([200, 100, 150]) * 257
    tifffile.imwrite(tmp_path / "p.tif", indices, photometric="palette", colormap=colours)
    assert read_image(tmp_path / "p.tif").pixels[3, 5].tolist() == [200, 100, 150]
    tifffile.imwrite(tmp_path / "w.tif", indices, photometric="miniswhite")
    assert read_image(tmp_path / "w.tif").pixels[3, 5].tolist() == [250, 250, 250]


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}, 0.25),
        ({"resolution": (50800, 50800), "resolutionunit": "INCH"}, 0.5),
        ({"resolution": (2, 2), "imagej": True, "metadata": {"unit": "um"}}, 0.5),
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm"}}, 0.25),
        ({"ome": True, "metadata": {"axes": "YXS", "PhysicalSizeX": 0.4, "PhysicalSizeXUnit": "µm"}}, 0.4),
        ({"description": "Aperio Image Library v11|AppMag = 20|MPP = 0.4990", "metadata": None}, 0.499),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (1, 1), "resolutionunit": "NONE"}, None),
        ({}, None),
    ],
)
def test_mpp_of_tiff(tissue, tmp_path, options, mpp):
    tifffile.imwrite(tmp_path / "a.tif", tissue[1], photometric="rgb", **options)
    assert read_image(tmp_path / "a.tif").mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-4))


@pytest.mark.parametrize(("dpi", "mpp"), [(101600, 0.25), (72, None), (300, None)])
def test_mpp_of_png(tissue, tmp_path, dpi, mpp):
    Image.fromarray(tissue[1]).save(tmp_path / "a.png", dpi=(dpi, dpi))
    assert read_image(tmp_path / "a.png").mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-3))


def test_slides(shared_data):
    cmu = read_image(shared_data / "slides" / "CMU-1-Small-Region.svs")
    assert cmu.pixels.shape == (2967, 2220, 3)
    assert cmu.mpp == pytest.approx(0.499)
    assert cmu.notices == ()
    tcga = read_image(shared_data / "slides" / "tcga-cr-7395-01a-01-ts1.svs")
    assert tcga.pixels.shape == (3567, 4443, 3)
    assert 150 < tcga.pixels.mean() < 230


def test_fluorescence_gets_a_sentence(shared_data):
    nuclei = read_image(shared_data / "nuclei" / "images" / "000.png")
    assert any("fluorescence" in n for n in nuclei.notices)
    assert any("expects colour" in n for n in nuclei.notices)
    multiplex = read_image(shared_data / "multiplex" / "fov8_hh3_membrane_ecadherin.ome.tif")
    assert any("fluorescence" in n for n in multiplex.notices)
    for path in (shared_data / "glas" / "val" / "img").glob("*"):
        assert read_image(path).notices == ()


def test_rgba_drops_alpha(tissue, tmp_path):
    rgba = np.dstack([tissue[1], np.full(tissue[1].shape[:2], 255, np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, tissue[1])
    assert image.notices == ("a.png: the alpha channel is dropped",)
    assert image.valid is None


def test_greyscale_is_repeated(tissue):
    grey = tissue[1][..., 0]
    for array in (grey, grey[..., None]):
        rgb, notices = as_rgb(array, name="layer")
        np.testing.assert_array_equal(rgb, np.dstack([grey] * 3))
        assert len(notices) == 1
        assert "expects colour" in notices[0]
    rgb, notices = as_rgb(np.dstack([grey, grey]), name="layer")
    assert rgb.shape == tissue[1].shape
    assert len(notices) == 2


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_sixteen_bit_is_scaled_by_its_range(tissue, bits):
    full = 2**bits - 1
    deep = np.rint(tissue[1] / 255 * full).astype(np.uint16)
    deep[0, 0] = full
    rgb, notices = as_rgb(deep, name="a")
    assert np.abs(rgb[1:].astype(int) - tissue[1][1:]).max() <= 1
    assert f"{bits}-bit" in notices[0]


def test_sixteen_bit_is_exact_with_257():
    deep = np.tile(np.arange(256, dtype=np.uint16) * 257, (16, 1))
    rgb, _ = as_rgb(deep, name="a")
    np.testing.assert_array_equal(rgb[0, :, 0], np.arange(256))


def test_floats(tissue):
    pixels = tissue[1]
    rgb, notices = as_rgb((pixels / 255).astype(np.float32), name="a")
    np.testing.assert_array_equal(rgb, pixels)
    assert notices == ()
    rgb, notices = as_rgb(pixels.astype(np.float16), name="a")
    np.testing.assert_array_equal(rgb, pixels)
    assert "0 to 255" in notices[0]
    rgb, notices = as_rgb(pixels.astype(np.float32) * 16, name="a")
    np.testing.assert_allclose(rgb, pixels, atol=1)
    assert "12-bit" in notices[0]
    rgb, notices = as_rgb(pixels.astype(np.float64) * 100 - 5000, name="a")
    low, high = int(pixels.min()), int(pixels.max())
    np.testing.assert_allclose(rgb, (pixels - float(low)) / (high - low) * 255, atol=0.51)
    assert "stretched" in notices[0]
    assert as_rgb(np.full((16, 16, 3), -1e30), name="a")[0].max() == 0


def test_lazy_arrays(tissue):
    da = pytest.importorskip("dask.array")
    rgb, _ = as_rgb(da.from_array(tissue[1], chunks=64), name="layer")
    np.testing.assert_array_equal(rgb, tissue[1])
    huge = da.zeros((100_000, 100_000, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="layer: expected at most 100,000,000 pixels"):
        as_rgb(huge, name="layer")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 0, 3), np.uint8), "without pixels"),
        (np.uint8(3), "without pixels"),
        (np.zeros((1, 1, 3), np.uint8), "at least 16 pixels a side, got 1 x 1"),
        (np.zeros((15, 400), np.uint8), "at least 16 pixels"),
        (np.zeros((3, 64, 64), np.uint8), "channels first"),
        (np.zeros((64, 64, 7), np.uint8), "one plane"),
        (np.zeros((2, 64, 64, 3), np.uint8), "one plane"),
        (np.full((64, 64, 3), np.nan, np.float32), "NaN"),
        (np.full((64, 64, 3), -np.inf, np.float64), "infinite"),
        (np.zeros((64, 64), bool), "brightness"),
        (np.zeros((64, 64), complex), "brightness"),
        (np.full((64, 64), -1, np.int32), "0 to 65535"),
        (np.full((64, 64), 70_000, np.int32), "0 to 65535"),
    ],
)
def test_arrays_that_cannot_be_used(array, message):
    with pytest.raises(InputError, match=message) as error:
        as_rgb(array, name="my layer")
    assert str(error.value).startswith("my layer: expected")
    assert ";" in str(error.value)


def _write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("keep", [0.001, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "zlib", "tiles", "ome"])
def test_truncated(tissue, tmp_path, form, keep):
    whole = tmp_path / "whole"
    if form in ("zlib", "tiles", "ome"):
        options = {"zlib": {"compression": "zlib"}, "tiles": {"tile": (32, 32)}, "ome": {"ome": True}}[form]
        tifffile.imwrite(whole, tissue[1], photometric="rgb", **options)
    else:
        Image.fromarray(tissue[1]).save(whole, format=form)
    content = whole.read_bytes()
    cut = _write(tmp_path / "cut.img", content[: int(len(content) * keep)])
    with pytest.raises(InputError, match=r"cut\.img: expected"):
        read_image(cut)


def test_damaged_bytes_never_escape_as_another_error(tissue, tmp_path):
    """Random bytes are changed in headers and data: an image or an InputError, nothing else."""
    generator = np.random.default_rng(0)
    small = tissue[1][:32, :32]
    whole = [tmp_path / form for form in ("PNG", "JPEG", "BMP", "TIFF")]
    for path in whole:
        Image.fromarray(small).save(path, format=path.name)
    for options in ({"compression": "zlib", "tile": (16, 16)}, {"ome": True}, {"imagej": True}):
        whole.append(tmp_path / f"tiff{len(whole)}")
        tifffile.imwrite(whole[-1], small, photometric="rgb", **options)
    named = []
    for path in whole:
        content = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(60):
            broken = content.copy()
            broken[generator.integers(4, min(len(broken), 400), 3)] = generator.integers(0, 256, 3)
            cut = _write(tmp_path / "broken", broken.tobytes())
            try:
                named.append(read_image(cut).pixels.shape[2] == 3)
            except InputError as error:
                named.append(str(cut) in str(error))
    assert all(named)
    assert len(named) == 420


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"hello, this is text", "something else"), (b"%PDF-1.7", "a PDF")],
)
def test_not_an_image(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"x\.png: expected.*{message}.*;"):
        read_image(_write(tmp_path / "x.png", content))


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(
        InputError, match=r"gone\.png: expected an image file, found nothing there; check the path"
    ):
        read_image(tmp_path / "gone.png")
    with pytest.raises(InputError, match="got a folder"):
        read_image(tmp_path)


def test_pixels_are_bounded_before_decoding(tissue, tmp_path):
    path, _ = tissue
    with pytest.raises(InputError, match=r"at most 1,000 pixels, got 256 x 256 = 65,536; .*max_pixels"):
        read_image(path, max_pixels=1000)
    tifffile.imwrite(tmp_path / "a.tif", tissue[1], photometric="rgb")
    with pytest.raises(InputError, match="at most 1,000 pixels"):
        read_image(tmp_path / "a.tif", max_pixels=1000)


def test_decompression_bombs(tmp_path):
    """A few kB that would unpack to 10 GB."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    with pytest.raises(InputError, match="at most 100,000,000 pixels, got 60000 x 60000"):
        read_image(_write(tmp_path / "bomb.png", png + chunk(b"IEND", b"")))
    page = tmp_path / "bomb.tif"
    tifffile.imwrite(page, np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    with tifffile.TiffFile(page, mode="r+b") as tif:
        tif.pages.first.tags["ImageWidth"].overwrite(60_000)
        tif.pages.first.tags["ImageLength"].overwrite(60_000)
    with pytest.raises(InputError, match=r"bomb\.tif: expected"):
        read_image(page)


def test_stacks_and_many_channels_are_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((5, 32, 32), np.uint8), ome=True, metadata={"axes": "ZYX"})
    with pytest.raises(InputError, match=r"one plane .* got axes ZYX"):
        read_image(path)
    for channels in (2, 5):
        tifffile.imwrite(path, np.zeros((channels, 32, 32), np.uint8), ome=True, metadata={"axes": "CYX"})
        with pytest.raises(InputError, match=f"got {channels} channels"):
            read_image(path)


def test_nan_in_a_file_names_it(tmp_path):
    array = np.zeros((32, 32, 3), np.float32)
    array[3, 4] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", array, photometric="rgb")
    with pytest.raises(InputError, match=r"nan\.tif: expected finite values, got 3 NaN"):
        read_image(tmp_path / "nan.tif")


def test_further_images_in_a_file_are_mentioned(tissue, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(tissue[1], photometric="rgb", metadata=None)
        writer.write(tissue[1][:64], photometric="rgb", metadata=None)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, tissue[1])
    assert len(image.notices) == 1
    assert "of the 2 images" in image.notices[0]
    assert "256 x 256" in image.notices[0]


def test_list_images(tmp_path):
    for name in ("b.PNG", "a.tif", ".hidden.png", "notes.txt", "sub/c.jpg", ".cache/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [p.name for p in list_images(tmp_path)] == ["a.tif", "b.PNG"]
    assert [p.name for p in list_images(tmp_path, recursive=True)] == ["a.tif", "b.PNG", "c.jpg"]
