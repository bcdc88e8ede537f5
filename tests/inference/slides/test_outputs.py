"""What comes out of a slide, and regions that go in, against the untiled computation."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from shapely import MultiPolygon, Polygon, box
from shapely.geometry import mapping

from napari_construct import load_model, measure_result, segment_slide
from napari_construct.annotations import Feature
from napari_construct.data.images import read_image
from napari_construct.data.slides.slide import Slide, open_slide
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.inference.segment import segment_steps
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides import job, shards
from napari_construct.inference.slides.job import SlideResult
from napari_construct.inference.slides.segment import segment_slide_steps
from napari_construct.results.read import load_result
from napari_construct.results.region_areas import region_table

SETTINGS = SegmentSettings(tile=128, overlap=32, crf=None, classes=("dark", "pale", "green"))

HOLE = Polygon(box(110, 90, 420, 400).exterior, [box(200, 180, 301, 263).exterior])
TWO = MultiPolygon([box(30, 410, 150, 520), box(470, 40, 560, 131)])
OVER = box(350, 300, 520, 470)


@pytest.fixture(scope="module")
def slide_file(tmp_path_factory: pytest.TempPathFactory, camelyon: Path) -> Path:
    """A tiled pyramid of 704 x 640 px at 0.5 um, tissue in its upper left and glass elsewhere."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    tissue = read_image(path).pixels
    image = np.full((704, 640, 3), 247, np.uint8)
    image[16:528, 16:528] = np.concatenate([np.concatenate([tissue, tissue[::-1]], 1)] * 2, 0)
    path = tmp_path_factory.mktemp("slides") / "slide.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        options = {"tile": (256, 256), "photometric": "rgb", "compression": "zlib"}
        file.write(image, subifds=1, resolution=(20000, 20000), resolutionunit="CENTIMETER", **options)
        file.write(image[::2, ::2], subfiletype=1, **options)
    return path


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "SHARD", 256)
    monkeypatch.setattr(shards, "BLOCK", 128)


