"""Annotations as regions: QuPath's file, overlaps, holes, and what is ignored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import MultiPolygon, Point, Polygon, box, union_all
from shapely.geometry import mapping

from napari_construct.annotations import Feature
from napari_construct.data.region_set import RegionSet, Window
from napari_construct.exceptions import InputError

HOLE = Polygon(box(10, 10, 50, 40).exterior, [box(20, 15, 30, 30).exterior])
TWO = MultiPolygon([box(0, 0, 8, 8), box(52, 2, 63, 30)])


def of_qupath(path: Path, *objects: tuple[Any, dict[str, Any]]) -> Path:
    """A file as QuPath 0.5 writes it."""
    features = [
        {
            "type": "Feature",
            "id": f"3f2b7a10-0000-4000-8000-{number:012d}",
            "geometry": mapping(geometry),
            "properties": {"objectType": "annotation", **properties},
        }
        for number, (geometry, properties) in enumerate(objects)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def centres(geometry: Any, shape: tuple[int, int]) -> np.ndarray:
    rows = [[Point(x + 0.5, y + 0.5) for x in range(shape[1])] for y in range(shape[0])]
    return np.array([[geometry.contains(point) for point in row] for row in rows])


def classed(name: str) -> dict[str, Any]:
    return {"classification": {"name": name, "color": [200, 0, 0]}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return of_qupath(
        tmp_path / "regions.geojson",
        (HOLE, {"name": "biopsy", **classed("Tumor")}),
        (TWO, classed("Region*")),
        (box(40, 20, 60, 35), {"name": "biopsy"}),
        (box(5, 5, 25, 14), classed("Ignore*")),
        (box(0, 0, 3, 3), {"objectType": "detection"}),
        (Point(4, 4), {}),
    )


def test_names_overlaps_holes_and_the_ignored(file: Path) -> None:
    regions, shape = RegionSet.of(file), (48, 64)
    assert regions.names == ("biopsy", "Region* 2", "biopsy (2)")
    assert any("1 object(s)" in text for text in regions.notices)
    assert any("1 x Point" in text for text in regions.notices)
    ignored = box(5, 5, 25, 14)
    expected = [centres(one.difference(ignored), shape) for one in (HOLE, TWO, box(40, 20, 60, 35))]
    whole = Window(0, 0, *shape)
    found = dict(regions.masks(whole))
    assert list(found) == [0, 1, 2]
    for number, mask in enumerate(expected):
        np.testing.assert_array_equal(found[number], mask)
    assert (expected[0] & expected[2]).any()
    np.testing.assert_array_equal(regions.mask(whole), np.any(expected, axis=0))
    part = Window(11, 17, 20, 40)
    np.testing.assert_array_equal(regions.mask(part), np.any(expected, axis=0)[11:31, 17:57])
    window = regions.window(1, shape)
    assert window == Window(0, 0, 30, 63)


def test_the_origin_and_the_grid(file: Path) -> None:
    plain = RegionSet.of(file).mask(Window(0, 0, 48, 64))
    moved = RegionSet.of(file, origin=(100, 300)).mask(Window(100, 300, 48, 64))
    np.testing.assert_array_equal(moved, plain)
    coarse = RegionSet.of(file, origin=(105, 300), step=(3.0, 5.0))
    geometry = union_all([HOLE, TWO, box(40, 20, 60, 35)]).difference(box(5, 5, 25, 14))
    expected = [[geometry.contains(Point(5 * x + 2.5, 3 * y + 1.5)) for x in range(13)] for y in range(16)]
    np.testing.assert_array_equal(coarse.mask(Window(35, 60, 16, 13)), expected)
    cells = RegionSet.of(file).cells((12, 16), 4)
    assert cells.shape == (12, 16)
    assert cells[5, 9] == geometry.contains(Point(38, 22))


def test_many_points_are_cut_to_the_window() -> None:
    star = Point(500, 500).buffer(400, quad_segs=2000).difference(Point(480, 520).buffer(150, quad_segs=500))
    regions = RegionSet.of([Feature(geometry=star)])
    whole = regions.drawn(0, Window(0, 0, 1000, 1000))
    for window in (Window(100, 60, 77, 130), Window(450, 450, 64, 64), Window(0, 0, 50, 50)):
        part = whole[window.top : window.top + window.height, window.left : window.left + window.width]
        np.testing.assert_array_equal(regions.drawn(0, window), part)
    assert whole.sum() == pytest.approx(star.area, rel=1e-3)


def test_only_ignored_areas_leave_the_rest(tmp_path: Path) -> None:
    path = of_qupath(tmp_path / "a.geojson", (box(0, 0, 5, 5), classed("Ignore*: pen")))
    regions = RegionSet.of(path)
    regions.check((10, 10), "slide")
    assert len(regions) == 0
    mask = regions.mask(Window(0, 0, 10, 10))
    assert not mask[:5, :5].any()
    assert mask.sum() == 75


def test_a_region_that_is_ignored_as_a_whole_has_no_pixel() -> None:
    inside = Feature(geometry=box(2, 2, 4, 4), name="gone")
    regions = RegionSet.of([inside, Feature(geometry=box(0, 0, 9, 9), class_name="Ignore*")])
    assert regions.names == ("gone",)
    assert not regions.mask(Window(0, 0, 9, 9)).any()
    assert regions.window(0, (9, 9)) == Window(0, 0, 0, 0)


def test_regions_of_another_image_are_refused(tmp_path: Path) -> None:
    far = RegionSet.of([Feature(geometry=box(100, 100, 200, 200))])
    with pytest.raises(InputError, match="expected regions on the image"):
        far.check((50, 50), "slide.svs")
    with pytest.raises(InputError, match="expected annotations as regions, got none"):
        RegionSet.of(of_qupath(tmp_path / "a.geojson", (Point(1, 1), {}))).check((50, 50), "slide.svs")


def test_a_digest_changes_with_names_and_outlines() -> None:
    one = RegionSet.of([Feature(geometry=box(0, 0, 4, 4), name="a")])
    assert one.digest() == RegionSet.of([Feature(geometry=box(0, 0, 4, 4), name="a")]).digest()
    assert one.digest() != RegionSet.of([Feature(geometry=box(0, 0, 4, 5), name="a")]).digest()
    assert one.digest() != RegionSet.of([Feature(geometry=box(0, 0, 4, 4), name="b")]).digest()
