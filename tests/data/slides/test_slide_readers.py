"""Slides of many kinds, written here by tifffile and zarr: the right image, pixels, levels and pixel size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_construct.data.slides.slide import open_slide
from napari_construct.events import Doubt
from napari_construct.exceptions import InputError

APERIO = (
    "Aperio Image Library v11.2.1 \r\n{w}x{h} [0,0 {w}x{h}] (64x64) JPEG/RGB Q=90|AppMag = 20|MPP = {mpp}"
)


def tissue(height: int = 300, width: int = 400, seed: int = 0) -> np.ndarray:
    """Smooth colours like tissue, so that JPEG keeps them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 250, (height // 20 + 2, width // 20 + 2, 3))
    y, x = np.arange(height) / 20, np.arange(width) / 20
    i, j = y.astype(int), x.astype(int)
    v, u = (y - i)[:, None, None], (x - j)[None, :, None]
    a, b = coarse[i][:, j] * (1 - u) + coarse[i][:, j + 1] * u, coarse[i + 1][:, j] * (1 - u)
    mixed = a * (1 - v) + (b + coarse[i + 1][:, j + 1] * u) * v
    return np.ascontiguousarray(np.rint(mixed), np.uint8)


def halved(image: np.ndarray) -> np.ndarray:
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return np.rint(image[: 2 * h, : 2 * w].reshape(h, 2, w, 2, -1).mean((1, 3))).astype(image.dtype)


def write_pyramid(path: Path, image: np.ndarray, levels: int = 3, **options: Any) -> Path:
    """Pages of one image in fewer and fewer pixels, as scanners and programs write them."""
    first = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"} | {
        key: options.pop(key) for key in ("description", "resolution") if key in options
    }
    with tifffile.TiffWriter(path) as tif:
        for level in range(levels):
            more = first if level == 0 else {"subfiletype": 1}
            tif.write(image, tile=(64, 64), metadata=None, **{"photometric": "rgb"} | options | more)
            image = halved(image)
    return path


def near(found: np.ndarray, expected: np.ndarray, mean: float = 2.0) -> bool:
    return bool(np.abs(found.astype(int) - expected).mean() < mean)


@pytest.mark.parametrize("compression", [None, "deflate", "lzw", "jpeg", "zstd"])
def test_a_pyramid_of_pages_is_one_slide(tmp_path: Path, compression: str | None) -> None:
    image = tissue()
    with open_slide(write_pyramid(tmp_path / "a.tif", image, compression=compression)) as slide:
        assert [level.shape for level in slide.levels] == [(300, 400), (150, 200), (75, 100)]
        assert [level.downsample for level in slide.levels] == [1, 2, 4]
        assert slide.format == "tiff"
        assert slide.mpp == pytest.approx((0.5, 0.5))
        whole = slide.read(0, 0, 0, 300, 400)
        assert near(whole, image) if compression == "jpeg" else np.array_equal(whole, image)
        assert near(slide.read(1, 0, 0, 150, 200), halved(image))
        assert np.array_equal(slide.read(0, 33, 60, 70, 150), whole[33:103, 60:210])


def test_openslide_and_the_own_reader_agree(tmp_path: Path) -> None:
    image = tissue(333, 415)
    path = write_pyramid(
        tmp_path / "a.svs",
        image,
        levels=1,
        compression="jpeg",
        description=APERIO.format(h=333, w=415, mpp=0.4),
    )
    with open_slide(path) as own, open_slide(path, reader="openslide") as other:
        assert own.format == other.format == "aperio"
        assert own.mpp == other.mpp == (0.4, 0.4)
        assert own.shape == other.shape
        difference = np.abs(own.read(0, 0, 0, 333, 415).astype(int) - other.read(0, 0, 0, 333, 415))
        assert difference.max() <= 2
        outside = own.read(0, 300, 400, 60, 60), other.read(0, 300, 400, 60, 60)
        assert (outside[0][40:] == 255).all()
        assert np.abs(outside[0].astype(int) - outside[1]).max() <= 2


