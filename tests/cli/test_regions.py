"""``segment --regions`` and ``--outputs``, ``areas``, and ``polygons --min-area``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from shapely import box
from shapely.geometry import mapping

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.masks import read_mask
from napari_construct.export.tiff import write_mask
from napari_construct.results.areas import class_components

Call = Callable[..., Any]


@pytest.fixture
def regions(tmp_path: Path) -> Path:
    objects = [
        (box(20, 30, 120, 200), {"name": "left"}),
        (box(150, 60, 240, 90), {"classification": {"name": "Region*", "color": [0, 0, 0]}}),
        (box(20, 30, 60, 60), {"classification": {"name": "Ignore*", "color": [0, 0, 0]}}),
    ]
    features = [
        {"type": "Feature", "geometry": mapping(one), "properties": {"objectType": "annotation", **more}}
        for one, more in objects
    ]
    path = tmp_path / "qupath.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


@pytest.fixture
def inside() -> np.ndarray:
    found = np.zeros((256, 256), bool)
    found[30:200, 20:120] = found[60:90, 150:240] = True
    found[30:60, 20:60] = False
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_an_image_is_segmented_inside_of_regions(
    call: Call, image: Path, model: Path, regions: Path, inside: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = call(
        "segment", image, "-m", model, "-o", out, "--no-crf", "--mpp", "0.5", "--classes", "tumour,lymphoid",
        "--regions", regions, "--outputs", "mask",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    names = sorted(path.name for path in out.iterdir())
    assert names == ["region.json", "region_areas.csv", "region_mask.tif"]
    labels = read_mask(out / "region_mask.tif")
    assert not labels[~inside].any()
    assert labels[inside].any()
    rows = rows_of(out / "region_areas.csv")
    assert [row["region"] for row in rows] == ["all"] * 2 + ["left"] * 2 + ["Region* 2"] * 2
    part = np.where(inside, labels, 0)[:, :130]
    for number, row in enumerate(rows[2:4], start=1):
        assert int(row["pixels"]) == (part == number).sum()
        assert float(row["mm2"]) == pytest.approx((part == number).sum() * 0.25e-6, rel=1e-4)
        assert int(row["components"]) == class_components(part, 2)[number - 1]
    assert sum(float(row["percent_of_tissue"]) for row in rows[2:4]) == pytest.approx(100, abs=0.01)
    record = json.loads((out / "region.json").read_text(encoding="utf-8"))
    assert [row["region"] for row in record["regions"]] == [row["region"] for row in rows[2:]]
    again = call("areas", out, "--regions", regions)
    assert again.exit_code == 0, again.output
    measured = rows_of(out / "region_qupath_areas.csv")
    for name in ("region", "class", "pixels", "components", "percent_of_tissue"):
        assert [row[name] for row in measured[2:]] == [row[name] for row in rows[2:]]


def test_a_slide(
    call: Call, model: Path, regions: Path, inside: np.ndarray, image: Path, tmp_path: Path
) -> None:
    path = tmp_path / "slide.tif"
    options = {"tile": (128, 128), "resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, read_image(image).pixels, photometric="rgb", **options)
    out = tmp_path / "out"
    ran = call(
        "segment", path, "-m", model, "-o", out, "--no-crf", "--classes", "tumour,lymphoid",
        "--regions", regions, "--outputs", "mask,cams", "--json", "-", "--whole-slide",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    files = json.loads(ran.stdout)["results"][0]["files"]
    assert sorted(files) == ["areas", "mask", "record", "zarr"]
    assert all(Path(file).exists() for file in files.values())
    labels = np.asarray(zarr.open_group(Path(files["zarr"]) / "labels/tissue", mode="r")["0"][:])
    assert labels[inside].all()
    assert not labels[~inside].any()
    assert (tifffile.imread(files["mask"]) == labels).all()
    assert "cams" in zarr.open_group(files["zarr"], mode="r")
    rows = rows_of(Path(files["areas"]))
    assert sum(int(row["pixels"]) for row in rows[:2]) == inside.sum()
    again = call(
        "areas", files["zarr"], "--regions", regions, "-o", tmp_path / "again.csv", "--origin", "0,0"
    )
    assert again.exit_code == 0, again.output
    measured = rows_of(tmp_path / "again.csv")
    assert [row["pixels"] for row in measured[2:]] == [row["pixels"] for row in rows[2:]]


def test_what_is_no_use_is_said(call: Call, model: Path, regions: Path, image: Path, tmp_path: Path) -> None:
    command = ("segment", image, "-m", model, "-o", tmp_path / "o")
    both = call(*command, "--regions", regions, "--region", "0,64,0,64")
    assert both.exit_code == 2
    assert "expected one whole image with --regions, got --region" in both.output
    spelled = call(*command, "--outputs", "maks")
    assert spelled.exit_code == 2
    assert "expected --outputs of mask, cams" in spelled.output
    of_slides = call(*command, "--outputs", "mask,probabilities")
    assert of_slides.exit_code == 1
    assert (
        "probabilities, which only whole slides have; leave it out, or add --whole-slide" in of_slides.output
    )
    assert not list((tmp_path / "o").iterdir())
    no_slide = call(*command, "--whole-slide")
    assert no_slide.exit_code == 1
    assert "region.png: expected a slide" in no_slide.output
    part = call(*command, "--whole-slide", "--region", "0,64,0,64")
    assert part.exit_code == 2
    assert "expected --whole-slide or --region, got both" in part.output
    assert not list((tmp_path / "o").iterdir())


def test_results_of_a_whole_slide_replace_only_what_may_be(
    call: Call, model: Path, image: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "slide.tif", tmp_path / "out"
    options = {"tile": (128, 128), "resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, read_image(image).pixels, photometric="rgb", **options)
    out.mkdir()
    (out / "slide_areas.csv").write_text("mine", encoding="utf-8")
    command = ("segment", path, "-m", model, "-o", out, "--no-crf", "--whole-slide", "--outputs", "areas")
    refused = call(*command)
    assert refused.exit_code == 2
    assert "slide_areas.csv: expected a free name" in refused.output
    replaced = call(*command, "--overwrite")
    assert replaced.exit_code == 0, replaced.output
    assert len(rows_of(out / "slide_areas.csv")) == 2


def test_a_least_area_in_square_micrometres(call: Call, tmp_path: Path) -> None:
    labels = np.zeros((40, 40), np.uint8)
    labels[2, 2] = labels[5:7, 5:8] = 1  # 1 and 6 pixels of 4 um2
    labels[20:30, 20:30] = 2
    write_mask(tmp_path / "a_mask.tif", labels, ClassTable.from_names(("a", "b")), 2.0)
    write_mask(tmp_path / "b_mask.tif", labels, ClassTable.from_names(("a", "b")))

    def kept(*options: object) -> int:
        ran = call("polygons", tmp_path / "a_mask.tif", "-o", tmp_path / "a.geojson", *options)
        assert ran.exit_code == 0, ran.output
        return len(json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))["features"])

    assert kept() == 3
    assert [kept("--min-area", area) for area in (5, 24, 25)] == [2, 2, 1]
    unknown = call("polygons", tmp_path / "b_mask.tif", "--min-area", "5")
    assert unknown.exit_code == 2
    assert "known micrometres per pixel for --min-area" in unknown.output
