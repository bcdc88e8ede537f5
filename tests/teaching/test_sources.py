"""Strokes come back from disk as they were, also those of other programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError, ConstructError, InputError
from napari_construct.teaching.saved import TABLE, load_strokes, save_strokes
from napari_construct.teaching.sources import read_strokes, read_unpainted
from napari_construct.teaching.strokes import Strokes

CLASSES = ClassTable.from_names(["gland", "stroma"])


def some(seed: int = 0, **changes: object) -> Strokes:
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    painted = random.integers(0, 3, (40, 50), dtype=np.uint8)
    return replace(Strokes(f"image {seed}", image, painted, 0.5, (7, 9), "a/b.tif"), **changes)  # type: ignore[arg-type]


def same(a: Strokes, b: Strokes) -> bool:
    arrays = np.array_equal(a.image, b.image) and np.array_equal(a.painted, b.painted)
    return arrays and all(getattr(a, n) == getattr(b, n) for n in ("name", "mpp", "place", "source", "used"))


def test_saved_strokes_come_back(tmp_path: Path) -> None:
    first = (some(0), some(1, used=False, mpp=None, source=None))
    save_strokes(tmp_path / "s", first, CLASSES)
    classes, found = load_strokes(tmp_path / "s")
    assert classes == CLASSES
    assert all(map(same, first, found))
    assert len(found) == 2
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "s").iterdir()}
    second = (first[0], some(2))
    save_strokes(tmp_path / "s", second, CLASSES)
    assert all(map(same, second, load_strokes(tmp_path / "s")[1]))
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "s").iterdir()}
    assert len(before) == len(after) == 5  # what is named no more is gone
    kept = before.keys() & after.keys() - {TABLE}
    assert len(kept) == 2
    assert all(before[name] == after[name] for name in kept)


def test_a_save_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    save_strokes(tmp_path, (some(0),), CLASSES)
    with pytest.raises(InputError, match="expected painted values from 0 to 2"):
        save_strokes(tmp_path, (some(1), some(2, painted=np.full((40, 50), 9, np.uint8))), CLASSES)
    assert same(some(0), load_strokes(tmp_path)[1][0])


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"classes": {"classes": []}},
        {"images": [{"name": "a"}]},
        {"images": "x"},
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    save_strokes(tmp_path, (some(0),), CLASSES)
    table = json.loads((tmp_path / TABLE).read_text(encoding="utf-8"))
    text = json.dumps(table | change)
    (tmp_path / TABLE).write_text(text, encoding="utf-8")
    with pytest.raises(ConstructError, match=r"strokes\.json"):
        load_strokes(tmp_path)
    with pytest.raises(ConfigurationError):
        save_strokes(tmp_path, (some(1),), CLASSES)
    assert (tmp_path / TABLE).read_text(encoding="utf-8") == text


def test_names_in_a_table_lead_nowhere(tmp_path: Path) -> None:
    save_strokes(tmp_path / "s", (some(0),), CLASSES)
    table = json.loads((tmp_path / "s" / TABLE).read_text(encoding="utf-8"))
    table["images"][0]["image"] = "../../" + table["images"][0]["image"][6:]
    (tmp_path / "s" / TABLE).write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(ConstructError, match="expected a table of strokes"):
        load_strokes(tmp_path / "s")


def test_other_files_in_place_of_the_saved_are_noticed(tmp_path: Path) -> None:
    save_strokes(tmp_path, (some(0),), CLASSES)
    (path,) = tmp_path.glob("painted_*.tif")
    tifffile.imwrite(path, np.zeros((40, 50), np.uint8))
    with pytest.raises(InputError, match="as they were saved"):
        load_strokes(tmp_path)


def square(x: int, y: int, name: str | None, **more: object) -> dict[str, object]:
    ring = [[x, y], [x + 10, y], [x + 10, y + 10], [x, y + 10], [x, y]]
    properties = {"objectType": "annotation", **more}
    if name is not None:
        properties["classification"] = {"name": name, "color": [200, 0, 0]}
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }


def test_annotations_of_qupath_are_strokes(tmp_path: Path) -> None:
    features = [
        square(0, 0, "Tumor"),
        square(20, 0, "Stroma", isLocked=True),
        square(5, 5, "Ignore*"),
        square(30, 20, None),
        square(0, 20, "Tumor", objectType="detection"),
    ]
    (tmp_path / "a.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8"
    )
    Image.fromarray(some().image).save(tmp_path / "a.png")
    found = read_strokes([tmp_path / "a.geojson"], tmp_path / "a.png", mpp=0.5)
    assert found.classes.names == ("Tumor", "Stroma")
    assert found.classes[0].colour == "#C80000"
    (one,) = found.strokes
    assert (one.mpp, one.name) == (0.5, "a.png")
    expected = np.zeros((40, 50), np.uint8)
    expected[:10, :10], expected[:10, 20:30], expected[5:15, 5:15] = 1, 2, 0
    np.testing.assert_array_equal(one.painted, expected)
    assert any("2 object(s)" in text for text in found.notices)
    named = ClassTable.from_names(["Fat", "Stroma"])
    other = read_strokes([tmp_path / "a.geojson"], tmp_path / "a.png", named)
    assert other.classes.names == ("Fat", "Stroma", "Tumor")
    assert set(np.unique(other.strokes[0].painted)) == {0, 2, 3}


def test_masks_beside_images_are_strokes(tmp_path: Path) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "painted").mkdir()
    one = some()
    Image.fromarray(one.image).save(tmp_path / "img" / "a.png")
    tifffile.imwrite(tmp_path / "painted" / "a_labels.tif", one.painted)
    found = read_strokes([tmp_path / "painted"], tmp_path / "img", CLASSES, mpp=0.5)
    np.testing.assert_array_equal(found.strokes[0].painted, one.painted)
    np.testing.assert_array_equal(found.strokes[0].image, one.image)
    with pytest.raises(InputError, match="expected classes for the values of masks"):
        read_strokes([tmp_path / "painted"], tmp_path / "img")
    with pytest.raises(InputError, match="expected the image that was painted"):
        read_strokes([tmp_path / "painted"], None, CLASSES)
    tifffile.imwrite(tmp_path / "painted" / "b.tif", one.painted)
    with pytest.raises(InputError, match="expected one image called b"):
        read_strokes([tmp_path / "painted"], tmp_path / "img", CLASSES)


def test_a_folder_without_other_images_is_refused(tmp_path: Path) -> None:
    Image.fromarray(some().image).save(tmp_path / "a.png")
    one = some(source=str(tmp_path / "a.png"))
    with pytest.raises(InputError, match="expected images without strokes, got none"):
        read_unpainted(tmp_path, [one])
    Image.fromarray(some(1).image).save(tmp_path / "b.png")
    ((pixels, mpp),) = read_unpainted(tmp_path, [one], 0.5)
    np.testing.assert_array_equal(pixels, some(1).image)
    assert mpp == 0.5


def test_saved_strokes_of_other_orders_are_joined(tmp_path: Path) -> None:
    save_strokes(tmp_path / "s", (some(0),), CLASSES)
    found = read_strokes([tmp_path / "s"], classes=ClassTable.from_names(["stroma", "gland"]))
    assert found.classes.names == ("stroma", "gland")
    before = some(0).painted
    np.testing.assert_array_equal(found.strokes[0].painted, np.array([0, 2, 1], np.uint8)[before])


def test_unpainted_images_are_those_without_strokes(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        Image.fromarray(some().image).save(tmp_path / f"{name}.png")
    painted = some(source=str(tmp_path / "b.png"))
    found = read_unpainted(tmp_path, [painted], 0.25)
    assert [(image.shape, mpp) for image, mpp in found] == [((40, 50, 3), 0.25)] * 2
    with pytest.raises(ConstructError):
        read_unpainted(tmp_path / "nowhere", [painted])