@pytest.mark.parametrize("planar", ["separate", "contig"])
@pytest.mark.parametrize("tile", [(64, 64), None])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_planar_layout_strips_and_tiles(
    tmp_path: Path, planar: str, tile: tuple[int, int] | None, compression: str | None
) -> None:
    image = tissue()
    stored = image.transpose(2, 0, 1) if planar == "separate" else image
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        photometric="rgb",
        planarconfig=planar,
        tile=tile,
        compression=compression,
        rowsperstrip=None if tile else 37,
        metadata=None,
    )
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.shape == (300, 400)
        assert np.array_equal(slide.read(0, 0, 0, 300, 400), image)
        assert np.array_equal(slide.read(0, 100, 30, 60, 333), image[100:160, 30:363])


def test_jpeg_stored_as_ycbcr_with_half_the_colours(tmp_path: Path) -> None:
    image = tissue()
    path = tmp_path / "a.tif"
    padded = np.pad(image, ((0, 20), (0, 48), (0, 0)), mode="edge")
    tifffile.imwrite(
        path,
        (imagecodecs.jpeg8_encode(tile, level=95, subsampling="420") for tile in _tiles(padded)),
        shape=image.shape,
        dtype=np.uint8,
        photometric="ycbcr",
        subsampling=(2, 2),
        compression="jpeg",
        tile=(64, 64),
        metadata=None,
    )
    with open_slide(path) as slide, open_slide(path, reader="openslide") as other:
        assert near(slide.read(0, 0, 0, 300, 400), image)
        assert near(slide.read(0, 0, 0, 300, 400), other.read(0, 0, 0, 300, 400), 0.5)


def test_ycbcr_without_jpeg_is_converted_and_said_so(tmp_path: Path) -> None:
    image = tissue()
    ycbcr = imagecodecs.jpeg8_decode(
        imagecodecs.jpeg8_encode(image, level=98, subsampling="444"), outcolorspace="YCBCR"
    )
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        ycbcr,
        photometric="ycbcr",
        subsampling=(1, 1),
        tile=(64, 64),
        compression="deflate",
        metadata=None,
    )
    with open_slide(path) as slide:
        assert near(slide.read(0, 0, 0, 300, 400), image)
        assert any("YCbCr" in notice for notice in slide.notices)


@pytest.mark.parametrize(("code", "mixed"), [(33005, True), (33003, False), (34712, True)])
def test_jpeg_2000_of_aperio_and_others(tmp_path: Path, code: int, mixed: bool) -> None:
    image = tissue()
    padded = np.pad(image, ((0, 20), (0, 48), (0, 0)), mode="edge")
    stored = padded
    if not mixed:
        stored = imagecodecs.jpeg8_decode(
            imagecodecs.jpeg8_encode(padded, level=99, subsampling="444"), outcolorspace="YCBCR"
        )
    tiles = (
        imagecodecs.jpeg2k_encode(
            np.ascontiguousarray(stored[y : y + 64, x : x + 64]),
            level=0,
            codecformat="j2k",
            reversible=True,
            mct=mixed,
        )
        for y in range(0, 320, 64)
        for x in range(0, 448, 64)
    )
    path = tmp_path / "a.svs"
    tifffile.imwrite(
        path,
        tiles,
        shape=image.shape,
        dtype=np.uint8,
        tile=(64, 64),
        compression=code,
        photometric="rgb",
        metadata=None,
        description=APERIO.format(h=300, w=400, mpp="0,4990"),
    )
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx((0.499, 0.499))
        found = slide.read(0, 0, 0, 300, 400)
        assert np.array_equal(found, image) if mixed else near(found, image)
        if code != 34712:
            with open_slide(path, reader="openslide") as other:
                assert near(found, other.read(0, 0, 0, 300, 400), 1.0)


def test_ome_tiff_with_sub_resolutions(tmp_path: Path) -> None:
    image = tissue()
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        about = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
        options = {"photometric": "rgb", "tile": (64, 64), "compression": "deflate"}
        tif.write(image, subifds=1, metadata=about, **options)
        tif.write(halved(image), subfiletype=1, **options)
    with open_slide(path) as slide:
        assert slide.format == "ome-tiff"
        assert slide.mpp == (0.5, 0.25)
        assert any("0.25 um wide and 0.5 um high" in notice for notice in slide.notices)
        assert [level.downsample for level in slide.levels] == [1, 2]
        assert np.array_equal(slide.read(0, 0, 0, 300, 400), image)
        assert np.array_equal(slide.read(1, 0, 0, 150, 200), halved(image))
        assert slide.region(0, 0, 300, 400, at=0.5).shape == (300, 200, 3)


