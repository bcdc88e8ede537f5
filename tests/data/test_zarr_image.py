from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagecodecs
import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.data.stacks import count_planes, read_plane
from napari_construct.exceptions import InputError
from napari_construct.export.ome_zarr import write_ome_zarr

RGB = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def store(
    path: Path,
    pixels: np.ndarray,
    axes: str,
    *,
    version: str = "0.5",
    scale: float | None = 0.5,
    unit: str | None = "micrometer",
    more: dict[str, Any] | None = None,
    whole: float | None = None,
    **of_array: Any,
) -> Path:
    """An OME-Zarr image as other programs write it."""
    root: Any = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    array = root.create_array("s0", shape=pixels.shape, dtype=pixels.dtype, **of_array)
    array[:] = pixels
    dataset: dict[str, Any] = {"path": "s0"}
    if scale is not None:
        steps = [scale if a in "yx" else 1.0 for a in axes]
        dataset["coordinateTransformations"] = [{"type": "scale", "scale": steps}]
    kinds = {"t": "time", "c": "channel"}
    named = [
        {"name": a, "type": kinds.get(a, "space")} | ({"unit": unit} if unit and a in "yx" else {})
        for a in axes
    ]
    image: dict[str, Any] = {"axes": named, "datasets": [dataset], "version": version}
    if whole is not None:
        image["coordinateTransformations"] = [{"type": "scale", "scale": [whole] * len(axes)}]
    about = {"multiscales": [image], **(more or {})}
    root.attrs.update({"ome": {"version": version, **about}} if version == "0.5" else about)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "yxc", "tczyx", "czyx", "xyc"])
def test_colours_in_every_order_of_axes(tmp_path: Path, version: str, axes: str) -> None:
    pixels = RGB.transpose(["yxc".index(a) for a in axes if a in "yxc"])
    pixels = pixels.reshape([1 if a in "tz" else RGB.shape["yxc".index(a)] for a in axes])
    path = store(tmp_path / "a.zarr", pixels, axes, version=version)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, RGB)
    assert image.mpp == 0.5
    assert image.notices == ("a.zarr: the three channels are read as red, green and blue",)
    np.testing.assert_array_equal(read_plane(path, 0).pixels, RGB)
    assert count_planes(path) == 1


def test_what_is_written_here_is_read(tmp_path: Path) -> None:
    labels = np.ones((40, 60), np.uint8)
    write_ome_zarr(tmp_path / "a.ome.zarr", RGB, labels, ClassTable.from_names(["x"]), 0.25)
    image = read_image(str(tmp_path / "a.ome.zarr"))
    np.testing.assert_array_equal(image.pixels, RGB)
    assert (image.mpp, image.notices) == (0.25, ())


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (1, 7, 60)}, {"chunks": (3, 8, 6), "shards": (3, 24, 30)}]
)
def test_chunks_and_shards(tmp_path: Path, options: dict[str, Any]) -> None:
    path = store(tmp_path / "a.zarr", RGB.transpose(2, 0, 1), "cyx", **options)
    np.testing.assert_array_equal(read_image(path).pixels, RGB)


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "f4"])
def test_grey_of_every_depth(tmp_path: Path, dtype: str) -> None:
    grey = RGB[..., 0]
    deep = grey.astype(dtype) * (257 if dtype.endswith("u2") else 1)
    version = "0.4" if dtype.startswith(">") else "0.5"
    image = read_image(store(tmp_path / "a.zarr", deep, "yx", version=version))
    np.testing.assert_array_equal(image.pixels, np.dstack([grey] * 3))
    assert any("greyscale" in notice for notice in image.notices)


@pytest.mark.parametrize(
    ("scale", "unit", "whole", "mpp"),
    [
        (0.25, "micrometer", None, 0.25),
        (0.25, "micrometer", 2.0, 0.5),
        (250.0, "nanometer", None, 0.25),
        (0.00025, "millimetre", None, 0.25),
        (0.25, None, None, None),
        (None, "micrometer", None, None),
        (0.25, "furlong", None, None),
        (1000.0, "micrometer", None, None),
    ],
)
def test_pixel_size(
    tmp_path: Path, scale: float | None, unit: str | None, whole: float | None, mpp: float | None
) -> None:
    image = read_image(store(tmp_path / "a.zarr", RGB, "yxc", scale=scale, unit=unit, whole=whole))
    assert image.mpp == (None if mpp is None else pytest.approx(mpp))


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", RGB, "yxc")
    about = json.loads((path / "zarr.json").read_text())
    level = about["attributes"]["ome"]["multiscales"][0]["datasets"][0]
    level["coordinateTransformations"][0]["scale"] = [0.5, 0.25, 1]
    (path / "zarr.json").write_text(json.dumps(about))
    image = read_image(path)
    assert image.mpp == pytest.approx(0.125**0.5)  # the geometric mean, as of a TIFF: areas are right
    assert "a.zarr: pixels are 0.25 um wide and 0.5 um high; 0.3536 um per pixel is used" in image.notices