@pytest.fixture
def regions(tmp_path: Path) -> Path:
    """As QuPath writes them: a hole, two parts, an overlap, and a part that counts nowhere."""
    ignored = {"classification": {"name": "Ignore*", "color": [180, 180, 180]}}
    objects: list[tuple[Any, dict[str, Any]]] = [
        (HOLE, {"name": "biopsy"}),
        (TWO, {"classification": {"name": "Region*", "color": [0, 0, 0]}}),
        (OVER, {"name": "margin"}),
        (box(111, 95, 140, 180), ignored),
    ]
    features = [
        {"type": "Feature", "geometry": mapping(one), "properties": {"objectType": "annotation", **more}}
        for one, more in objects
    ]
    path = tmp_path / "qupath.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def level(folder: Path, group: str = "labels/tissue", number: int = 0) -> np.ndarray:
    return np.asarray(zarr.open_group(folder / group, mode="r")[str(number)][:])


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def stable(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without the times in the record and in the TIFF."""
    timed = ("slide.json", "slide_mask.ome.tif")
    return {name: found for name, found in files.items() if name not in timed}


def whole(slide_file: Path, colours: Any, tmp_path: Path, **options: Any) -> SlideResult:
    return segment_slide(slide_file, colours, SETTINGS, folder=tmp_path / "whole", **options)


def test_the_table_of_a_slide_is_that_of_its_image(slide_file: Path, colours: Any, tmp_path: Path) -> None:
    result = whole(slide_file, colours, tmp_path)
    labels = level(result.path)
    with open_slide(slide_file) as slide:
        image = slide.read(0, 0, 0, *slide.shape)
    expected = run(segment_steps(image, colours, SETTINGS, mpp=0.5))
    assert (labels == expected.labels).mean() >= 0.999
    assert (labels == 0).mean() > 0.2
    found = region_table(labels, colours.classes, mpp=0.5, tissue=labels > 0, confidence=expected.confidence)
    assert max(found["components"]) > 100
    with (tmp_path / "whole" / "slide_areas.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["class"] for row in rows] == list(colours.classes.names)
    for name in ("pixels", "components"):
        assert [int(row[name]) for row in rows] == found[name].tolist()
        assert [row[name] for row in result.areas] == found[name].tolist()
        assert [row[name] for row in result.record["areas"]] == found[name].tolist()
    for name in ("mm2", "percent_of_tissue"):
        assert [float(row[name]) for row in rows] == pytest.approx(found[name], rel=1e-3)
    sure = [float(row["mean_confidence"]) for row in rows if row["mean_confidence"] != "nan"]
    assert sure == pytest.approx([one for one in found["mean_confidence"] if one == one], abs=1e-3)
    stored = load_result(tmp_path / "whole")
    assert [row["components"] for row in stored.measures()] == found["components"].tolist()


def test_only_inside_of_regions(
    slide_file: Path, colours: Any, tmp_path: Path, regions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = whole(slide_file, colours, tmp_path)
    asked: list[tuple[float, ...]] = []
    sampled = Slide.sampled

    def spy(self: Slide, rows: Any, columns: Any, shape: Any) -> Any:
        asked.append((*rows, *columns))
        return sampled(self, rows, columns, shape)

    monkeypatch.setattr(Slide, "sampled", spy)
    calls = colours.calls
    result = segment_slide(slide_file, colours, SETTINGS, folder=tmp_path / "part", regions=regions)
    assert 0 < colours.calls - calls < calls
    assert result.record["tiles"] < complete.record["tiles"]
    areas = [HOLE, *TWO.geoms, OVER]
    for (
        top,
        bottom,
        left,
        right,
    ) in asked:  # tiles and blocks that touch a region, with the blocks' surroundings
        near = box(left - 128, top - 128, right + 128, bottom + 128)
        assert any(near.intersects(one) for one in areas)
    expected, labels = level(complete.path), level(result.path)
    y, x = np.mgrid[0 : labels.shape[0], 0 : labels.shape[1]] + 0.5

    def within(one: Any) -> np.ndarray:
        left, top, right, bottom = one.bounds
        return (x > left) & (x < right) & (y > top) & (y < bottom)

    ignored = within(box(111, 95, 140, 180))
    inside = [
        within(HOLE) & ~within(box(200, 180, 301, 263)) & ~ignored,
        (within(TWO.geoms[0]) | within(TWO.geoms[1])) & ~ignored,
        within(OVER) & ~ignored,
    ]
    union = np.any(inside, axis=0)
    np.testing.assert_array_equal(labels, expected * union)
    names = ["biopsy", "Region* 2", "margin"]
    assert [row["region"] for row in result.regions] == [name for name in names for _ in range(3)]
    assert result.record["regions"] == result.regions
    for number, mask in enumerate(inside):
        found = region_table(labels * mask, colours.classes, mpp=0.5, tissue=(labels > 0) & mask)
        rows = result.regions[3 * number : 3 * number + 3]
        for name in ("pixels", "components", "mm2", "percent_of_tissue"):
            assert [row[name] for row in rows] == pytest.approx(found[name].tolist())
        assert all(0.3 < row["mean_confidence"] <= 1 for row in rows if row["pixels"])
    assert sum(row["pixels"] for row in result.areas) == int((labels > 0).sum())
    with (tmp_path / "part" / "slide_areas.csv").open(encoding="utf-8") as stream:
        assert [row["region"] for row in csv.DictReader(stream)] == [
            name for name in ("all", *names) for _ in range(3)
        ]


def test_a_result_is_measured_by_regions_without_segmenting(
    slide_file: Path, colours: Any, tmp_path: Path, regions: Path
) -> None:
    complete = whole(slide_file, colours, tmp_path, outputs=("probabilities",))
    assert not (tmp_path / "whole" / "slide_areas.csv").exists()
    part = segment_slide(slide_file, colours, SETTINGS, folder=tmp_path / "part", regions=regions)
    calls = colours.calls
    table = measure_result(tmp_path / "whole", regions)
    assert colours.calls == calls
    assert table["region"].tolist()[3:] == [row["region"] for row in part.regions]
    for name, tolerance in (("pixels", 0), ("components", 0), ("mm2", 1e-9), ("percent_of_tissue", 1e-9)):
        found = table[name][3:].tolist()
        assert found == pytest.approx([row[name] for row in part.regions], abs=tolerance)
    confident = [row["mean_confidence"] for row in part.regions]
    np.testing.assert_allclose(table["mean_confidence"][3:], confident, atol=2e-3)
    labels = level(complete.path)
    labels[95:180, 111:140] = 0  # ignored
    assert table["pixels"][:3].tolist() == np.bincount(labels.ravel(), minlength=4)[1:].tolist()


def test_mask_cams_and_probabilities(slide_file: Path, colours: Any, tmp_path: Path) -> None:
    result = whole(slide_file, colours, tmp_path, outputs=("mask", "cams"), probabilities=True)
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == [
        "slide.json",
        "slide_mask.ome.tif",
        "slide_mask.ome.zarr",
    ]
    labels = level(result.path)
    with tifffile.TiffFile(tmp_path / "whole" / "slide_mask.ome.tif") as file:
        for number, found in enumerate(file.series[0].levels):
            np.testing.assert_array_equal(found.asarray(), level(result.path, number=number))
    with open_slide(slide_file) as slide:
        image = slide.read(0, 0, 0, *slide.shape)
    expected = run(segment_steps(image, colours, SETTINGS, mpp=0.5))
    assert expected.cams is not None
    some = labels > 0
    for kind, maps in (("cams", expected.cams), ("probabilities", expected.probabilities)):
        stored = level(result.path, kind)
        assert stored.dtype == np.uint8
        assert np.abs(stored[:, some] / 255 - maps[:, some]).mean() < 0.01
    assert load_result(tmp_path / "whole").labels.shape == labels.shape


@pytest.mark.slow
def test_a_stopped_run_with_regions_goes_on_to_the_same_bytes(
    slide_file: Path, colours: Any, tmp_path: Path, regions: Path
) -> None:
    wanted = {"outputs": ("overlay", "areas", "cams", "mask"), "regions": regions}
    with open_slide(slide_file) as slide:
        run(segment_slide_steps(slide, colours, SETTINGS, folder=tmp_path / "once", **wanted))
        once = stable(content(tmp_path / "once"))
        for stop in (5, 30):
            folder = tmp_path / str(stop)
            steps = segment_slide_steps(slide, colours, SETTINGS, folder=folder, **wanted)
            for _ in range(stop):
                next(steps)
            steps.close()
            run(segment_slide_steps(slide, colours, SETTINGS, folder=folder, **wanted))
            assert stable(content(folder)) == once
        folder = tmp_path / "other"
        steps = segment_slide_steps(slide, colours, SETTINGS, folder=folder, **wanted)
        for _ in range(30):
            next(steps)
        steps.close()  # regions are part of what a run is
        other = [Feature(geometry=box(300, 300, 400, 400))]
        result = run(segment_slide_steps(slide, colours, SETTINGS, folder=folder, regions=other))
    labels = level(result.path)
    assert labels[300:400, 300:400].any()
    labels[300:400, 300:400] = 0
    assert not labels.any()


def test_what_does_not_fit_is_refused_before_the_work(slide_file: Path, colours: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected outputs of a slide among overlay, areas"):
        whole(slide_file, colours, tmp_path, outputs=("zarr", "table"))
    with pytest.raises(ConfigurationError, match="guard"):
        whole(slide_file, colours, tmp_path, outputs=("ood",))
    with pytest.raises(InputError, match=r"slide\.tif: expected regions on the image"):
        whole(slide_file, colours, tmp_path, regions=[Feature(geometry=box(9000, 0, 9100, 100))])
    assert colours.calls == 0
    assert not (tmp_path / "whole").exists()


@pytest.mark.slow
def test_distances_from_the_training_patches(slide_file: Path, tmp_path: Path) -> None:
    model = load_model("lymph-node")
    segment_slide(slide_file, model, folder=tmp_path, outputs=("ood",), crf=None)
    with tifffile.TiffFile(tmp_path / "slide_ood.ome.tif") as file:
        found = file.asarray()
        assert 'PhysicalSizeX="16.0"' in str(file.ome_metadata)
    with open_slide(slide_file) as slide:
        image = slide.read(0, 0, 0, *slide.shape)
    expected = run(segment_steps(image, model, SegmentSettings(crf=None), mpp=0.5)).distances
    assert expected is not None
    assert found.shape == expected.values.shape == (22, 20)  # cells of 32 pixels
    np.testing.assert_allclose(found[:14, :14], expected.values[:14, :14], rtol=0.05)
