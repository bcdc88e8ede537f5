"""PNG, JPEG, BMP, JPEG 2000 and WebP: pixels mean what the file says."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.pngs import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, png

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.exceptions import InputError

DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def _tissue(h: int = 24, w: int = 31) -> np.ndarray:
    """Smooth, so that lossy formats keep it, and of no symmetry."""
    rows, columns = np.mgrid[:h, :w]
    return np.stack([100 + 4 * rows, 90 + 5 * columns, 110 + 2 * rows + columns], axis=2).astype(np.uint8)


def _save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@st.composite
def pngs(draw):
    """A PNG, its colours (h, w, 3) as fractions of one, and where it is valid."""
    colour = draw(st.sampled_from(sorted(DEPTHS)))
    depth = draw(st.sampled_from(DEPTHS[colour]))
    h, w = draw(st.integers(16, 23)), draw(st.integers(16, 23))
    keyed = colour in (GREY, RGB, PALETTE) and draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    top = 2**depth - 1
    stored = rng.integers(0, top + 1, (h, w, CHANNELS[colour]))
    stored[0, 0] = top  # the depth is used in full
    valid = np.ones((h, w), bool)
    before = []
    if colour == PALETTE:
        palette = rng.integers(0, 256, (top + 1, 3), dtype=np.uint8)
        before.append((b"PLTE", palette.tobytes()))
        shown = palette[stored[..., 0]] / 255
        if keyed:
            before.append((b"tRNS", b"\0"))
            valid = stored[..., 0] != 0
    else:
        if colour in (GREY_ALPHA, RGBA):
            stored[..., -1] = rng.choice([0, top], (h, w))
            stored[0, 0, -1] = top
            valid = stored[..., -1] > 0
        elif keyed:
            stored[3, 3], key = 0, [0] * CHANNELS[colour]
            before.append((b"tRNS", struct.pack(f">{len(key)}H", *key)))
            valid = (stored != 0).any(axis=2)
        shown = stored[..., :3] if colour in (RGB, RGBA) else stored[..., :1].repeat(3, axis=2)
        shown = shown / top
    content = png(stored, colour, depth, before=tuple(before), interlaced=draw(st.booleans()))
    return content, shown, valid


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=pngs())
def test_every_png_is_read_as_its_header_means(tmp_path: Path, made) -> None:
    content, shown, valid = made
    path = tmp_path / "a.png"
    path.write_bytes(content)
    image = read_image(path)
    expected = np.where(valid[..., None], shown * 255, 255)
    assert np.abs(image.pixels - expected).max() <= 0.51
    np.testing.assert_array_equal(np.ones_like(valid) if image.valid is None else image.valid, valid)
    assert any("transparent" in text for text in image.notices) == (not valid.all())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_png_is_read_like_the_same_tiff(tmp_path: Path, bits: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 2**bits, (20, 24, channels)).astype(np.uint16)
    deep[0, 0] = 2**bits - 1
    if channels in (2, 4):
        deep[..., -1] = 65535
    colour = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGBA}[channels]
    (tmp_path / "a.png").write_bytes(png(deep, colour, 16))
    photometric = "rgb" if channels >= 3 else "minisblack"
    extra = ["unassalpha"] if channels in (2, 4) else None
    tifffile.imwrite(
        tmp_path / "b.tif",
        deep if channels > 1 else deep[..., 0],
        photometric=photometric,
        planarconfig="contig" if channels > 1 else None,
        extrasamples=extra,
    )
    one, other = read_image(tmp_path / "a.png"), read_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert [t.partition(": ")[2] for t in one.notices] == [t.partition(": ")[2] for t in other.notices]
    assert any(f"read as {bits}-bit" in text for text in one.notices)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "large",
    [
        (b"iCCP", b"scanner\0\0" + zlib.compress(np.random.default_rng(0).bytes(1_500_000))),
        (b"zTXt", b"note\0\0" + zlib.compress(b"x" * 80_000_000)),
        (b"tEXt", b"note\0" + b"x" * 3_000_000),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * 3_000_000),
        (b"eXIf", b"no exif at all"),
        (b"prVt", b"of a program"),
    ],
    ids=lambda part: part[0].decode(),
)
def test_png_with_large_or_damaged_metadata_is_read(tmp_path: Path, large, place: str) -> None:
    pixels = _tissue()
    (tmp_path / "a.png").write_bytes(png(pixels, RGB, 8, **{place: (large,)}))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, pixels)
    assert image.notices == ()


def test_damaged_png_is_still_said_to_be_damaged(tmp_path: Path) -> None:
    for depth in (8, 16):
        whole = png(_tissue().astype(np.uint16) * (1 if depth == 8 else 257), RGB, depth)
        for content in (whole[:-200], whole[:900] + bytes([whole[900] ^ 255]) + whole[901:], whole[:30]):
            (tmp_path / "a.png").write_bytes(content)
            with pytest.raises(InputError, match="damaged or truncated"):
                read_image(tmp_path / "a.png")


def test_size_of_a_png_is_bounded_before_its_pixels(tmp_path: Path) -> None:
    small = png(_tissue(), RGB, 16)
    huge = small[:16] + struct.pack(">II", 100_000, 100_000) + small[24:]
    (tmp_path / "a.png").write_bytes(huge)
    with pytest.raises(InputError, match="at most 100,000,000 pixels"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("colour", [GREY, PALETTE])
def test_masks_of_few_bits_keep_their_values(tmp_path: Path, depth: int, colour: int) -> None:
    values = np.arange(20 * 17).reshape(20, 17) % min(2**depth, 7)
    before = ((b"PLTE", bytes(3 * 2**depth)),) if colour == PALETTE else ()
    (tmp_path / "a.png").write_bytes(png(values, colour, depth, before=before))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), values)


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """What viewers show, by Pillow's own ImageOps."""
    from PIL import ImageOps

    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    image = Image.fromarray(_tissue())
    exif = image.getexif()
    exif[274] = orientation
    options = {"jpg": {"quality": 95}, "png": {}, "webp": {"lossless": True}}[kind]
    path = _save(tmp_path / f"a.{kind}", image, exif=exif, **options)
    found = read_image(path)
    np.testing.assert_array_equal(found.pixels, _turned(np.asarray(Image.open(path)), orientation))
    assert any("orientation tag" in text for text in found.notices)


