from __future__ import annotations

import dataclasses
import datetime as dt
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.exceptions import InputError
from napari_construct.export.overlay import overlay, write_overlay
from napari_construct.export.record import write_record
from napari_construct.export.tiff import write_cams, write_mask

TABLE = ClassTable.from_names(("tumour", "lymphoid"))


@pytest.fixture(scope="module")
def region(camelyon):
    image = np.asarray(Image.open(next((camelyon / "val" / "img").iterdir())))
    mask = np.asarray(Image.open(next((camelyon / "val" / "mask").iterdir())))
    return image, np.where(mask == 2, 0, mask + 1).astype(np.uint8)


def test_mask_round_trip(region, tmp_path):
    _, labels = region
    path = tmp_path / "new folder" / "mask.tif"
    write_mask(path, labels, TABLE, mpp=0.25)
    with tifffile.TiffFile(path) as tif:
        np.testing.assert_array_equal(tif.asarray(), labels)
        page = tif.pages.first
        assert page.photometric == tifffile.PHOTOMETRIC.PALETTE
        assert (page.colormap[:, 1] >> 8).tolist() == list(TABLE[0].rgb)
        assert page.tags["XResolution"].value[0] / page.tags["XResolution"].value[1] == pytest.approx(40_000)
        description = json.loads(page.description)
        assert description["classes"] == {"1": "tumour", "2": "lymphoid"}
        assert description["mpp"] == 0.25
    assert path.stat().st_size < labels.size / 5
    np.testing.assert_array_equal(np.asarray(Image.open(path)), labels)  # others read it too
    assert [p.name for p in path.parent.iterdir()] == ["mask.tif"]


def test_large_mask_is_tiled(tmp_path):
    labels = np.zeros((1500, 1100), np.uint8)
    labels[700:, 300:] = 2
    write_mask(tmp_path / "a.tif", labels, TABLE)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages.first.is_tiled
        np.testing.assert_array_equal(tif.asarray(), labels)


def test_mask_is_read_by_our_own_readers(region, tmp_path):
    from napari_construct.data.images import read_image
    from napari_construct.data.masks import read_mask

    _, labels = region
    write_mask(tmp_path / "a.tif", labels, TABLE, mpp=0.5)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), labels)
    picture = read_image(tmp_path / "a.tif")
    assert picture.mpp == pytest.approx(0.5)
    assert picture.pixels[labels == 2][0].tolist() == list(TABLE[1].rgb)


def test_cams_round_trip(tmp_path):
    cams = np.random.default_rng(0).random((2, 40, 30)).astype(np.float32)
    path = tmp_path / "a.ome.tif"
    write_cams(path, cams, TABLE, mpp=0.25)
    with tifffile.TiffFile(path) as tif:
        np.testing.assert_array_equal(tif.asarray(), cams)
        assert tif.series[0].axes == "CYX"
        space = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
        pixels = ET.fromstring(tif.ome_metadata).find(".//o:Pixels", space)
        assert pixels.get("PhysicalSizeX") == pixels.get("PhysicalSizeY") == "0.25"
        assert pixels.get("PhysicalSizeXUnit") == "µm"
        channels = pixels.findall("o:Channel", space)
        assert [c.get("Name") for c in channels] == ["tumour", "lymphoid"]
        red, green, blue = TABLE[0].rgb
        assert int(channels[0].get("Color")) & 0xFFFFFFFF == red << 24 | green << 16 | blue << 8 | 255
    one = ClassTable.from_names(("only",))
    write_cams(path, cams[:1], one)
    np.testing.assert_array_equal(tifffile.imread(path), cams[0])


def test_overlay_blends(region, tmp_path):
    image, labels = region
    np.testing.assert_array_equal(overlay(image, labels, TABLE, 0.0), image)
    full = overlay(image, labels, TABLE, 1.0)
    assert (full[labels == 1] == TABLE[0].rgb).all()
    np.testing.assert_array_equal(full[labels == 0], image[labels == 0])
    half = overlay(image, labels, TABLE, 0.5)
    expected = 0.5 * image[labels == 2] + 0.5 * np.array(TABLE[1].rgb)
    np.testing.assert_allclose(half[labels == 2], expected, atol=0.51)
    write_overlay(tmp_path / "a.png", image, labels, TABLE, 0.5)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), half)


def test_hidden_classes_are_not_drawn(region):
    image, labels = region
    hidden = ClassTable(classes=(TissueClass(name="tumour", shown=False), TissueClass(name="lymphoid")))
    np.testing.assert_array_equal(overlay(image, labels, hidden, 1.0)[labels == 1], image[labels == 1])


def test_record(tmp_path):
    @dataclasses.dataclass
    class Settings:
        tile: int
        folder: Path

    write_record(
        tmp_path / "r.json",
        {
            "table": TABLE,
            "settings": Settings(256, Path("a/b")),
            "iou": {"tumour": np.float32(0.5), "necrosis": float("nan"), "stroma": float("inf")},
            "counts": np.array([[1, 2]]),
            "made": dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
            "names": ("ä", None, True),
            "set": {"b", "a"},
            3: 4,
        },
    )
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    back = json.loads(text)
    assert back["table"]["classes"][0]["name"] == "tumour"
    assert back["settings"] == {"tile": 256, "folder": str(Path("a/b"))}
    assert back["iou"] == {"tumour": 0.5, "necrosis": None, "stroma": None}
    assert back["counts"] == [[1, 2]]
    assert back["made"].startswith("2026-01-02")
    assert back["names"] == ["ä", None, True]
    assert back["set"] == ["a", "b"]
    assert back["3"] == 4
    assert "ä" in text


def test_record_names_what_json_cannot_hold(tmp_path):
    with pytest.raises(InputError, match=r"record\.a\[1\]\.b: expected a value JSON can hold, got object"):
        write_record(tmp_path / "r.json", {"a": [1, {"b": object()}]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "labels", [np.zeros((4, 4), np.int32), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_what_is_no_label_image(labels, tmp_path):
    with pytest.raises(InputError, match=r"expected labels of shape \(h, w\) and type uint8"):
        write_mask(tmp_path / "a.tif", labels, TABLE)
    assert list(tmp_path.iterdir()) == []


def test_contradictions(region, tmp_path):
    image, labels = region
    with pytest.raises(InputError, match=r"labels from 0 to 2 \(tumour, lymphoid\), got 9"):
        write_mask(tmp_path / "a.tif", np.full((4, 4), 9, np.uint8), TABLE)
    with pytest.raises(InputError, match=r"maps of shape \(2, h, w\)"):
        write_cams(tmp_path / "a.ome.tif", np.zeros((3, 4, 4), np.float32), TABLE)
    with pytest.raises(InputError, match="float32"):
        write_cams(tmp_path / "a.ome.tif", np.zeros((2, 4, 4), np.float64), TABLE)
    with pytest.raises(InputError, match="to go with the labels"):
        write_overlay(tmp_path / "a.png", image[:10], labels, TABLE)
    with pytest.raises(InputError, match="opacity"):
        write_overlay(tmp_path / "a.png", image, labels, TABLE, 1.5)
    assert list(tmp_path.iterdir()) == []
