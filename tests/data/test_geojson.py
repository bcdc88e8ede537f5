"""GeoJSON of QuPath and others, read within bounds."""

from __future__ import annotations

import gzip
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
from shapely import box

from napari_construct.data.geojson import read_geojson
from napari_construct.exceptions import InputError
from napari_construct.reading.packed import packed_text
from napari_construct.reading.texts.json_items import json_items
from napari_construct.reading.texts.values import UnusableError

RING = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}


def feature(geometry: Any = POLYGON, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def read(folder: Path, content: Any, **options: Any) -> tuple[list[Any], tuple[str, ...]]:
    path = folder / "a.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    found = read_geojson(path, **options)
    return list(found), found.notices


def one(folder: Path, content: Any) -> Any:
    (found,), notices = read(folder, [content])
    assert notices == ()
    return found


def test_qupaths_words(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        feature(
            objectType="detection",
            name="n",
            classification={"name": "Tumor", "color": [200, 0, 0]},
            isLocked=True,
            measurements={"a": 1, "b": "NaN", "c": None, "d": "Infinity", "e": "text", "f": True},
        )
        | {"id": "7b1a6e62-9a0c-4d0e-8a3e-0e3f4f5a6b7c"},
    )
    assert found.geometry.equals(box(0, 0, 4, 4))
    assert (found.object_type, found.class_name, found.colour) == ("detection", "Tumor", "#C80000")
    assert (found.name, found.locked, found.id) == ("n", True, "7b1a6e62-9a0c-4d0e-8a3e-0e3f4f5a6b7c")
    measured = dict(found.measurements)
    assert math.isnan(measured.pop("b"))
    assert math.isnan(measured.pop("c"))
    assert measured == {"a": 1.0, "d": math.inf}


@pytest.mark.parametrize(
    ("properties", "kind"),
    [
        ({"object_type": "tile"}, "tile"),
        ({"objectType": "cell", "object_type": "tile"}, "cell"),
        ({"type": "PathDetectionObject"}, "detection"),
        ({"objectType": "something"}, "annotation"),
        ({}, "annotation"),
    ],
)
def test_older_words_of_the_type(tmp_path: Path, properties: dict[str, Any], kind: str) -> None:
    assert one(tmp_path, feature(**properties)).object_type == kind


def test_the_type_stood_in_the_id_once(tmp_path: Path) -> None:
    found = one(tmp_path, feature() | {"id": "PathDetectionObject"})
    assert (found.object_type, found.id) == ("detection", None)


@pytest.mark.parametrize(
    ("classification", "name", "colour"),
    [
        ({"name": "a", "colorRGB": -3670016}, "a", "#C80000"),
        ({"names": ["a", "b"], "color": [1, 2, 3, 128]}, "a: b", "#010203"),
        ("a", "a", None),
        (None, None, None),
        ({}, None, None),
        ({"name": "a", "color": "red"}, "a", None),
    ],
)
def test_classifications_of_all_versions(
    tmp_path: Path, classification: Any, name: str | None, colour: str | None
) -> None:
    found = one(tmp_path, feature(classification=classification))
    assert (found.class_name, found.colour) == (name, colour)


def test_measurements_as_a_list_and_nan_without_quotes(tmp_path: Path) -> None:
    text = json.dumps([feature(measurements=[{"name": "a", "value": 2}, {"name": "b", "value": math.nan}])])
    assert "NaN" in text
    (found,), _ = read(tmp_path, text)
    assert found.measurements["a"] == 2
    assert math.isnan(found.measurements["b"])


def test_metadata_twice_is_borne(tmp_path: Path) -> None:
    text = json.dumps(feature(metadata={"a": "1"}, name="n"))
    text = text.replace('"name"', '"metadata": {"a": "1"}, "name"')
    assert text.count('"metadata"') == 2
    (found,), _ = read(tmp_path, f'{{"type": "FeatureCollection", "features": [{text}], "features": []}}')
    assert found.name == "n"


@pytest.mark.parametrize("form", ["collection", "list", "feature", "geometry", "mark"])
def test_all_forms_of_a_file(tmp_path: Path, form: str) -> None:
    content = {
        "collection": {
            "crs": {"deep": [1, 2]},
            "type": "FeatureCollection",
            "features": [feature()],
            "n": 12,
        },
        "list": [feature()],
        "feature": feature(),
        "geometry": POLYGON,
        "mark": feature(),
    }[form]
    found, _ = read(tmp_path, ("\ufeff" if form == "mark" else "") + json.dumps(content, indent=3))
    assert [one.geometry.area for one in found] == [16]


def test_coordinates_start_where_qupath_starts(tmp_path: Path) -> None:
    (found,), _ = read(tmp_path, [feature()], origin=(100, 1000))
    assert found.geometry.bounds == (1000, 100, 1004, 104)


def test_what_has_no_area_is_left_out_in_one_notice(tmp_path: Path) -> None:
    odd = [
        feature({"type": "Point", "coordinates": [1, 2]}),
        feature({"type": "Point", "coordinates": [1, 2]}),
        feature({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}),
        feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}),
        feature({"type": "Polygon", "coordinates": [[["x", 0], [1, 1], [2, 2], [0, 0]]]}),
        feature({"type": "Polygon", "coordinates": 3}),
        feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [2, 0], [0, 0]]]}),
        feature(None),
        7,
        feature({"type": "Polygon", "coordinates": [[[0, 0], [1e999, 0], [1, 1], [0, 0]]]}),
    ]
    found, (notice,) = read(tmp_path, [feature(), *odd, feature()])
    assert len(found) == 2
    assert "2 x Point" in notice
    assert "3 x object with damaged coordinates" in notice


