"""What a file states is what reading it finds, and costs no decoding."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.odd_places import put

from napari_construct.data.image_header import read_header
from napari_construct.data.images import read_image
from napari_construct.data.stacks import read_plane
from napari_construct.exceptions import InputError

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
UM = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}


def write(path, kind) -> None:
    if kind == "pyramid":
        with tifffile.TiffWriter(path) as file:
            file.write(PIXELS, photometric="rgb", subifds=1, **UM)
            file.write(PIXELS[::2, ::2], photometric="rgb", subfiletype=1)
    elif kind == "ome":
        metadata = {"axes": "YXS", "PhysicalSizeX": 0.7, "PhysicalSizeXUnit": "µm"}
        tifffile.imwrite(path, PIXELS, photometric="rgb", metadata=metadata)
    elif kind == "stack":
        tifffile.imwrite(path, np.stack([PIXELS] * 3), photometric="rgb", **UM)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, PIXELS, photometric="rgb", **(UM if kind == "sized" else {}))
    else:
        Image.fromarray(PIXELS).save(path, **({"dpi": (50800, 50800)} if kind == "sized" else {}))


@pytest.mark.parametrize(
    ("name", "kind", "mpp"),
    [
        ("a.tif", "sized", 0.5),
        ("a.tif", "plain", None),
        ("a.ome.tif", "ome", 0.7),
        ("a.tif", "pyramid", 0.5),
        ("a.tif", "stack", 0.5),
        ("a.png", "sized", 0.5),
        ("a.png", "plain", None),
        ("a.jpg", "sized", 0.5),
        ("a.bmp", "sized", 0.5),
    ],
)
def test_as_reading_finds_it(tmp_path, name, kind, mpp) -> None:
    write(path := tmp_path / name, kind)
    read = read_plane(path, 1) if kind == "stack" else read_image(path)
    found = read_header(path)
    assert found.mpp == read.mpp
    assert found.mpp == (None if mpp is None else pytest.approx(mpp, rel=1e-3))
    assert (found.rows, found.columns) == read.pixels.shape[:2]


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe", "dangling", "text", "cut"])
def test_what_is_no_image_has_no_header(tmp_path, kind) -> None:
    path = tmp_path / "a.tif"
    put(path, kind)
    if kind == "text":
        path.write_text("no image")
    elif kind == "cut":
        path.write_bytes(b"II*\x00\xff\xff")
    with pytest.raises(InputError):
        read_header(path)
