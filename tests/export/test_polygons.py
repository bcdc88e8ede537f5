"""A mask comes back from its polygons without a lost pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_construct.classes import ClassTable
from napari_construct.data.geojson import read_geojson
from napari_construct.data.polygons import draw_polygons
from napari_construct.exceptions import InputError
from napari_construct.export.geojson import write_geojson
from napari_construct.export.polygons import cell_features, class_features, mask_polygons

TABLE = ClassTable.from_names(("a", "b", "c"))
VALUES = {"a": 1, "b": 2, "c": 3}


def through_a_file(features, folder: Path) -> list:
    path = folder / "a.geojson.gz"
    written = write_geojson(path, features, origin=(7, 11), overwrite=True)
    assert written.left_out == 0
    found = read_geojson(path, origin=(7, 11))
    features = list(found)
    assert found.notices == ()
    assert len(features) == written.features
    return features


@pytest.mark.parametrize("merge", [False, True])
def test_noise_comes_back_through_a_file(tmp_path: Path, merge: bool) -> None:
    """Holes, diagonal neighbours, single pixels."""
    labels = np.random.default_rng(0).integers(0, 4, (97, 131)).astype(np.uint8)
    features = through_a_file(class_features(labels, TABLE, merge=merge), tmp_path)
    assert all(shapely.is_valid(feature.geometry) for feature in features)
    assert (draw_polygons(features, labels.shape, values=VALUES) == labels).all()
    assert {(f.class_name, f.colour) for f in features} == {(c.name, c.colour) for c in TABLE}
    assert sum(f.geometry.area for f in features) == np.count_nonzero(labels)


@settings(deadline=None, max_examples=60)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)),
    st.integers(1, 40),
)
def test_any_mask_comes_back_whatever_the_strips(labels: np.ndarray, strip: int) -> None:
    whole = sorted((v, shapely.to_wkt(p.normalize())) for v, p in mask_polygons(labels))
    parts = [(v, p) for v, p in mask_polygons(labels, strip=strip)]
    assert sorted((v, shapely.to_wkt(p.normalize())) for v, p in parts) == whole
    assert all(shapely.is_valid(polygon) for _, polygon in parts)
    drawn = np.zeros_like(labels)
    for value, polygon in parts:
        from napari_construct.data.polygons import region_mask

        drawn[region_mask(polygon, labels.shape)] = value
    assert (drawn == labels).all()


def test_labels_up_to_255_and_large_numbers() -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert sorted(value for value, _ in mask_polygons(labels)) == list(range(1, 256))
    for dtype in (np.uint16, np.int32, np.int64, np.uint32):
        high = min(np.iinfo(dtype).max, 2**31 - 1)
        numbers = np.array([[0, 1, high], [high, 300, 300]], dtype)
        assert sorted(value for value, _ in mask_polygons(numbers)) == [1, 300, high, high]


def test_cells_come_back_with_their_numbers(tmp_path: Path) -> None:
    numbers = np.zeros((60, 80), np.int32)
    numbers[5:20, 5:30], numbers[20:30, 30:40], numbers[8:12, 10:15] = 70_000, 70_001, 0
    numbers[40, 40] = numbers[41, 41] = 9  # two parts that touch at a corner
    features = through_a_file(
        cell_features(numbers, class_name="cell", measurements={9: {"area_px": 2.0}}), tmp_path
    )
    assert [feature.name for feature in features] == ["9", "70000", "70001"]
    assert {feature.object_type for feature in features} == {"detection"}
    assert features[0].measurements == {"area_px": 2.0}
    assert features[0].geometry.geom_type == "MultiPolygon"
    drawn = draw_polygons(features, numbers.shape)
    assert (np.array([0, 9, 70_000, 70_001])[drawn] == numbers).all()


def test_a_mask_of_another_resolution_lies_at_its_place() -> None:
    labels = np.random.default_rng(1).integers(0, 4, (20, 30)).astype(np.uint8)
    features = list(class_features(labels, TABLE, downsample=4.0016, offset=(1000, 2000)))
    left, top, *_ = shapely.total_bounds([feature.geometry for feature in features])
    assert top >= 1000
    assert left >= 2000
    drawn = draw_polygons(features, labels.shape, values=VALUES, downsample=4.0016, offset=(1000, 2000))
    assert (drawn == labels).all()


def test_smoothed_borders_stay_shared() -> None:
    y, x = np.mgrid[:200, :200]
    labels = np.where((y - 100) ** 2 + (x - 90) ** 2 < 3600, 1, 2).astype(np.uint8)
    exact = [polygon for _, polygon in mask_polygons(labels)]
    smooth = [polygon for _, polygon in mask_polygons(labels, simplify=3.0)]
    assert sum(map(shapely.get_num_coordinates, smooth)) < sum(map(shapely.get_num_coordinates, exact)) / 3
    assert shapely.union_all(smooth).area == pytest.approx(sum(polygon.area for polygon in smooth))
    assert shapely.union_all(smooth).area == pytest.approx(200 * 200)


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (np.zeros((2, 3, 4), np.uint8), "two axes"),
        (np.zeros((3, 4)), "whole numbers"),
        (np.array([[-1, 0]]), "-1"),
        (np.array([[2**31]]), "2147483648"),
    ],
)
def test_other_masks_are_refused(labels: np.ndarray, word: str) -> None:
    with pytest.raises(InputError, match=word):
        list(mask_polygons(labels))


def test_a_class_without_value_is_named() -> None:
    features = class_features(np.ones((2, 2), np.uint8), TABLE)
    with pytest.raises(InputError, match="of a"):
        draw_polygons(features, (2, 2), values={"b": 2})


def test_the_released_masks_of_a_nest_come_back(shared: Path) -> None:
    folder = shared / "data" / "polygons"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/polygons")
    with np.load(folder / "hgsc_nest_inst_mask.npz") as stored:
        numbers = np.asarray(next(iter(stored.values()))).squeeze().astype(np.int32)
    features = list(cell_features(numbers))
    drawn = draw_polygons(features, numbers.shape)
    assert (np.array([0, *(int(feature.name) for feature in features)])[drawn] == numbers).all()
