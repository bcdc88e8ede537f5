"""Of a TIFF with several images, the scan is read, with its pixel size; and only that file."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from napari_construct.data.images import read_image
from napari_construct.data.stacks import count_planes, read_plane
from napari_construct.exceptions import InputError


@pytest.fixture
def scan():
    generator = np.random.default_rng(3)
    return generator.integers(0, 256, (160, 224, 3), dtype=np.uint8)


LABEL = np.full((60, 80, 3), 255, np.uint8)


def _write(path, *images):
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for pixels, options in images:
            writer.write(pixels, photometric="rgb", **{"metadata": None, **options})
    return path


def test_the_label_that_ventana_writes_first_is_not_the_scan(tmp_path, scan):
    path = _write(
        tmp_path / "a.tif",
        (LABEL, {"description": "Label_Image"}),
        (scan, {"tile": (64, 64), "description": "level=0 mag=40 quality=90", "resolution": (40000, 40000),
                "resolutionunit": "CENTIMETER"}),
        (scan[::2, ::2], {"tile": (64, 64), "subfiletype": 1, "description": "level=1 mag=20 quality=90"}),
    )  # fmt: skip
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, scan)
    assert image.mpp == pytest.approx(0.25)
    assert "number 2 is read (160 x 224 pixels)" in image.notices[0]


@pytest.mark.parametrize("name", ["Label Image", "macro", "Thumbnail", "overview of the slide"])
def test_a_label_is_no_scan_even_if_it_is_larger(tmp_path, scan, name):
    path = _write(tmp_path / "a.tif", (np.zeros((300, 400, 3), np.uint8), {"description": name}), (scan, {}))
    np.testing.assert_array_equal(read_image(path).pixels, scan)


def test_a_file_with_a_label_alone_is_read(tmp_path):
    path = _write(tmp_path / "a.tif", (LABEL, {"description": "Label"}))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, LABEL)
    assert image.notices == ()


@pytest.mark.parametrize("factor", [2, 3, 4, 2.5])
@pytest.mark.parametrize("first", [True, False])
def test_pages_of_subfiletype_1_are_levels(tmp_path, scan, factor, first):
    small = scan[: int(160 / factor), : int(224 / factor)]
    pages = [(scan, {"tile": (64, 64)}), (small, {"tile": (64, 64), "subfiletype": 1})]
    path = _write(tmp_path / "a.tif", *(pages if first else pages[::-1]))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, scan)
    assert image.notices == ()
    assert count_planes(path) == 1


@pytest.mark.parametrize("lens", [-1.0, -2.0])
def test_macro_and_map_of_hamamatsu_are_no_scan(tmp_path, scan, lens):
    def tags(magnification):
        return {"extratags": [(65420, "I", 1, 1, True), (65421, "f", 1, magnification, True)]}

    path = _write(tmp_path / "a.tif", (np.zeros((300, 400, 3), np.uint8), tags(lens)), (scan, tags(20.0)))
    np.testing.assert_array_equal(read_image(path).pixels, scan)


def test_a_mask_of_transparency_is_no_scan(tmp_path, scan):
    mask = {"extratags": [(254, "I", 1, 4, True)]}
    path = _write(tmp_path / "a.tif", (np.zeros((300, 400, 3), np.uint8), mask), (scan, {}))
    np.testing.assert_array_equal(read_image(path).pixels, scan)


def _ndpi(pages):
    """A classic TIFF with the tag of NDPI whose links between directories have 64 bits."""
    data, link = b"II*\0" + bytes(8), 4
    for pixels in pages:
        start = len(data)
        data += pixels.tobytes()
        height, width = pixels.shape
        tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, start), (277, 1)]
        tags += [(278, height), (279, height * width), (65420, 1)]
        data = data[:link] + struct.pack("<Q", len(data)) + data[link + 8 :]
        data += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", c, 4, 1, v) for c, v in tags)
        link = len(data)
        data += bytes(8) + bytes(4 * len(tags))  # the high halves of the values
    return data


@pytest.mark.parametrize("suffix", [".ndpi", ".tif"])
def test_ndpi_is_known_by_its_directories_and_not_by_its_suffix(tmp_path, scan, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(_ndpi([LABEL[..., 0], scan[..., 0]]))
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], scan[..., 0])


def _scn(images, whole=(26_564_529, 76_734_793)):
    one = (
        '<image name="image_{i}" uuid="u:{i}"><pixels sizeX="{x}" sizeY="{y}"><dimension sizeX="{x}" '
        'sizeY="{y}" r="0" ifd="{i}"/></pixels><view sizeX="{vx}" sizeY="{vy}" offsetX="0" '
        'offsetY="0"/></image>'
    )
    inside = "".join(one.format(i=i, x=x, y=y, vx=vx, vy=vy) for i, (y, x, vx, vy) in enumerate(images))
    return (
        '<?xml version="1.0"?>\n<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection name="c" sizeX="{whole[0]}" sizeY="{whole[1]}">{inside}</collection></scn>'
    )


def test_scn_overview_is_not_the_scan_even_if_it_is_larger(tmp_path, scan):
    overview = np.full((400, 500, 3), 255, np.uint8)
    xml = _scn([(400, 500, 26_564_529, 76_734_793), (160, 224, 112_000, 80_000)])
    per_cm = {"resolutionunit": "CENTIMETER"}
    path = _write(
        tmp_path / "a.scn",
        (overview, {"tile": (64, 64), "description": xml, "resolution": (606, 606), **per_cm}),
        (scan, {"tile": (64, 64), "resolution": (20000, 20000), **per_cm}),
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, scan)
    assert image.mpp == pytest.approx(0.5)


@pytest.mark.parametrize("named", [True, False])
def test_ome_images_have_pixel_sizes_of_their_own(tmp_path, scan, named):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        about = {"axes": "YXS", "PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
        label = np.full((300 if named else 60, 400, 3), 255, np.uint8)
        writer.write(
            label, photometric="rgb", metadata={**about, "Name": "label image" if named else "a",
                                                "PhysicalSizeX": 10.0, "PhysicalSizeY": 10.0}
        )  # fmt: skip
        writer.write(
            scan, photometric="rgb", metadata={**about, "Name": "scan", "PhysicalSizeX": 0.5,
                                               "PhysicalSizeY": 0.5}
        )  # fmt: skip
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, scan)
    assert image.mpp == pytest.approx(0.5)


def test_qptiff_images_are_what_their_descriptions_say(tmp_path, scan):
    about = "<PerkinElmer-QPI-ImageDescription><ImageType>{}</ImageType></PerkinElmer-QPI-ImageDescription>"
    maker = {"software": "PerkinElmer-QPI"}
    path = _write(
        tmp_path / "a.qptiff",
        (LABEL, {"description": about.format("Thumbnail"), **maker}),
        (scan, {"description": about.format("FullResolution"), "tile": (64, 64), **maker}),
    )
    np.testing.assert_array_equal(read_image(path).pixels, scan)


@pytest.mark.parametrize("more", [(), (1,)])
def test_rows_written_as_pages_are_one_picture(tmp_path, scan, more):
    tifffile.imwrite(tmp_path / "a.tif", scan.reshape(*scan.shape, *more), photometric="minisblack")
    assert count_planes(tmp_path / "a.tif") == 1
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.pixels, scan)
    assert "rows of one RGB picture" in image.notices[0]
    part = read_image(tmp_path / "a.tif", region=(slice(20, 60), slice(100, 200)))
    np.testing.assert_array_equal(part.pixels, scan[20:60, 100:200])


def test_several_pictures_written_as_rows_are_planes(tmp_path, scan):
    pictures = np.stack([scan, scan[::-1]])
    tifffile.imwrite(tmp_path / "a.tif", pictures, photometric="minisblack")
    assert count_planes(tmp_path / "a.tif") == 2
    for index in range(2):
        np.testing.assert_array_equal(read_plane(tmp_path / "a.tif", index).pixels, pictures[index])


@pytest.mark.parametrize("imagej", [False, True])
def test_three_planes_may_be_colours(tmp_path, scan, imagej):
    planes = np.moveaxis(scan, 2, 0).copy()
    metadata = {"axes": "ZYX"} if imagej else None
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="minisblack", imagej=imagej, metadata=metadata)
    assert count_planes(tmp_path / "a.tif") == 3
    with pytest.raises(InputError, match="red, green and blue"):
        read_image(tmp_path / "a.tif")
    plane = read_plane(tmp_path / "a.tif", 1)
    np.testing.assert_array_equal(plane.pixels[..., 0], planes[1])
    assert any("red, green and blue" in notice for notice in plane.notices)


def test_planes_are_read_as_single_images_are(tmp_path, scan):
    """White is zero, the palette and the largest image count for stacks as well."""
    white = scan[..., :1].transpose(2, 0, 1).repeat(2, axis=0)
    tifffile.imwrite(tmp_path / "w.tif", white, photometric="miniswhite", metadata={"axes": "ZYX"})
    np.testing.assert_array_equal(read_plane(tmp_path / "w.tif", 1).pixels[..., 0], 255 - white[1])
    with tifffile.TiffWriter(tmp_path / "l.tif") as writer:
        writer.write(LABEL, photometric="rgb", metadata=None, description="Label")
        for plane in (scan, scan[::-1]):
            writer.write(plane, photometric="rgb", metadata=None)
    assert count_planes(tmp_path / "l.tif") == 2
    np.testing.assert_array_equal(read_plane(tmp_path / "l.tif", 1).pixels, scan[::-1])


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:me">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="{x}" SizeY="{y}" '
    'SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="0.5"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
    '<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="{first}">urn:uuid:{one}</UUID></TiffData>'
    '<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="{second}">urn:uuid:{two}</UUID></TiffData>'
    "</Pixels></Image></OME>"
)


def test_one_file_of_a_set_gives_its_own_pixels_and_opens_no_other(tmp_path, scan, monkeypatch):
    theirs, own = scan[..., 0], scan[..., 1].copy()
    tifffile.imwrite(tmp_path / "other.ome.tif", theirs, metadata=None)
    names = {"first": "other.ome.tif", "one": "other", "second": "me.ome.tif", "two": "me"}
    xml = OME.format(x=224, y=160, **names)
    path = tmp_path / "me.ome.tif"
    tifffile.imwrite(path, own, description=xml, metadata=None)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels[..., 0], own)
    assert image.mpp == pytest.approx(0.5)
    assert any("1 other file(s)" in notice for notice in image.notices)
    assert count_planes(path) == 1


@pytest.mark.parametrize("name", ["pipe", "../../../../etc/passwd", "/dev/zero", "con", "a/b.tif"])
def test_a_crafted_name_is_never_opened(tmp_path, scan, name):
    import os

    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    xml = OME.format(x=224, y=160, first=name, one="b", second=name, two="c")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, scan[..., 0].copy(), description=xml, metadata=None)
    np.testing.assert_array_equal(read_image(path).pixels[..., 0], scan[..., 0])


def test_a_renamed_file_of_its_own_set_is_read_as_ome(tmp_path, scan):
    planes = np.stack([scan[..., 0], scan[..., 1]])
    xml = OME.format(x=224, y=160, first="was.tif", one="me", second="was.tif", two="me").replace(
        '<TiffData IFD="0" FirstZ="1"', '<TiffData IFD="1" FirstZ="1"'
    )
    path = tmp_path / "now.ome.tif"
    tifffile.imwrite(path, planes, description=xml, metadata=None, photometric="minisblack")
    assert count_planes(path) == 2
    np.testing.assert_array_equal(read_plane(path, 1).pixels[..., 0], planes[1])
    assert not any("other file" in notice for notice in read_plane(path, 1).notices)
