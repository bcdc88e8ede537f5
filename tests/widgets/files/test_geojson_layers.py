"""GeoJSON in the window: opened over its image, and saved as QuPath reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from npe2 import PluginManager, PluginManifest
from scipy.ndimage import gaussian_filter

from napari_construct.classes import ClassTable
from napari_construct.data.geojson import read_geojson
from napari_construct.exceptions import InputError
from napari_construct.export.geojson import write_geojson
from napari_construct.export.polygons import class_features
from napari_construct.widgets.files import geojson_reader, geojson_writer
from napari_construct.widgets.files.save_mask import ANNOTATIONS, save_mask
from napari_construct.widgets.layers import METADATA_KEY, labels_layer

pytestmark = pytest.mark.gui
TABLE = ClassTable.from_names(("Tumor", "Stroma"))


@pytest.fixture(autouse=True)
def plugin(root: Path) -> None:
    manager = PluginManager.instance()
    if "napari-construct" not in manager:
        manager.register(PluginManifest.from_file(root / "src" / "napari_construct" / "napari.yaml"))


def blobs(shape: tuple[int, int] = (256, 256)) -> np.ndarray:
    rng = np.random.default_rng(3)
    maps = [gaussian_filter(rng.standard_normal(shape), 4) for _ in range(3)]
    return np.argmax(maps, axis=0).astype(np.uint8)


def a_feature(geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def ring(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def test_a_round_trip_changes_no_pixel(viewer: Any, tissue: np.ndarray, tmp_path: Path) -> None:
    viewer.add_image(tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"), rotate=30)
    labels = blobs()
    write_geojson(tmp_path / "slide.geojson", class_features(labels, TABLE))
    (layer,) = viewer.open(str(tmp_path / "slide.geojson"), plugin=None)
    assert isinstance(layer, Labels)
    assert layer.name == "slide annotations"
    names = layer.metadata[METADATA_KEY]["classes"]  # in the order of the file
    assert set(names) == {"Tumor", "Stroma"}
    labels = np.array([0, *(1 + names.index(name) for name in TABLE.names)], np.uint8)[labels]
    assert (layer.data == labels).all()
    np.testing.assert_allclose(layer.affine.affine_matrix, viewer.layers[0].affine.affine_matrix)
    assert layer.features["pixels"].tolist() == [(labels == 1).sum(), (labels == 2).sum()]
    saved = viewer.layers.save(str(tmp_path / "again.geojson"), selected=True, plugin="napari-construct")
    assert saved
    (again,), notices = geojson_reader.layers_of_geojson(tmp_path / "again.geojson", viewer)
    assert (again.data != labels).mean() <= 0.001
    assert (again.data == labels).all()
    assert notices == ()
    assert [tuple(again.get_color(i)) for i in (1, 2)] == [tuple(layer.get_color(i)) for i in (1, 2)]


def test_files_as_qupath_writes_them(viewer: Any, tissue: np.ndarray, tmp_path: Path) -> None:
    viewer.add_image(tissue, name="a", rgb=True)
    viewer.add_image(tissue, name="b", rgb=True)
    hole = {"type": "Polygon", "coordinates": [ring(0, 0, 40, 40), ring(10, 10, 20, 20)]}
    parts = {"type": "MultiPolygon", "coordinates": [[ring(50, 0, 60, 10)], [ring(50, 20, 60, 30)]]}
    round_one = {"type": "Polygon", "coordinates": [ring(100, 100, 140, 120)], "isEllipse": True}
    small = {"type": "Polygon", "coordinates": [ring(22, 22, 30, 30)]}
    cell = {"type": "Polygon", "coordinates": [ring(200, 200, 206, 206)]}
    positive = {"names": ["Tumor", "Positive"], "color": [1, 2, 3]}
    tumour = {"name": "Tumor", "colorRGB": -3670016}
    ignored = {"name": "Ignore*", "color": [180, 180, 180]}
    listed = [{"name": "x", "value": 1}]
    objects = [
        a_feature(small, objectType="annotation", classification=positive),
        a_feature(hole, objectType="annotation", isLocked=True, classification=tumour),
        a_feature(parts, objectType="annotation", measurements={"Area": 3.5}, metadata={"k": "1"}),
        a_feature(round_one, object_type="annotation", classification=ignored),
        a_feature(cell, objectType="detection", classification={"name": "tumor"}, measurements=listed),
    ]
    text = json.dumps({"type": "FeatureCollection", "features": objects})
    text = text.replace('"metadata": {"k": "1"}', '"metadata": {"k": "1"}, "metadata": {"k": "1"}')
    (tmp_path / "b.tif.geojson").write_text(text, encoding="utf-8")
    layers = viewer.open(str(tmp_path / "b.tif.geojson"), plugin=None)
    assert [layer.name for layer in layers] == ["b annotations", "b detections"]
    drawn, cells = (layer.data for layer in layers)
    assert layers[0].metadata[METADATA_KEY]["classes"] == (
        "Tumor: Positive",
        "Tumor",
        "(no class)",
        "Ignore*",
    )
    assert (drawn[22:30, 22:30] == 1).all()
    assert (drawn == 2).sum() == 40 * 40 - 100 - 64
    assert (drawn[10:20, 10:20] == 0).all()
    assert (drawn == 3).sum() == 200
    assert (drawn == 4).sum() == pytest.approx(np.pi * 20 * 10, rel=0.02)
    assert drawn[100, 100] == 0
    assert (cells == 2).sum() == 36
    np.testing.assert_allclose(layers[0].get_color(2)[:3], np.array([200, 0, 0]) / 255, atol=1e-6)


def test_classes_of_the_mask_of_the_image_are_taken(viewer: Any, tissue: np.ndarray, tmp_path: Path) -> None:
    viewer.add_image(tissue, name="slide", rgb=True)
    table = ClassTable.from_names(("stroma", "tumor"), palette=("#123456", "#654321"))
    mask = labels_layer(
        np.zeros((256, 256), np.uint8),
        table,
        "slide",
        features={"index": [1, 2], "class": ["stroma", "tumor"]},
        record={"input": {"name": "slide"}},
    )
    viewer.add_layer(mask)
    write_geojson(tmp_path / "x.geojson.gz", class_features(blobs(), ClassTable.from_names(("TUMOR", "fat"))))
    (layer,), notices = geojson_reader.layers_of_geojson(tmp_path / "x.geojson.gz", viewer)
    assert layer.metadata[METADATA_KEY]["classes"] == ("stroma", "tumor", "fat")
    assert (layer.data == 2).sum() == (blobs() == 1).sum()
    np.testing.assert_allclose(layer.get_color(2)[:3], np.array([0x65, 0x43, 0x21]) / 255, atol=1e-6)
    assert "fat" in " ".join(notices)


def test_a_mask_of_a_part_is_saved_in_pixels_of_the_image(
    viewer: Any, tissue: np.ndarray, tmp_path: Path
) -> None:
    viewer.add_image([tissue, tissue[::2, ::2]], name="slide", rgb=True, multiscale=True, scale=(0.5, 0.5))
    coarse = np.zeros((20, 30), np.uint8)
    coarse[5:10, 5:15] = 1
    # pixels of 4 x 4 of the image's, from its row 40 and column 80 on
    layer = viewer.add_labels(
        coarse, name="part", scale=(2, 2), translate=((40 + 1.5) * 0.5, (80 + 1.5) * 0.5)
    )
    data, attributes, _ = layer.as_layer_data_tuple()
    (path,) = geojson_writer.write_labels(str(tmp_path / "part"), data, attributes)
    assert path.endswith("part.geojson")
    (feature,) = read_geojson(path)
    assert feature.geometry.bounds == (80 + 5 * 4, 40 + 5 * 4, 80 + 15 * 4, 40 + 10 * 4)


def test_shapes_are_saved_and_lines_left_out(viewer: Any, tissue: np.ndarray, tmp_path: Path) -> None:
    viewer.add_image(tissue, name="slide", rgb=True)
    box = np.array([[10, 10], [10, 30], [20, 30], [20, 10]]) - 0.5
    shapes = viewer.add_shapes(
        [box, box + 50, [[0, 0], [10, 10]]],
        shape_type=["rectangle", "ellipse", "line"],
        features={"class": ["Tumor", "Stroma", "x"]},
        edge_color=["#C80000", "#00C800", "#000000"],
    )
    data, attributes, _ = shapes.as_layer_data_tuple()
    (path,) = geojson_writer.write_shapes(str(tmp_path / "s.geojson"), data, attributes)
    found = list(read_geojson(path))
    assert [(one.class_name, one.colour) for one in found] == [("Tumor", "#C80000"), ("Stroma", "#00C800")]
    assert found[0].geometry.bounds == (10, 10, 30, 20)
    assert found[1].geometry.area == pytest.approx(np.pi * 10 * 5, rel=0.01)
    viewer.layers.selection.active = shapes
    assert viewer.layers.save(str(tmp_path / "t.geojson"), selected=True, plugin="napari-construct")
    data, attributes, _ = viewer.add_shapes([[[0, 0], [5, 5]]], shape_type="line").as_layer_data_tuple()
    with pytest.raises(InputError, match="with an area"):
        geojson_writer.write_shapes(str(tmp_path / "u.geojson"), data, attributes)


def test_a_slide_that_is_too_large_for_a_layer_is_drawn_coarser(
    viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geojson_reader, "LARGEST", 100 * 100)
    image = viewer.add_image(np.zeros((256, 256, 3), np.uint8), name="big", rgb=True, scale=(0.5, 0.5))
    labels = np.zeros((256, 256), np.uint8)
    labels[64:128, 32:64] = 1
    write_geojson(tmp_path / "big.geojson", class_features(labels, TABLE))
    (layer,), notices = geojson_reader.layers_of_geojson(tmp_path / "big.geojson", viewer)
    assert layer.data.shape == (64, 64)
    assert (layer.data == 1).sum() == 16 * 8
    assert "4 x 4" in " ".join(notices)
    viewer.add_layer(layer)
    for corner, coarse in (((-0.5, -0.5), (-0.5, -0.5)), ((255.5, 255.5), (63.5, 63.5))):
        np.testing.assert_allclose(layer.data_to_world(coarse), image.data_to_world(corner))


def test_without_an_image_and_with_damage(viewer: Any, tmp_path: Path) -> None:
    write_geojson(tmp_path / "a.zip", class_features(blobs((30, 40)), TABLE))
    assert geojson_reader.get_reader(str(tmp_path / "a.zip")) is not None
    (layer,), notices = geojson_reader.layers_of_geojson(tmp_path / "a.zip", viewer)
    assert layer.data.shape == (30, 40)
    assert "no image is open" in " ".join(notices)
    (tmp_path / "b.zip").write_bytes(b"PK nothing")
    assert geojson_reader.get_reader(str(tmp_path / "b.zip")) is None
    (tmp_path / "c.geojson").write_text("[]")
    with pytest.raises(InputError, match="the file is empty"):
        geojson_reader.read(str(tmp_path / "c.geojson"))


def test_the_dialog_of_save_offers_annotations(
    viewer: Any, tissue: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = viewer.add_image(tissue, name="slide", rgb=True)
    mask = viewer.add_labels(blobs(), name="slide mask")
    monkeypatch.setattr(
        "napari_construct.widgets.files.save_mask.QFileDialog.getSaveFileName",
        lambda *_: (str(tmp_path / "slide mask.tif"), ANNOTATIONS),
    )
    path = save_mask(mask, image)
    assert path == tmp_path / "slide mask.geojson"
    assert {one.class_name for one in read_geojson(path)} == {"label 1", "label 2"}
