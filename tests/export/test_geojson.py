"""GeoJSON as QuPath reads it."""

from __future__ import annotations

import gzip
import json
import math
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from shapely import LineString, MultiPolygon, Polygon, box

from napari_construct.annotations import Feature
from napari_construct.exceptions import ConfigurationError, ConstructError, InputError
from napari_construct.export.geojson import on_grid, write_geojson
from napari_construct.export.own_files import is_own

SQUARE = box(10, 20, 30, 40)


def written(path: Path, *features: Feature, **options: Any) -> list[dict[str, Any]]:
    write_geojson(path, features, **options)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["type"] == "FeatureCollection"
    return content["features"]


def test_the_words_of_qupath(tmp_path: Path) -> None:
    (found,) = written(
        tmp_path / "a.geojson",
        Feature(
            geometry=SQUARE,
            object_type="detection",
            class_name="tumour",
            colour="#0A141E",
            name="first",
            locked=True,
            measurements={"area": 400.0, "none": math.nan, "much": math.inf, "little": -math.inf},
        ),
    )
    assert uuid.UUID(found["id"])
    assert found["type"] == "Feature"
    assert found["geometry"]["type"] == "Polygon"
    assert found["properties"] == {
        "objectType": "detection",
        "name": "first",
        "classification": {"name": "tumour", "color": [10, 20, 30]},
        "isLocked": True,
        "measurements": {"area": 400.0, "none": "NaN", "much": "Infinity", "little": "-Infinity"},
    }


def test_what_is_not_there_is_not_written_and_a_class_always_has_a_colour(tmp_path: Path) -> None:
    plain, named = written(
        tmp_path / "a.geojson", Feature(geometry=SQUARE), Feature(geometry=SQUARE, class_name="\ud800 ä")
    )
    assert plain["properties"] == {"objectType": "annotation"}
    assert len(named["properties"]["classification"]["color"]) == 3


def test_ids_are_uuids_the_same_in_every_run_and_different_in_one_file(tmp_path: Path) -> None:
    known = "7b1a6e62-9a0c-4d0e-8a3e-0e3f4f5a6b7c"
    features = [Feature(geometry=SQUARE, id=one) for one in (known, None, None, "PathAnnotationObject", "7")]
    ids = [found["id"] for found in written(tmp_path / "a.geojson", *features)]
    assert ids[0] == known
    assert len({str(uuid.UUID(one)) for one in ids}) == 5
    write_geojson(tmp_path / "b.geojson", features)
    assert (tmp_path / "a.geojson").read_bytes() == (tmp_path / "b.geojson").read_bytes()


def test_coordinates_start_where_qupath_starts(tmp_path: Path) -> None:
    (found,) = written(tmp_path / "a.geojson", Feature(geometry=SQUARE), origin=(5, 100))
    assert shapely.from_geojson(json.dumps(found["geometry"])).bounds == (-90, 15, -70, 35)


@pytest.mark.parametrize("suffix", [".geojson.gz", ".zip", ".GeoJSON.GZ"])
def test_packed_files_hold_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    features = [Feature(geometry=box(i, 0, i + 0.5, 1), class_name="a") for i in range(2000)]
    plain, packed = tmp_path / "a.geojson", tmp_path / f"a{suffix}"
    write_geojson(plain, features)
    write_geojson(packed, features)
    if suffix == ".zip":
        with zipfile.ZipFile(packed) as archive:
            assert archive.namelist() == ["a.geojson"]
            content = archive.read("a.geojson")
    else:
        content = gzip.decompress(packed.read_bytes())
    assert content == plain.read_bytes()
    first = packed.read_bytes()
    assert is_own(packed)
    write_geojson(packed, features)  # its own file is replaced
    assert packed.read_bytes() == first


def test_a_file_of_others_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "qupath.geojson"
    path.write_text('{"type":"FeatureCollection","features":[]}')
    assert not is_own(path)
    with pytest.raises(ConfigurationError, match="did not make"):
        write_geojson(path, [Feature(geometry=SQUARE)])
    assert len(written(path, Feature(geometry=SQUARE), overwrite=True)) == 1


def test_a_failure_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    written(path, Feature(geometry=SQUARE))
    before = path.read_bytes()
    bad = [Feature(geometry=box(i, 0, i + 1, 1)) for i in range(1000)]
    with pytest.raises(InputError, match="finite"):
        write_geojson(path, [*bad, Feature(geometry=box(0, 0, math.inf, 1))])
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.geojson"]


@pytest.mark.parametrize(
    "geometry", [LineString([(0, 0), (1, 1)]), None, shapely.GeometryCollection([SQUARE])]
)
def test_only_polygons_are_written(tmp_path: Path, geometry: Any) -> None:
    feature = Feature(geometry=SQUARE)
    object.__setattr__(feature, "geometry", geometry)
    with pytest.raises(InputError, match="expected polygons"):
        write_geojson(tmp_path / "a.geojson", [feature])


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConstructError, match="ends in"):
        write_geojson(tmp_path / "a.json", [])


def test_no_objects_make_an_empty_collection(tmp_path: Path) -> None:
    assert written(tmp_path / "a.geojson") == []


def test_on_the_grid_every_polygon_is_valid() -> None:
    """Shapes that rounding alone makes touch, cross or vanish."""
    pinched = Polygon([(0, 0), (1, 0), (1, 1), (0.501, 0.004), (0, 1)])  # its notch falls onto the other side
    needle = Polygon([(0, 0), (10, 0.004), (10, 0.0045)])
    bow = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    hole = Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 0.003), (2, 0.003), (2, 5), (1, 5)]])
    given = np.array(
        [pinched, needle, bow, hole, SQUARE, MultiPolygon([pinched, box(5, 5, 6, 6)])], dtype=object
    )
    plain = shapely.transform(given, lambda points: np.round(points, 2))
    assert shapely.is_valid(plain).tolist() == [False, False, False, False, True, False]
    found = on_grid(given)
    assert found[1] is None
    kept = found[[0, 2, 3, 4, 5]]
    assert shapely.is_valid(kept).all()
    assert set(shapely.get_type_id(kept)) <= {3, 6}
    assert np.allclose(
        shapely.area(kept), shapely.area(shapely.make_valid(given[[0, 2, 3, 4, 5]])), atol=0.05
    )
    points = shapely.get_coordinates(kept)
    assert (points == np.round(points, 2)).all()


def test_small_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    found = write_geojson(
        tmp_path / "a.geojson", [Feature(geometry=box(0, 0, 0.003, 0.003)), Feature(geometry=SQUARE)]
    )
    assert found == (1, 1)
    assert len(json.loads((tmp_path / "a.geojson").read_text())["features"]) == 1
