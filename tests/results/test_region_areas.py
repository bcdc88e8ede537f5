"""Areas over all and within regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapely import Polygon, box

from napari_construct.annotations import Feature
from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import is_own
from napari_construct.export.tables import write_table
from napari_construct.results.region_areas import region_table

TABLE = ClassTable.from_names(("a", "b"))


@pytest.fixture
def labels() -> np.ndarray:
    """10 x 10 px of class a in two parts, 20 x 10 of b."""
    made = np.zeros((40, 60), np.uint8)
    made[0:10, 0:5] = made[0:10, 10:15] = 1
    made[20:40, 30:40] = 2
    return made


def test_all_and_regions(labels: np.ndarray, tmp_path: Path) -> None:
    tissue = np.ones(labels.shape, bool)
    tissue[:, 50:] = False
    confidence = np.where(labels == 1, 0.75, 0.5).astype(np.float32)
    regions = [
        Feature(geometry=box(0, 0, 8, 8), name="corner"),
        Feature(geometry=box(25, 15, 200, 200), class_name="ROI"),
        Feature(geometry=box(-50, -50, -10, -10)),
        Feature(geometry=Polygon(box(0, 0, 60, 40).exterior, [box(0, 0, 12, 12).exterior])),
    ]
    found = region_table(labels, TABLE, regions, mpp=(0.5, 2.0), tissue=tissue, confidence=confidence)
    rows = list(zip(*(found[key].tolist() for key in found), strict=True))
    assert list(found) == [
        "region", "class", "pixels", "mm2", "percent_of_tissue", "components", "mean_confidence",
    ]  # fmt: skip
    assert rows[0] == ("all", "a", 100, pytest.approx(1e-4), pytest.approx(5.0), 2, 0.75)
    assert rows[1] == ("all", "b", 200, pytest.approx(2e-4), pytest.approx(10.0), 1, 0.5)
    assert rows[2] == ("corner", "a", 40, pytest.approx(4e-5), pytest.approx(100 * 40 / 64), 1, 0.75)
    assert rows[3][:3] == ("corner", "b", 0)
    assert np.isnan(rows[3][-1])
    assert rows[5] == ("ROI 2", "b", 200, pytest.approx(2e-4), pytest.approx(100 * 200 / 625), 1, 0.5)
    assert [row[2] for row in rows[6:8]] == [0, 0]
    assert [row[2] for row in rows[8:]] == [30, 200]
    write_table(tmp_path / "areas.csv", found)
    assert (tmp_path / "areas.csv").read_text().startswith("region,class,pixels,mm2,percent_of_tissue")
    assert is_own(tmp_path / "areas.csv")


def test_without_mpp_tissue_and_confidence(labels: np.ndarray) -> None:
    found = region_table(labels, TABLE)
    assert list(found) == ["region", "class", "pixels", "percent_of_labelled", "components"]
    assert found["percent_of_labelled"].sum() == pytest.approx(100)


def test_regions_of_the_image_on_labels_of_another_resolution(labels: np.ndarray) -> None:
    region = Feature(geometry=box(1000 + 4 * 30, 500 + 4 * 20, 1000 + 4 * 40, 500 + 4 * 30))
    found = region_table(labels, TABLE, [region], downsample=4.0, offset=(500, 1000))
    assert found["pixels"].tolist() == [100, 200, 0, 100]


def test_cells_are_counted_by_their_numbers() -> None:
    numbers = np.zeros((10, 10), np.int32)
    numbers[2:4, 2:4], numbers[2:4, 4:6], numbers[7, 7] = 5, 6, 7
    cell = ClassTable.from_names(("cell",))
    found = region_table(
        (numbers > 0).astype(np.uint8), cell, [Feature(geometry=box(3, 0, 6, 6))], instances=numbers
    )
    assert found["components"].tolist() == [3, 2]


def test_maps_of_other_sizes_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match="tissue of shape"):
        region_table(labels, TABLE, tissue=np.ones((3, 3), bool))