def test_orientation_turns_transparency_too(tmp_path: Path) -> None:
    rgba = np.dstack([_tissue(), np.full((24, 31), 255, np.uint8)])
    rgba[:, :10, 3] = 0
    image = Image.fromarray(rgba)
    exif = image.getexif()
    exif[274] = 6
    found = read_image(_save(tmp_path / "a.png", image, exif=exif))
    assert found.valid is not None
    assert not found.valid[:10].any()
    assert found.valid[10:].all()


@pytest.mark.parametrize("value", [0, 9, 77])
def test_senseless_orientation_changes_nothing(tmp_path: Path, value) -> None:
    image = Image.fromarray(_tissue())
    exif = image.getexif()
    exif[274] = value
    found = read_image(_save(tmp_path / "a.png", image, exif=exif))
    np.testing.assert_array_equal(found.pixels, _tissue())
    assert found.notices == ()


def test_cmyk_jpeg_is_refused_in_words(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpg", Image.fromarray(_tissue()).convert("CMYK"))
    with pytest.raises(InputError, match="expected RGB or greyscale, got the colour space CMYK; convert it"):
        read_image(path)


@pytest.mark.parametrize("bits", [12, 16])
def test_deep_jpeg_is_read(tmp_path: Path, bits: int) -> None:
    deep = _tissue().astype(np.uint16) << (bits - 8)
    options = {"lossless": True} if bits == 16 else {"level": 100}
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg_encode(deep, bitspersample=bits, **options))
    assert np.abs(read_image(tmp_path / "a.jpg").pixels.astype(int) - _tissue()).max() <= 4


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("suffix", ["jp2", "j2k"])
def test_jpeg_2000_at_full_depth(tmp_path: Path, suffix: str, channels: int, bits: int) -> None:
    full = np.dstack([_tissue(), np.full((24, 31), 255, np.uint8)])
    full[0, 0] = 255
    deep = full[..., :channels].astype(np.uint16) << (bits - 8)
    deep[0, 0] = 2**bits - 1
    if channels == 4:
        deep[..., 3] = 2**bits - 1
    stored = np.squeeze(deep if bits > 8 else deep.astype(np.uint8))
    content = imagecodecs.jpeg2k_encode(
        stored, level=0, reversible=True, bitspersample=bits, codecformat=suffix, mct=False
    )
    (tmp_path / f"a.{suffix}").write_bytes(content)
    found = read_image(tmp_path / f"a.{suffix}").pixels
    expected = full[..., :3] if channels > 1 else full[..., :1].repeat(3, axis=2)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_jpeg_2000_in_cmyk_is_refused(tmp_path: Path) -> None:
    content = imagecodecs.jpeg2k_encode(_tissue(), level=0, reversible=True)
    assert content.count(b"\x01\0\0\0\0\0\x10") == 1  # enumerated colour space 16, sRGB
    for space, name in ((12, "CMYK"), (14, "CIELAB")):
        changed = content.replace(b"\x01\0\0\0\0\0\x10", b"\x01\0\0\0\0\0" + bytes([space]))
        (tmp_path / "a.jp2").write_bytes(changed)
        with pytest.raises(InputError, match=f"got the colour space {name}; convert it to RGB"):
            read_image(tmp_path / "a.jp2")


