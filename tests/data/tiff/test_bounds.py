"""What a TIFF claims is bounded before it is believed; regions decode only what they need."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.data.tiff_bytes import page, tiff_bytes, write_page

from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.data.stacks import count_planes, read_plane
from napari_construct.data.tiff.read import read_stored_stack
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import is_own
from napari_construct.results.read import reader_of

READERS = (read_image, read_mask, count_planes)


def _refused_at_once(path, match):
    """Every reader refuses within a second and 50 MB; those that only ask say no."""
    for reader in READERS:
        began = time.monotonic()
        tracemalloc.start()
        with pytest.raises(InputError, match=match):
            reader(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.monotonic() - began < 5
        assert peak < 50e6
    assert not is_own(path)
    assert reader_of(path) is None


def _grey(count=1):
    samples = np.full((16, 16, 1), 7, np.uint32)
    return [page(samples, 1, 8) for _ in range(count)]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("back", [0, 1, 2])
def test_directories_in_a_circle(tmp_path, order, back):
    data = bytearray(tiff_bytes(_grey(3), order))
    offsets, link = [], 4
    while at := struct.unpack_from(f"{order}I", data, link)[0]:
        offsets.append(at)
        link = at + 2 + 12 * struct.unpack_from(f"{order}H", data, at)[0]
    struct.pack_into(f"{order}I", data, link, offsets[back])
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    _refused_at_once(path, "form a circle")


def test_a_file_without_a_directory(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(60))
    _refused_at_once(tmp_path / "a.tif", "no directory")


def test_a_directory_beyond_the_end(tmp_path):
    data = bytearray(tiff_bytes(_grey()))
    data[-4:] = struct.pack("<I", 10**9)
    (tmp_path / "a.tif").write_bytes(data)
    _refused_at_once(tmp_path / "a.tif", "a directory would lie at byte")


def test_a_million_inner_directories(tmp_path):
    tags, segments = _grey()[0]
    tags[330] = ("I", [8] * 1_000_000)
    (tmp_path / "a.tif").write_bytes(tiff_bytes([(tags, segments)]))
    _refused_at_once(tmp_path / "a.tif", "pages, got more; split the file")


def _ome(**changed):
    sizes = {"SizeX": 16, "SizeY": 16, "SizeZ": 1, "SizeC": 1, "SizeT": 1, **changed}
    attributes = " ".join(f'{name}="{n}"' for name, n in sizes.items() if name.startswith("Size"))
    return (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="I"><Pixels ID="P" '
        f'DimensionOrder="XYZCT" Type="uint8" {attributes}><Channel ID="C"/>'
        f'<TiffData IFD="0" PlaneCount="{changed.get("PlaneCount", 1)}"/></Pixels></Image></OME>'
    )


@pytest.mark.parametrize(
    "claim",
    [{"SizeZ": 10**9}, {"SizeX": 10**5, "SizeY": 10**6}, {"SizeC": 10**18}, {"PlaneCount": 10**9},
     {"SizeZ": 10**400}, {"SizeT": 3_000, "SizeZ": 3_000}],
)  # fmt: skip
def test_ome_xml_that_claims_gigabytes(tmp_path, claim):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), description=_ome(**claim), metadata=None)
    _refused_at_once(path, "planes in its XML")


def test_xml_with_entities(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY b "cccc">]>' + _ome().replace('ID="I"', 'ID="&b;"')
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), description=bomb, metadata=None)
    _refused_at_once(path, "entities")


def test_scn_xml_that_claims_gigabytes(tmp_path):
    xml = (
        '<scn><collection><image name="a"><pixels><dimension r="0" c="999999999" ifd="0"/></pixels></image>'
        "</collection></scn>"
    )
    tifffile.imwrite(tmp_path / "a.scn", np.zeros((16, 16), np.uint8), description=xml, metadata=None)
    _refused_at_once(tmp_path / "a.scn", "planes in its XML")


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_bytes_are_bounded_and_not_pixels_alone(tmp_path, dtype):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64, 3), dtype), photometric="rgb", compression="zlib")
    with pytest.raises(
        InputError, match=r"at most 40,000 bytes of pixels, got 64 x 64 x 3 .* segment a region"
    ):
        read_image(path, max_pixels=5000)
    with pytest.raises(InputError, match="bytes of pixels"):
        read_mask(path, max_pixels=5000)


def test_a_mask_is_bounded_before_it_is_decoded(tmp_path):
    path = write_page(tmp_path / "a.tif", np.zeros((16, 16, 1), np.uint32), 1, 8, tile=16)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for tag in ("ImageWidth", "ImageLength"):
            tif.pages.first.tags[tag].overwrite(40_000)
    with pytest.raises(InputError, match="expected at most"):
        read_mask(path)
    with pytest.raises(InputError, match="expected at most"):
        read_stored_stack(path, max_pixels=10**9)


@pytest.mark.parametrize("kind", ["JPEG", "JPEG2000"])
def test_a_tile_that_claims_to_be_larger_than_its_place(tmp_path, kind):
    stream = io.BytesIO()
    Image.new("L", (6000, 5000)).save(stream, kind)
    tags, _ = page(np.zeros((64, 64, 1), np.uint32), 1, 8, tile=64)
    tags[259] = ("H", [7 if kind == "JPEG" else 34712])
    path = tmp_path / "a.tif"
    path.write_bytes(tiff_bytes([(tags, [stream.getvalue()])], tiled=True))
    with pytest.raises(InputError, match="a segment that claims 5,000 x 6,000 pixels"):
        read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    _refused_at_once(tmp_path / "a.tif", "got a pipe")


@pytest.mark.parametrize(
    "options",
    [{"tile": (64, 64), "compression": "zlib"}, {"tile": (64, 64), "compression": "jpeg"},
     {"rowsperstrip": 16}, {"rowsperstrip": 700}, {"rowsperstrip": 16, "planarconfig": "separate"},
     {"byteorder": ">"}],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_region_is_that_part_of_the_image(tmp_path, options, dtype):
    if options.get("compression") == "jpeg" and dtype == np.uint16:
        pytest.skip("JPEG has 8 bits")
    rgb = (np.add.outer(np.arange(640), np.arange(700))[..., None] // (6, 7, 8)).astype(dtype)
    path = tmp_path / "a.tif"
    data = np.moveaxis(rgb, 2, 0) if "planarconfig" in options else rgb
    tifffile.imwrite(path, data.copy(), photometric="rgb", **options)
    whole = read_image(path).pixels
    part = read_image(path, region=(slice(600, 640), slice(30, 230)), max_pixels=8000)
    np.testing.assert_array_equal(part.pixels, whole[600:640, 30:230])
    with pytest.raises(InputError, match=r"segment a region of it \(--region"):
        read_image(path, max_pixels=8000)


def test_only_the_tiles_of_a_region_are_decoded(tmp_path):
    path = tmp_path / "a.tif"
    tile = np.full((512, 512, 3), 200, np.uint8)
    tifffile.imwrite(
        path, (tile for _ in range(400)), shape=(10240, 10240, 3), dtype=np.uint8, tile=(512, 512),
        compression="zlib", photometric="rgb",
    )  # fmt: skip
    tracemalloc.start()
    image = read_image(path, region=(slice(700, 1000), slice(9000, 9300)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (image.pixels == 200).all()
    assert peak < 20e6


def test_a_region_outside_is_refused_and_one_across_the_border_is_cut(tmp_path):
    path = write_page(tmp_path / "a.tif", np.full((64, 80, 3), 90, np.uint32), 2, 8)
    assert read_image(path, region=(slice(30, 900), slice(40, 900))).pixels.shape == (34, 40, 3)
    with pytest.raises(InputError, match="inside the 64 x 80 pixels"):
        read_image(path, region=(slice(100, 200), slice(0, 20)))
    with pytest.raises(InputError, match="at least 16 pixels"):
        read_image(path, region=(slice(0, 8), slice(0, 20)))
    Image.new("RGB", (80, 64)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", region=(slice(0, 20), slice(60, 90))).pixels.shape == (20, 20, 3)


def test_strips_that_a_file_leaves_out_are_said(tmp_path):
    path = tmp_path / "a.tif"
    tags, segments = page(np.full((64, 64, 1), 90, np.uint32), 1, 8)
    path.write_bytes(tiff_bytes([(tags, segments)]))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        at = tif.pages.first.tags["StripByteCounts"].valueoffset
    data = bytearray(path.read_bytes())
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    assert any("1 of 4 strips or tiles are left out" in notice for notice in read_image(path).notices)


def _whole_files():
    rgb = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        for options in (
            {"compression": "zlib", "tile": (16, 16)},
            {"compression": "jpeg", "tile": (16, 16)},
            {"ome": True, "metadata": {"axes": "YXS"}},
            {"imagej": True},
            {"bigtiff": True, "byteorder": ">"},
            {"description": "Aperio Image Library\r\n32x48|MPP = 0.5", "metadata": None, "tile": (16, 16)},
        ):
            tifffile.imwrite(path, rgb, photometric="rgb", **options)
            yield path.read_bytes()
        tifffile.imwrite(path, rgb.transpose(2, 0, 1).copy(), photometric="minisblack", compression="lzw")
        yield path.read_bytes()
    Image.fromarray(rgb).convert("YCbCr").save(stream, "TIFF", compression="tiff_lzw")
    yield stream.getvalue()
    samples = rgb.astype(np.uint32)
    tags, _ = page(samples, 6, 8, rows=32, extra={530: ("H", [2, 2])})
    yield tiff_bytes([(tags, [bytes(16 * 24 * 6)])])
    yield tiff_bytes([page(samples[..., :1] % 16, 3, 4, extra={320: ("H", list(range(48)))})])
    yield tiff_bytes([page(samples, 2, 12, planar=True, deflate=True, order=">")], ">")


WHOLE = list(_whole_files())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(WHOLE),
    st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([0, 1, 2, 8, 127, 128, 255])), min_size=1, max_size=4
    ),
    st.one_of(st.none(), st.floats(0.05, 1)),
)
def test_changed_bytes_give_an_image_or_our_error(whole, changes, keep):
    data = bytearray(whole)
    for place, value in changes:
        # headers, tags and the directory matter more than pixels
        data[int(place**2 * (len(data) - 1))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        path.write_bytes(data if keep is None else data[: int(len(data) * keep)])
        for reader in (read_image, read_mask, count_planes, lambda p: read_plane(p, 0), is_own, reader_of):
            with contextlib.suppress(InputError):
                reader(path)
                continue
            with pytest.raises(InputError) as error:
                reader(path)
            said = str(error.value)
            assert str(path) in said
            assert len(said) < 1000
