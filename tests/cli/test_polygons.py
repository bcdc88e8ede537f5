"""``napari-construct polygons``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import shape

from napari_construct.classes import ClassTable
from napari_construct.data.geojson import read_geojson
from napari_construct.data.polygons import draw_polygons
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.tiff import write_mask

TABLE = ClassTable.from_names(("tumour", "stroma"))


@pytest.fixture
def mask(tmp_path: Path) -> tuple[Path, np.ndarray]:
    labels = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(np.uint8)
    write_mask(tmp_path / "a_mask.tif", labels, TABLE, 0.5)
    return tmp_path / "a_mask.tif", labels


def test_a_mask_becomes_geojson_and_a_table(
    call: Callable[..., Any], mask: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, labels = mask
    ring = [[5, 5], [25, 5], [25, 25], [5, 25], [5, 5]]
    region = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": {}}
    regions = tmp_path / "regions.geojson"
    regions.write_text(json.dumps([region, point]))
    ran = call("polygons", path, "--table", tmp_path / "areas.csv", "--regions", regions, "--origin", "2,3")
    assert ran.exit_code == 0, ran.output
    assert "1 x Point" in ran.output
    target = tmp_path / "a.geojson"
    features = list(read_geojson(target, origin=(2, 3)))
    assert (draw_polygons(features, labels.shape, values={"tumour": 1, "stroma": 2}) == labels).all()
    with (tmp_path / "areas.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["region"] for row in rows] == ["all", "all", "region 1", "region 1"]
    part = labels[7:27, 8:28]
    assert [int(row["pixels"]) for row in rows[2:]] == [(part == 1).sum(), (part == 2).sum()]
    assert float(rows[0]["mm2"]) == pytest.approx((labels == 1).sum() * 0.25e-6, rel=1e-5)
    again = call("polygons", path, "-o", tmp_path / "b.zip", "--merge", "--simplify", "1")
    assert again.exit_code == 0, again.output
    assert len(list(read_geojson(tmp_path / "b.zip"))) == 2


def test_a_file_of_others_stays_and_regions_need_a_table(
    call: Callable[..., Any], mask: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    other = tmp_path / "a.geojson"
    other.write_text("[]")
    for options in ((), ("--regions", other), ("--origin", "x"), ("-o", tmp_path / "a.txt")):
        ran = call("polygons", mask[0], *options)
        assert ran.exit_code == 2, ran.output
    assert other.read_text() == "[]"


def test_labels_of_a_slide_are_in_pixels_of_the_slide(call: Callable[..., Any], tmp_path: Path) -> None:
    classes = ClassTable.from_names(("tumour", "lymphoid"))
    labels = np.zeros((60, 80), np.uint8)
    labels[10:20, 30:50] = 2
    path = tmp_path / "slide_mask.ome.zarr"
    pyramid = LabelPyramid.create(path, labels.shape, classes, mpp=0.25, downsample=2.0)
    pyramid.write(0, 0, labels)
    pyramid.finish()
    assert call("polygons", path, "--table", tmp_path / "areas.csv").exit_code == 0
    (feature,) = json.loads((tmp_path / "slide.geojson").read_text(encoding="utf-8"))["features"]
    assert feature["properties"]["classification"]["name"] == "lymphoid"
    assert shape(feature["geometry"]).bounds == (60, 20, 100, 40)
    rows = (tmp_path / "areas.csv").read_text(encoding="utf-8").splitlines()
    assert rows[2].startswith("all,lymphoid,200,5e-05,")