def test_webp_and_transparent_webp(tmp_path: Path) -> None:
    pixels = _tissue()
    found = read_image(_save(tmp_path / "a.webp", Image.fromarray(pixels), lossless=True))
    np.testing.assert_array_equal(found.pixels, pixels)
    alpha = np.full((24, 31), 255, np.uint8)
    alpha[:5] = 0
    image = Image.fromarray(np.dstack([pixels, alpha]))
    found = read_image(_save(tmp_path / "b.webp", image, lossless=True))
    np.testing.assert_array_equal(found.valid, alpha > 0)


@pytest.mark.parametrize("kind", ["webp", "jp2"])
def test_size_is_bounded_before_decoding(tmp_path: Path, kind: str) -> None:
    path = _save(tmp_path / f"a.{kind}", Image.fromarray(_tissue(64, 64)))
    with pytest.raises(InputError, match="at most 1,000 pixels"):
        read_image(path, max_pixels=1000)


@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
def test_first_of_several_frames_with_a_notice(tmp_path: Path, kind: str) -> None:
    first, second = Image.fromarray(_tissue()), Image.fromarray(255 - _tissue())
    options = {"lossless": True} if kind == "webp" else {"format": "MPO"} if kind == "jpg" else {}
    path = _save(tmp_path / f"a.{kind}", first, save_all=True, append_images=[second], **options)
    found = read_image(path)
    assert np.abs(found.pixels.astype(int) - _tissue()).max() < 40
    assert any("only the first is read" in text for text in found.notices)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "webp", "jp2"])
def test_every_cut_or_changed_file_gives_our_error_or_pixels(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(_tissue()).save(stream, {"jpg": "JPEG", "jp2": "JPEG2000"}.get(kind, kind.upper()))
    whole = stream.getvalue()
    rng = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole)
        content[int(rng.integers(4, min(len(whole), 200)))] = int(rng.integers(0, 256))
        del content[int(rng.integers(20, len(whole) + 400)) :]
        (tmp_path / "a").write_bytes(bytes(content))
        try:
            read_image(tmp_path / "a")
        except InputError:
            continue


def test_pixel_size_of_a_png_in_metres(tmp_path: Path) -> None:
    size = (b"pHYs", struct.pack(">IIB", 4_000_000, 4_000_000, 1))
    (tmp_path / "a.png").write_bytes(png(_tissue(), RGB, 8, before=(size,)))
    assert read_image(tmp_path / "a.png").mpp == pytest.approx(0.25)


def test_pixel_size_of_a_jpeg_in_centimetres(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(_tissue()).save(stream, "JPEG", dpi=(72, 72))
    content = bytearray(stream.getvalue())
    content[13] = 2  # JFIF: dots per centimetre
    content[14:18] = struct.pack(">HH", 20_000, 20_000)
    (tmp_path / "a.jpg").write_bytes(bytes(content))
    assert read_image(tmp_path / "a.jpg").mpp == pytest.approx(0.5)


def test_bmp_of_a_kind_that_nobody_reads_is_not_called_damaged(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(_tissue()).save(stream, "BMP")
    content = bytearray(stream.getvalue())
    content[30] = 6  # a compression that does not exist for 24 bits
    (tmp_path / "a.bmp").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"Unsupported BMP compression.*; save it again as PNG"):
        read_image(tmp_path / "a.bmp")