def test_ome_tiff_whose_colours_are_pages(tmp_path: Path) -> None:
    image = tissue()
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path,
        image.transpose(2, 0, 1),
        ome=True,
        photometric="minisblack",
        tile=(64, 64),
        metadata={"axes": "CYX"},
    )
    with open_slide(path) as slide:
        assert np.array_equal(slide.read(0, 10, 20, 200, 300), image[10:210, 20:320])
        assert any("red, green and blue" in notice for notice in slide.notices)


def write_with_label(path: Path, image: np.ndarray) -> np.ndarray:
    label = np.full((310, 420, 3), 255, np.uint8)
    label[100:200, 50:350] = (40, 40, 200)
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        tif.write(label, description="Label_Image", **options)
        tiled = options | {"tile": (64, 64), "compression": "deflate"}
        tif.write(image, description="level=0 mag=40 quality=90", **tiled)
        tif.write(halved(image), description="level=1 mag=20 quality=90", subfiletype=1, **tiled)
        tif.write(label[:150, :100], description="Macro", **options)
    return label


def test_label_and_macro_are_beside_the_scan(tmp_path: Path) -> None:
    image = tissue()
    label = write_with_label(tmp_path / "slide.tif", image)
    with open_slide(tmp_path / "slide.tif") as slide:
        assert slide.shape == (300, 400)  # not the label, which has more pixels
        assert len(slide.levels) == 2
        assert slide.image == 2
        assert slide.associated == ("label", "macro")
        assert np.array_equal(slide.associated_image("label"), label)
        assert slide.mpp is None
        with pytest.raises(InputError, match=r"label, macro.*got 'scan'"):
            slide.associated_image("scan")
    with open_slide(tmp_path / "slide.tif", image=1) as slide:
        assert np.array_equal(slide.read(0, 0, 0, 310, 420), label)
    with pytest.raises(
        InputError, match=r"1: 310 x 420 pixels \(label\); 2: 300 x 400 pixels.*got 9.*--image"
    ):
        open_slide(tmp_path / "slide.tif", image=9)


def test_the_scan_of_leica_and_not_its_overview(tmp_path: Path) -> None:
    slide = tissue(512, 512)
    overview = np.full((300, 400, 3), 255, np.uint8)
    one = (
        '<image name="image_{i}" uuid="urn:uuid:{i}"><creationDate>2010-01-01T00:00:00Z</creationDate>'
        '<device model="Leica SCN400"/><pixels sizeX="{x}" sizeY="{y}"><dimension sizeX="{x}" sizeY="{y}" '
        'r="0" ifd="{i}"/></pixels><view sizeX="{vx}" sizeY="{vy}" offsetX="0" offsetY="0" spacingZ="0"/>'
        "<scanSettings><objectiveSettings><objective>{o}</objective></objectiveSettings><illuminationSettings>"
        "<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image>"
    )
    xml = (
        '<?xml version="1.0"?>\n<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" '
        'uuid="urn:uuid:9"><collection name="c" uuid="urn:uuid:8" sizeX="26564529" sizeY="76734793">'
        "<barcode>x</barcode>"
        + one.format(i=0, x=400, y=300, vx=26564529, vy=76734793, o=0.6)
        + one.format(i=1, x=512, y=512, vx=256000, vy=256000, o=20)
        + "</collection></scn>"
    )
    path = tmp_path / "leica.scn"
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        options: dict[str, Any] = {
            "photometric": "rgb",
            "tile": (256, 256),
            "compression": "jpeg",
            "metadata": None,
            "resolutionunit": "CENTIMETER",
        }
        tif.write(overview, description=xml, resolution=(606, 606), **options)
        tif.write(slide, resolution=(20000, 20000), **options)
    with open_slide(path) as found:
        assert found.format == "leica"
        assert found.mpp == pytest.approx((0.5, 0.5))
        # of the whole glass, 53,129 x 153,470 pixels, the part that was scanned
        assert found.shape == (512, 512)
        assert near(found.read(0, 0, 0, 512, 512), slide)
        assert near(found.read(0, 100, 200, 300, 300), slide[100:400, 200:500])
    with open_slide(path, reader="tiff") as found:
        assert found.shape == (512, 512)
        assert near(found.read(0, 0, 0, 512, 512), slide)
        assert found.associated == ("overview",)