def test_collections_and_ellipses_are_converted(tmp_path: Path) -> None:
    far = {"type": "Polygon", "coordinates": [[[9, 9], [10, 9], [10, 10], [9, 9]]]}
    point = {"type": "Point", "coordinates": [1, 2]}
    collection = {"type": "GeometryCollection", "geometries": [POLYGON, point, far]}
    found, notices = read(tmp_path, [feature(collection), feature(POLYGON | {"isEllipse": True})])
    assert notices == ()
    assert found[0].geometry.geom_type == "MultiPolygon"
    assert found[1].geometry.area == pytest.approx(math.pi * 4, rel=0.01)


def test_crossed_outlines_are_repaired_and_open_ones_closed(tmp_path: Path) -> None:
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    open_ring = {"type": "Polygon", "coordinates": [RING[:-1]]}
    deep = {"type": "Polygon", "coordinates": [[[*point, 5] for point in RING]]}
    found, (notice,) = read(tmp_path, [feature(bow), feature(open_ring), feature(deep)])
    assert [one.geometry.area for one in found] == [2, 16, 16]
    assert all(one.geometry.is_valid for one in found)
    assert "1 outline(s)" in notice


def test_children_are_read_too(tmp_path: Path) -> None:
    inner = feature(objectType="cell", childObjects=[feature(name="deepest")])
    root = feature(objectType="root", childObjects=[inner]) | {"geometry": None}
    found, _ = read(tmp_path, [root])
    assert [one.name for one in found] == [None, "deepest"]


@pytest.mark.parametrize(
    "text",
    ["", "7", '{"type": "FeatureCollection", "features": [', "[" * 100_000, '[{"a":' * 50_000, "[1 2]",
     "[{}] x", '[{"a": ' + "9" * 5000 + "}]", "\0", "[{},]", '{"a" 1}', "no JSON", '{1: 2}'],
)  # fmt: skip
def test_damage_is_one_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"a\.geojson: expected a GeoJSON file, got"):
        read(tmp_path, text)


def test_objects_before_the_damage_are_given(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps([feature()] * 200)[:-30])
    found = read_geojson(path)
    assert sum(1 for _ in zip(range(128), found, strict=False)) == 128
    with pytest.raises(InputError, match="ends too early"):
        list(found)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 100])
def test_the_text_may_be_cut_anywhere(cut: int) -> None:
    content = {"n": 12345, "features": [{"a": 'x\\"é', "b": [1.5e10, -2, True, None]}, {}, 3, "s"], "z": -1}
    text = json.dumps(content, ensure_ascii=False)
    pieces = (text[i : i + cut] for i in range(0, len(text), cut))
    assert list(json_items(pieces, "features")) == content["features"]
    assert list(json_items(iter(["[12", "34, 5", "6]"]), "")) == [1234, 56]


def test_an_item_may_not_be_endless() -> None:
    endless = (text for text in ["[[", *["1, " * 1000] * 1000])
    with pytest.raises(UnusableError, match="more than 10,000 characters"):
        list(json_items(endless, "", largest=10_000))


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_packed_files_under_any_name(tmp_path: Path) -> None:
    content = json.dumps([feature()]).encode()
    packed = tmp_path / "a.geojson"
    packed.write_bytes(gzip.compress(content))
    assert len(list(read_geojson(packed))) == 1
    archive = zipped(
        tmp_path / "b", **{"../../x.geojson": content, "__MACOSX/._x.geojson": b"", "readme.txt": b""}
    )
    assert len(list(read_geojson(archive))) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.geojson", "b"}


def test_archives_are_checked(tmp_path: Path) -> None:
    for members in ({}, {"a.geojson": b"[]", "b.json": b"[]"}):
        with pytest.raises(InputError, match=f"got {len(members)}|directory|cannot be unpacked"):
            list(read_geojson(zipped(tmp_path / "a.zip", **members)))
    many = {f"{i:05}.geojson": b"[]" for i in range(2000)}
    with pytest.raises(InputError, match="directory"):
        list(read_geojson(zipped(tmp_path / "many.zip", **many)))
    good = zipped(tmp_path / "b.zip", **{"b.geojson": json.dumps([feature()] * 500).encode()}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(good[:-40])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(json.dumps([feature()] * 500).encode())[:-60])
    damaged = bytearray(good)
    damaged[60] ^= 255
    (tmp_path / "damaged.zip").write_bytes(damaged)
    for name in ("cut.zip", "cut.gz", "damaged.zip"):
        with pytest.raises(InputError, match=name):
            list(read_geojson(tmp_path / name))


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as stream:
        stream.write(b"[" + b" " * 5_000_000)
    path = tmp_path / "bomb.gz"
    path.write_bytes(buffer.getvalue())
    assert path.stat().st_size < 10_000
    with pytest.raises(InputError, match="of at most 2,000,000 bytes"):
        list(packed_text(path, "a text", endings=(".json",), largest=2_000_000))


@pytest.mark.parametrize("content", ["[1]".encode("utf-16"), b"[\xff]"])
def test_other_encodings_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    with pytest.raises(InputError, match="UTF-8"):
        list(read_geojson(path))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        list(read_geojson(tmp_path / "a.geojson"))
