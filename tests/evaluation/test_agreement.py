"""Agreement of two annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_construct.annotations import Feature
from napari_construct.classes import ClassTable
from napari_construct.evaluation.agreement.agreement import agreement
from napari_construct.evaluation.agreement.matching import match_classes
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.geojson import write_geojson
from napari_construct.export.polygons import class_features
from napari_construct.export.tiff import write_mask
from napari_construct.metrics.agreement import Margins, agreement_scores

TABLE = ClassTable.from_names(("Tumor", "Stroma"))
OTHER = ClassTable.from_names(("stroma", "tumor", "necrosis"))


def collection(path: Path, *objects: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(objects)}), encoding="utf-8")
    return path


def box(
    left: int, top: int, right: int, bottom: int, class_name: str | None = None, **more: Any
) -> dict[str, Any]:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    properties: dict[str, Any] = {"objectType": "annotation", **more}
    if class_name:
        properties["classification"] = {"name": class_name, "color": [200, 0, 0]}
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
    }


def test_kappa_is_that_of_the_textbook() -> None:
    # Cohen's example as Wikipedia has it: 20, 5, 10, 15 of 50 grants
    scores = agreement_scores(Margins.of(np.array([[20, 5], [10, 15]])))
    assert float(scores.kappa) == pytest.approx(0.4)
    assert float(scores.accuracy) == pytest.approx(0.7)
    assert scores.class_kappa.tolist() == pytest.approx([0.4, 0.4])
    assert scores.dice.tolist() == pytest.approx([40 / 55, 30 / 45])
    same = agreement_scores(Margins.of(np.array([[9, 0], [0, 0]])))
    assert np.isnan(same.kappa)
    assert float(same.accuracy) == 1


def test_classes_match_by_name_in_any_case_or_as_stated() -> None:
    found = match_classes(("Tumor", "Stroma ", "Ignore*", "fat"), ("stroma", "tumour", "Immune"))
    assert found.names == ("Stroma ", "Tumor", "fat", "tumour", "Immune")
    assert found.both == 1
    assert found.only_first == ("Tumor", "fat")
    assert found.only_second == ("tumour", "Immune")
    assert found.first.tolist() == [1, 0, -1, 2]
    stated = match_classes(("Tumor", "DCIS", "x"), ("tumour", "X"), [("tumor", "tumour"), ("DCIS", "tumour")])
    assert stated.names == ("Tumor", "x")
    assert stated.both == 2
    assert stated.first.tolist() == [0, 0, 1]
    assert stated.second.tolist() == [0, 1]
    with pytest.raises(ConfigurationError, match="one of Tumor"):
        match_classes(("Tumor",), ("a",), [("Tumr", "a")])


def test_masks_with_other_orders_of_classes_are_compared_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (60, 70)).astype(np.uint8)
    swapped = np.array([0, 2, 1], np.uint8)[labels]
    swapped[:10, :10] = 3
    write_mask(tmp_path / "a_mask.tif", labels, TABLE, None)
    found = agreement(tmp_path / "a_mask.tif", (swapped, OTHER), tile=64)
    assert [one.name for one in found.classes] == ["Tumor", "Stroma"]
    assert found.only_second == ("necrosis",)
    assert found.only_first == ()
    assert found.labels == ("Tumor", "Stroma", "necrosis", "(none)")
    assert found.confusion.sum() == labels.size
    assert found.confusion[:, 2].sum() == 100
    outside = np.ones(labels.shape, bool)
    outside[:10, :10] = False
    both = int(((labels == 1) & outside).sum())
    assert found.classes[0].dice == pytest.approx(2 * both / (both + int((labels == 1).sum())))
    assert found.accuracy == pytest.approx(1 - 100 / labels.size)
    assert found.units == 1
    assert not found.intervals
    with pytest.raises(InputError, match="one size"):
        agreement(labels, labels[:50], classes=TABLE)


def test_objects_are_drawn_where_they_are_and_never_as_a_whole(tmp_path: Path) -> None:
    labels = np.zeros((300, 400), np.uint8)
    labels[20:250, 30:380] = 1
    labels[60:120, 50:200] = 2
    path = tmp_path / "a.geojson.gz"
    write_geojson(path, class_features(labels, TABLE))
    found = agreement(path, (labels, TABLE), tile=64)
    assert found.accuracy == 1
    assert found.kappa == pytest.approx(1)
    assert found.counted == labels.size
    again = agreement(path, path, image=(1000, 2000), tile=256)
    assert again.counted == 2_000_000
    assert again.kappa == pytest.approx(1)
    assert "the image's size is not known" in " ".join(agreement(path, path).notices)
    coarse = agreement(path, path, image=(300, 400), downsample=2)
    assert coarse.counted == 150 * 200


def test_locked_annotations_are_regions_and_ignored_ones_count_nowhere(tmp_path: Path) -> None:
    first = collection(
        tmp_path / "a.geojson",
        box(0, 0, 100, 50, "Tumor"),
        box(0, 0, 50, 100, isLocked=True, name="left"),
        box(0, 0, 10, 10, "Ignore*"),
        box(60, 60, 70, 70, name="what"),
    )
    second = collection(
        tmp_path / "b.geojson", box(0, 0, 100, 60, "tumor"), box(0, 0, 20, 20, "Ignore*: fold")
    )
    found = agreement(first, second, image=(100, 100))
    assert found.counted == 50 * 100 - 400
    assert found.classes[0].first == 50 * 50 - 400
    assert found.classes[0].second == 50 * 60 - 400
    text = " ".join(found.notices)
    assert "1 locked annotation(s) are regions" in text
    assert "without a class are left out: what" in text
    whole = agreement(first, second, image=(100, 100), locked="objects")
    assert whole.counted == 100 * 100 - 400
    labelled = agreement(first, second, image=(100, 100), locked="objects", unlabelled="left out")
    assert labelled.counted == 100 * 50 - 400
    assert np.isnan(labelled.kappa)


def test_where_everything_is_locked_nothing_is_a_region(tmp_path: Path) -> None:
    path = collection(tmp_path / "a.geojson", box(0, 0, 10, 10, "Tumor", isLocked=True))
    found = agreement(path, path, image=(20, 20))
    assert found.counted == 400
    assert "every annotation with a class is locked" in " ".join(found.notices)


def test_regions_give_an_interval(tmp_path: Path) -> None:
    regions = [box(20 * i, 0, 20 * i + 10, 10, isLocked=True) for i in range(8)]
    first = collection(tmp_path / "a.geojson", box(0, 0, 160, 5, "Tumor"), *regions)
    second = collection(
        tmp_path / "b.geojson", *(box(20 * i, 0, 20 * i + 10, 3 + i % 4, "Tumor") for i in range(8))
    )
    found = agreement(first, second, image=(20, 160), resamples=200)
    assert found.units == 8
    low, high = found.intervals["kappa"]
    assert low < found.kappa < high
    assert found.classes[0].dice_interval is not None


def test_nested_classes_and_smaller_objects_win(tmp_path: Path) -> None:
    path = collection(
        tmp_path / "a.geojson", box(10, 10, 20, 20, "Tumor: Positive"), box(0, 0, 40, 40, "Tumor")
    )
    labels = np.zeros((40, 40), np.uint8)
    labels[:] = 1
    labels[10:20, 10:20] = 2
    found = agreement(path, (labels, ClassTable.from_names(("tumor", "tumor: positive"))))
    assert found.accuracy == 1


def test_folders_are_paired_by_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir(), other.mkdir()
    rng = np.random.default_rng(1)
    for i in range(6):
        labels = rng.integers(0, 3, (40, 40)).astype(np.uint8)
        write_mask(one / f"s{i}_mask.tif", labels, TABLE, None)
        write_geojson(
            other / f"S{i}.geojson",
            class_features(np.where(rng.random((40, 40)) < 0.1, 0, labels).astype(np.uint8), TABLE),
        )
    (other / "t.geojson").write_text('{"type":"FeatureCollection","features":[]}')
    (other / "S0.geojson").write_text('{"type":"FeatureCollection","features":[')
    found = agreement(one, other, resamples=200)
    assert found.units == 5
    assert 0.8 < found.kappa < 0.95
    assert found.failures[0][0] == "s0"
    assert "t.geojson" in " ".join(found.notices)
    assert found.intervals["kappa"][0] < found.kappa < found.intervals["kappa"][1]
    html = found.to_html()
    assert "<title>Evaluation</title>" in html
    assert "Agreement</h1>" in html
    json.dumps(found.to_dict())


def test_plain_masks_take_the_classes_of_the_other_side(tmp_path: Path) -> None:
    labels = np.zeros((30, 30), np.uint8)
    labels[:10], labels[10:20] = 1, 2
    Image.fromarray(labels).save(tmp_path / "m.png")
    found = agreement(tmp_path / "m.png", (labels, TABLE), first_class=1)
    assert found.accuracy == 1
    assert found.labels[:2] == ("Tumor", "Stroma")
    alone = agreement(tmp_path / "m.png", tmp_path / "m.png")
    assert alone.labels == ("1", "2", "(none)")
    assert alone.accuracy == 1


def test_tables_of_image_level_labels(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "path,Tumor,fat\n" + "".join(f"x/{i}.png,{i % 2},{i // 5}\n" for i in range(10))
    )
    (tmp_path / "b.csv").write_text(
        "path,tumor,stroma\n" + "".join(f"C:\\d\\{i}.png,{int(i in (1, 3, 4))},0\n" for i in range(9))
    )
    found = agreement(tmp_path / "a.csv", tmp_path / "b.csv", resamples=200)
    assert found.kind == "images"
    assert found.counted == 9
    assert found.confusion.tolist() == [[[4, 1], [2, 2]]]
    scores = agreement_scores(Margins.of(np.array([[4, 1], [2, 2]])))
    assert found.kappa == pytest.approx(float(scores.kappa))
    assert found.classes[0].dice == pytest.approx(4 / 7)
    assert found.only_first == ("fat",)
    assert found.only_second == ("stroma",)
    assert "1 image(s) only there are left out: x/9.png" in " ".join(found.notices)
    with pytest.raises(ConfigurationError, match="two tables"):
        agreement(tmp_path / "a.csv", np.zeros((4, 4), np.uint8))


def test_no_class_in_common_is_said() -> None:
    labels = np.ones((9, 9), np.uint8)
    with pytest.raises(ConfigurationError, match="--match"):
        agreement((labels, ("a",)), (labels, ("b",)))
    found = agreement((labels, ("a",)), (labels, ("b",)), match=(("a", "b"),))
    assert found.accuracy == 1


def test_features_in_memory_and_a_class_that_counts_nowhere() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[:10], labels[10:15] = 1, 2
    features: list[Feature] = list(class_features(labels, TABLE))
    found = agreement(features, (labels, TABLE), leave_out=("stroma",))
    assert found.counted == 300
    assert [one.name for one in found.classes] == ["Tumor"]