def test_no_pixel_size_is_none_and_asked_for(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", tissue(), photometric="rgb", tile=(64, 64), metadata=None)
    with open_slide(tmp_path / "a.tif") as slide:
        assert slide.mpp is None
        with pytest.raises(InputError, match=r"micrometres per pixel.*--mpp"):
            slide.region(0, 0, 64, 64, at=1.0)
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        assert slide.mpp == (0.5, 0.5)
        assert slide.region(0, 0, 64, 64, at=1.0).shape == (32, 32, 3)
    for wrong in (0.0, -1.0, float("nan"), 500.0):
        with pytest.raises(InputError, match="expected mpp"):
            open_slide(tmp_path / "a.tif", mpp=wrong)


def test_statements_that_contradict_each_other_are_said(tmp_path: Path) -> None:
    path = write_pyramid(
        tmp_path / "a.svs", tissue(), levels=1, description=APERIO.format(h=300, w=400, mpp=0.25)
    )
    for reader in (None, "openslide"):
        with open_slide(path, reader=reader) as slide:  # type: ignore[arg-type]
            assert slide.mpp == (0.25, 0.25)
            (notice,) = [notice for notice in slide.notices if isinstance(notice, Doubt)]
            assert "0.25 um per pixel" in notice
            assert "0.5" in notice


def test_16_bits_are_scaled_alike_all_over_the_slide(tmp_path: Path) -> None:
    deep = tissue().astype(np.uint16) * 16  # 12 bits
    deep[:64, :64] = 3  # a dark tile, which alone would look like 8 bits
    deep[-1, -1] = 4095
    with open_slide(write_pyramid(tmp_path / "a.tif", deep, levels=1, compression="deflate")) as slide:
        found = slide.read(0, 0, 0, 300, 400)
        assert np.array_equal(found, np.rint(deep * np.float32(255 / 4095)).astype(np.uint8))
        assert any("12-bit" in notice and isinstance(notice, Doubt) for notice in slide.notices)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint32])
def test_other_numbers_are_refused(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, tissue().astype(dtype), photometric="rgb", tile=(64, 64), metadata=None)
    with pytest.raises(InputError, match="8-bit RGB"):
        open_slide(path)


def test_transparent_places_and_missing_tiles_are_white(tmp_path: Path) -> None:
    image = np.dstack([tissue(), np.full((300, 400), 255, np.uint8)])
    image[:100, :100, 3] = 0
    tifffile.imwrite(
        tmp_path / "a.tif",
        image,
        photometric="rgb",
        extrasamples=["unassalpha"],
        tile=(64, 64),
        metadata=None,
    )
    with open_slide(tmp_path / "a.tif") as slide:
        found = slide.read(0, 0, 0, 300, 400)
    assert (found[:100, :100] == 255).all()
    assert np.array_equal(found[100:], image[100:, :, :3])

    encoded = (
        imagecodecs.zlib_encode(tile) if i % 2 else b"" for i, tile in enumerate(_tiles(tissue(256, 256)))
    )
    tifffile.imwrite(
        tmp_path / "b.tif",
        encoded,
        shape=(256, 256, 3),
        dtype=np.uint8,
        photometric="rgb",
        tile=(64, 64),
        compression="deflate",
        metadata=None,
    )
    with open_slide(tmp_path / "b.tif") as slide:
        assert (slide.read(0, 0, 0, 64, 64) == 255).all()
        assert np.array_equal(slide.read(0, 0, 64, 64, 64), tissue(256, 256)[:64, 64:128])
        assert any("left out of the file" in notice for notice in slide.notices)


def _tiles(image: np.ndarray) -> list[np.ndarray]:
    return [
        np.ascontiguousarray(image[y : y + 64, x : x + 64])
        for y in range(0, image.shape[0], 64)
        for x in range(0, image.shape[1], 64)
    ]


def test_greyscale_is_copied_with_a_doubt(tmp_path: Path) -> None:
    grey = tissue()[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="minisblack", tile=(64, 64), metadata=None)
    tifffile.imwrite(tmp_path / "b.tif", 255 - grey, photometric="miniswhite", tile=(64, 64), metadata=None)
    for name in "ab":
        with open_slide(tmp_path / f"{name}.tif") as slide:
            assert np.array_equal(slide.read(0, 0, 0, 300, 400), np.repeat(grey[..., None], 3, axis=2))
            assert any("greyscale" in notice and isinstance(notice, Doubt) for notice in slide.notices)


