"""Corrections in files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.teaching.correction_files import read_corrections, save_corrections
from napari_construct.teaching.strokes import Strokes

MODEL = ClassTable.from_names(("tumour", "stroma"))


def _image(side: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (side, side + 8, 3)).astype(np.uint8)


def _square(row: int, column: int, side: int) -> list[list[list[int]]]:
    corners = [(row, column), (row, column + side), (row + side, column + side), (row + side, column)]
    return [[[x, y] for y, x in [*corners, corners[0]]]]


def _geojson(path: Path, *objects: tuple[str | None, list[list[list[int]]]]) -> None:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": rings},
            "properties": {
                "objectType": "annotation",
                **({"classification": {"name": name}} if name else {}),
            },
        }
        for name, rings in objects
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def test_saved_corrections_come_back(tmp_path: Path) -> None:
    painted = np.zeros((40, 48), np.uint8)
    painted[3:9, 5:9], painted[20, :] = 2, 1
    saved = [
        Strokes("a/b: c.svs", _image(), painted, 0.5, (100, 2000), "/data/c.svs"),
        Strokes("a/b: c.svs", _image(), painted[::-1].copy(), None, used=False),
    ]
    folder = save_corrections(tmp_path / "saved", saved, ClassTable.from_names(("stroma", "mucus")))
    found = read_corrections([folder], MODEL, mpp=0.25)
    assert found.classes.names == ("tumour", "stroma", "mucus")
    first, second = found.strokes
    np.testing.assert_array_equal(first.image, saved[0].image)
    np.testing.assert_array_equal(first.painted, np.array([0, 2, 3], np.uint8)[painted])
    assert (first.name, first.mpp, first.place, first.source, first.used) == (
        "a/b: c.svs", 0.5, (100, 2000), "/data/c.svs", True,
    )  # fmt: skip
    assert (second.mpp, second.used) == (0.25, False)
    save_corrections(folder, saved[:1], MODEL)  # our own are replaced
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="new or empty folder"):
        save_corrections(tmp_path / "other", saved, MODEL)


def test_masks_of_people(tmp_path: Path) -> None:
    for inside in ("img", "mask"):
        (tmp_path / inside).mkdir()
    mask = np.zeros((40, 48), np.uint8)
    mask[:5] = 2
    Image.fromarray(_image()).save(tmp_path / "img" / "a.png")
    Image.fromarray(mask).save(tmp_path / "mask" / "a.png")
    (strokes,) = read_corrections([tmp_path], MODEL).strokes
    np.testing.assert_array_equal(strokes.painted, mask)
    assert strokes.source == str(tmp_path / "img" / "a.png")
    Image.fromarray(mask + 1).save(tmp_path / "mask" / "a.png")
    with pytest.raises(InputError, match=r"0 \(not corrected\) to 2 in the mask, got 3"):
        read_corrections([tmp_path], MODEL)
    Image.fromarray(mask[:9]).save(tmp_path / "mask" / "a.png")
    with pytest.raises(DatasetError, match="40 x 48"):
        read_corrections([tmp_path], MODEL)


def test_annotations_of_qupath(tmp_path: Path) -> None:
    Image.fromarray(_image()).save(tmp_path / "case.png")
    path = tmp_path / "case.geojson"
    _geojson(
        path,
        ("stroma", _square(2, 3, 10)),
        ("mucus", _square(20, 20, 6)),
        ("Ignore*", _square(2, 3, 4)),
        (None, _square(30, 30, 5)),
    )
    found = read_corrections([path], MODEL)
    (strokes,) = found.strokes
    assert found.classes.names == ("tumour", "stroma", "mucus")
    assert (strokes.painted == 2).sum() == 100 - 16
    assert (strokes.painted[2:6, 3:7] == 0).all()
    assert (strokes.painted == 3).sum() == 36
    assert any("without a class" in text for text in found.notices)
    Image.fromarray(_image()).save(tmp_path / "case.jpg")
    with pytest.raises(InputError, match="one image named case"):
        read_corrections([path], MODEL)


def test_only_parts_of_a_large_image_are_read(tmp_path: Path) -> None:
    large = np.full((600, 9000, 3), 200, np.uint8)
    large[100:120, 8000:8020] = 50
    tifffile.imwrite(tmp_path / "slide.tif", large, tile=(256, 256), photometric="rgb")
    path = tmp_path / "slide.geojson"
    _geojson(
        path,
        ("tumour", _square(100, 8000, 20)),
        ("tumour", _square(90, 7900, 10)),
        ("stroma", _square(300, 50, 30)),
    )
    first, second = sorted(read_corrections([path], MODEL).strokes, key=lambda s: s.place[1])
    assert (first.painted == 2).sum() == 900
    assert (second.painted == 1).sum() == 500
    assert first.image.shape[1] < 400
    inside = second.image[second.painted == 1]
    assert (inside == 50).all(1).sum() == 400
    row, column = second.place
    assert (large[row : row + 9, column : column + 9] == second.image[:9, :9]).all()


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="expected corrections"):
        read_corrections([tmp_path / "a.txt"], MODEL)
    (tmp_path / "img").mkdir()
    (tmp_path / "mask").mkdir()
    for inside in ("img", "mask"):
        Image.fromarray(_image()).save(tmp_path / inside / "a.png")
    (tmp_path / "corrections.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="expected saved corrections"):
        read_corrections([tmp_path], MODEL)