def test_the_one_image_of_a_container(tmp_path: Path) -> None:
    root = tmp_path / "a.zarr"
    zarr.open_group(root, mode="w", zarr_format=2, attributes={"bioformats2raw.layout": 3})
    store(root / "0", RGB, "yxc", version="0.4")
    np.testing.assert_array_equal(read_image(root).pixels, RGB)
    store(root / "1", RGB, "yxc", version="0.4")
    with pytest.raises(InputError, match=r"a container of several; name one of them, for example .*0$"):
        read_image(root)
    np.testing.assert_array_equal(read_image(root / "1").pixels, RGB)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"plate": {}}, r"a plate of wells; name the folder of one field, such as .*A/1/0"),
        ({"well": {}}, "a well of several fields"),
        ({"image-label": {}}, "got labels; save"),
        ({"multiscales": []}, "got no image; save"),
        ({"multiscales": None, "labels": ["x"]}, "got labels only; save"),
    ],
)
def test_groups_that_are_no_image_are_refused_in_words(
    tmp_path: Path, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read_image(store(tmp_path / "a.zarr", RGB, "yxc", more=more))


@pytest.mark.parametrize(
    ("shape", "axes", "says"),
    [
        ((4, 20, 20), "cyx", "got 4 channels"),
        ((2, 20, 20), "cyx", "got 2 channels"),
        ((5, 20, 20), "zyx", "got axes zyx of shape"),
        ((2, 3, 1, 20, 20), "tczyx", "got axes tczyx of shape"),
        ((20, 9), "yx", "at least 16 pixels a side"),
    ],
)
def test_images_that_are_not_one_plane_of_tissue(
    tmp_path: Path, shape: tuple[int, ...], axes: str, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read_image(store(tmp_path / "a.zarr", np.ones(shape, np.uint8), axes))


def test_sizes_are_bounded_before_anything_is_decoded(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", RGB, "yxc")
    with pytest.raises(InputError, match="at most 100 pixels"):
        read_image(path, max_pixels=100)
    with pytest.raises(InputError, match="at most 14,400 bytes of pixels, got 57,600"):
        read_image(store(tmp_path / "deep.zarr", RGB.astype(np.float64), "yxc"), max_pixels=2400)
    about = json.loads((path / "s0" / "zarr.json").read_text())
    about["chunk_grid"]["configuration"]["chunk_shape"] = [40, 10**6, 10**6]
    (path / "s0" / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"damaged or truncated .*chunks of shape"):
        read_image(path)


def test_level_0_is_never_looked_for_elsewhere(tmp_path: Path) -> None:
    store(tmp_path / "other.zarr", RGB, "yxc")
    for name in ("../other.zarr/s0", "/etc", "", "..", "s0/../../other.zarr/s0"):
        path = store(tmp_path / "a.zarr", RGB, "yxc")
        about = json.loads((path / "zarr.json").read_text())
        about["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = name
        (path / "zarr.json").write_text(json.dumps(about))
        with pytest.raises(InputError, match="outside of the image"):
            read_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")
@pytest.mark.parametrize("name", ["zarr.json", "s0/zarr.json", "s0/c/0/0/0"])
def test_pipes_in_place_of_files_are_not_waited_for(tmp_path: Path, name: str) -> None:
    path = store(tmp_path / "a.zarr", RGB, "yxc")
    (path / name).parent.mkdir(parents=True, exist_ok=True)
    (path / name).unlink(missing_ok=True)
    os.mkfifo(path / name)
    with pytest.raises(InputError, match="is no file of"):
        read_image(path)


def test_folders_without_anything(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(InputError, match=r"a\.zarr: expected"):
        read_image(tmp_path / "a.zarr")
    (tmp_path / "plain").mkdir()
    with pytest.raises(InputError, match=r"got a folder; segment the folder with batch, or name an image"):
        read_image(tmp_path / "plain")
    with pytest.raises(InputError, match="got an OME-Zarr folder; save the mask as PNG or TIFF"):
        read_mask(tmp_path / "a.zarr")
    zarr.create_array(tmp_path / "b.zarr", shape=(20, 20), dtype="u1")
    with pytest.raises(InputError, match="a Zarr array without OME metadata"):
        read_image(tmp_path / "b.zarr")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=6,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of nested lists and mappings."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, inside in pairs for place in places(inside, (*way, key)))]


def read_or_refuse(path: Path) -> None:
    """Either is right, another error is not."""
    with suppress(InputError):
        assert read_image(path).pixels.ndim == 3
    shutil.rmtree(path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # zarr's own, on odd metadata
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), version=st.sampled_from(["0.4", "0.5"]), bad=JSON)
def test_any_wrong_value_in_the_metadata_gives_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, version: str, bad: Any
) -> None:
    path = store(tmp_path_factory.mktemp("zarr") / "a.zarr", RGB, "yxc", version=version)
    file = data.draw(
        st.sampled_from(sorted(p for p in path.rglob("*") if p.name in (".zattrs", ".zarray", "zarr.json")))
    )
    content = {"whole": json.loads(file.read_text())}
    way = data.draw(st.sampled_from(places(content)[1:]))
    inside: Any = content
    for key in way[:-1]:
        inside = inside[key]
    inside[way[-1]] = bad
    file.write_text(json.dumps(content["whole"]))
    read_or_refuse(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None, max_examples=60)
@given(data=st.data(), junk=st.binary(max_size=40))
def test_any_damaged_file_gives_our_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, junk: bytes
) -> None:
    path = store(tmp_path_factory.mktemp("zarr") / "a.zarr", RGB, "yxc")
    file = data.draw(st.sampled_from(sorted(p for p in path.rglob("*") if p.is_file())))
    content = file.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    file.write_bytes(content[:cut] + junk)
    read_or_refuse(path)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "\udce4", "null", " " * 5_000_000]
)
def test_hostile_metadata(tmp_path: Path, text: str) -> None:
    path = store(tmp_path / "a.zarr", RGB, "yxc")
    (path / "zarr.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="damaged"):
        read_image(path)


BOMBS: dict[str, Any] = {
    "zlib": zlib.compress(bytes(2**27)),
    "gzip": gzip.compress(bytes(2**25)) * 4,
    "bz2": bz2.compress(bytes(2**25)) * 4,
    "lzma": lzma.compress(bytes(2**27)),
    "zstd": imagecodecs.zstd_encode(bytes(2**26)) * 2,
    "blosc": numcodecs.Blosc("zstd", 9).encode(bytes(2**27)),
    "lz4": (2**31 - 1).to_bytes(4, "little") + bytes(40),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_chunk_that_becomes_too_large_is_refused(tmp_path: Path, kind: str) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    codec = numcodecs.get_codec({"id": kind})
    path = store(tmp_path / "a.zarr", pixels, "yx", version="0.4", compressors=codec, chunks=(64, 64))
    assert not read_image(path).pixels.any()
    (path / "s0" / "0.0").write_bytes(BOMBS[kind])
    with pytest.raises(InputError, match="becomes larger than"):
        read_image(path)


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("index", ["start", "end"])
def test_a_part_of_a_shard_that_becomes_too_large_is_refused(tmp_path: Path, index: str, endian: str) -> None:
    shards: Any = zarr.codecs.ShardingCodec(
        chunk_shape=(64, 64),
        codecs=(zarr.codecs.BytesCodec(), zarr.codecs.GzipCodec()),
        index_codecs=(zarr.codecs.BytesCodec(endian=endian),),
        index_location=index,
    )
    grey = RGB[..., 0].repeat(2, axis=0)[:64].repeat(2, axis=1)[:, :64].copy()
    of_array = {"chunks": (64, 64), "filters": [], "compressors": [], "serializer": shards}
    path = store(tmp_path / "a.zarr", grey, "yx", **of_array)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], grey)
    bomb = BOMBS["gzip"]
    place = np.array([16 if index == "start" else 0, len(bomb)], f"{'>' if endian == 'big' else '<'}u8")
    parts = (place.tobytes(), bomb) if index == "start" else (bomb, place.tobytes())
    (path / "s0" / "c" / "0" / "0").write_bytes(b"".join(parts))
    with pytest.raises(InputError, match="becomes larger than"):
        read_image(path)


def test_chunks_of_other_compressions_are_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", np.zeros((64, 64), np.uint8), "yx", version="0.4",
                 compressors=numcodecs.PackBits())  # fmt: skip
    with pytest.raises(InputError, match="compressed as packbits"):
        read_image(path)


def test_a_chunk_far_larger_than_any_image_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", np.zeros((64, 64), np.uint8), "yx", chunks=(30_000, 30_000))
    with pytest.raises(InputError, match="chunks of shape"):
        read_image(path)