def test_stacks_are_refused(tmp_path: Path) -> None:
    stack = np.stack([tissue()[..., 0]] * 5)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", tile=(64, 64))
    with pytest.raises(InputError, match="one plane"):
        open_slide(tmp_path / "a.tif")


def test_an_image_of_another_shape_is_no_level(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        options: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "metadata": None}
        tif.write(tissue(), **options)
        tif.write(tissue(150, 130), subfiletype=1, **options)
    with open_slide(tmp_path / "a.tif") as slide:
        assert len(slide.levels) == 1
        assert any("no smaller copy" in notice for notice in slide.notices)


def write_ome_zarr(
    path: Path, image: np.ndarray, *, version: str, levels: int = 2, axes: str = "cyx", **of_array: Any
) -> Path:
    root: Any = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    datasets = []
    for level in range(levels):
        stored = image.transpose(2, 0, 1) if axes == "cyx" else image
        array = root.create_array(f"s{level}", shape=stored.shape, dtype=stored.dtype, **of_array)
        array[:] = stored
        steps = [1.0 if a == "c" else 0.5 * 2**level for a in axes]
        datasets.append(
            {"path": f"s{level}", "coordinateTransformations": [{"type": "scale", "scale": steps}]}
        )
        image = halved(image)
    named = [
        {"name": a, "type": "channel"} if a == "c" else {"name": a, "type": "space", "unit": "micrometer"}
        for a in axes
    ]
    about = {"multiscales": [{"axes": named, "datasets": datasets, "version": version}]}
    root.attrs.update({"ome": {"version": "0.5", **about}} if version == "0.5" else about)
    return path


@pytest.mark.parametrize(
    ("version", "axes", "of_array"),
    [
        ("0.4", "cyx", {"chunks": (1, 64, 64)}),
        ("0.4", "yxc", {"chunks": (64, 64, 3)}),
        ("0.5", "cyx", {"chunks": (3, 64, 64)}),
        ("0.5", "cyx", {"chunks": (1, 64, 64), "shards": (3, 128, 128)}),
        ("0.5", "yxc", {"chunks": (64, 64, 3), "compressors": None}),
    ],
)
def test_ome_zarr(tmp_path: Path, version: str, axes: str, of_array: dict[str, Any]) -> None:
    image = tissue()
    path = write_ome_zarr(tmp_path / "a.zarr", image, version=version, axes=axes, **of_array)
    with open_slide(path) as slide:
        assert slide.format == "ome-zarr"
        assert slide.mpp == (0.5, 0.5)
        assert [level.downsample for level in slide.levels] == [1, 2]
        assert np.array_equal(slide.read(0, 0, 0, 300, 400), image)
        assert np.array_equal(slide.read(0, 50, 61, 100, 200), image[50:150, 61:261])
        assert np.array_equal(slide.read(1, 0, 0, 150, 200), halved(image))


def test_a_container_gives_its_scan(tmp_path: Path) -> None:
    folder = tmp_path / "a.zarr"
    root: Any = zarr.open_group(folder, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_ome_zarr(folder / "0", tissue(), version="0.4", axes="yxc", chunks=(64, 64, 3))
    write_ome_zarr(folder / "1", tissue(400, 500), version="0.4", axes="yxc", chunks=(64, 64, 3))
    write_ome_zarr(folder / "2", tissue(100, 120), version="0.4", axes="yxc", chunks=(64, 64, 3))
    (folder / "OME").mkdir()
    (folder / "OME" / "METADATA.ome.xml").write_text(
        '<OME><Image ID="a" Name="scan"/><Image ID="b" Name="macro image"/><Image ID="c" Name=""/></OME>'
    )
    with open_slide(folder) as slide:
        assert slide.shape == (300, 400)
        assert slide.associated == ("macro",)
        assert slide.associated_image("macro").shape == (400, 500, 3)
    with open_slide(folder, image=3) as slide:
        assert slide.shape == (100, 120)
    with pytest.raises(InputError, match="1: 300 x 400 pixels"):
        open_slide(folder, image=4)
