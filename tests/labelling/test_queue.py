"""Where to look next: regions, their order, and what was said of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.labelling.conftest import SIDE, sheet
from typer.testing import CliRunner

from napari_construct.classes import ClassTable
from napari_construct.cli import app
from napari_construct.data.geojson import read_geojson
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.labelling.queue.candidates import doubt_of
from napari_construct.labelling.queue.queue import RegionQueue
from napari_construct.labelling.queue.rank import rank_regions
from napari_construct.labelling.queue.regions import Region
from napari_construct.labelling.queue.settings import QueueSettings
from napari_construct.results.result import SegmentationResult

TABLE = ClassTable.from_names(("tumour", "stroma"))


def result_of(doubts: list[list[float]], name: str = "a", mpp: float | None = 0.5) -> SegmentationResult:
    """Regions of 64 px: the probability of the first class, NaN is glass."""
    first = np.kron(np.array(doubts, np.float32), np.ones((SIDE, SIDE), np.float32))
    glass = np.isnan(first)
    maps = np.stack([first, 1 - first])
    maps[:, glass] = 0
    labels = np.where(glass, 0, 1 + maps.argmax(axis=0)).astype(np.uint8)
    return SegmentationResult(
        labels=labels,
        probabilities=maps,
        cams=maps,
        confidence=maps.max(axis=0),
        background=glass,
        presence=(True, True),
        presence_scores=(0.9, 0.9),
        classes=TABLE,
        mpp=mpp,
        record={"input": {"name": name}},
    )


def places(queue: RegionQueue) -> list[tuple[int, int]]:
    return [(one.row // SIDE, one.column // SIDE) for one in queue]


def test_doubt_is_largest_where_all_are_alike() -> None:
    p = np.array([[0.5, 1.0, 0.8], [0.5, 0.0, 0.2]], np.float32)
    entropy = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.2))
    assert doubt_of(p, "entropy").tolist() == pytest.approx([1, 0, entropy], abs=1e-5)
    assert doubt_of(p, "margin").tolist() == pytest.approx([1, 0, 0.4], abs=1e-6)
    assert doubt_of(p[:1], "entropy").tolist() == pytest.approx([1, 0, 0.4], abs=1e-6)


def test_without_diversity_doubt_and_area_decide() -> None:
    result = result_of([[0.9, 0.5, 0.99], [0.7, np.nan, 0.6]])
    queue = rank_regions(result, side_um=32, diversity=0, count=10)
    assert places(queue) == [(0, 1), (1, 2), (1, 0), (0, 0), (0, 2)]
    assert queue.regions[0].gain == pytest.approx(1)
    assert [one.guess for one in queue] == ["tumour"] * 5
    assert queue.regions[0].source == "a"


def test_what_looks_like_the_last_region_comes_later() -> None:
    """Twice the same doubt in two textures: the second region is of the other one."""
    kinds = [["even", "even", "even", "even"], ["even", "striped", "even", "even"]]
    doubts = [[0.52, 0.53, 0.54, 0.55], [0.56, 0.6, 0.57, 0.58]]
    result = result_of(doubts)
    plain = rank_regions(result, images=sheet(kinds), side_um=32, count=2, diversity=0)
    assert (1, 1) not in places(plain)
    spread = rank_regions(result, images=sheet(kinds), side_um=32, count=2)
    assert places(spread)[1] == (1, 1)
    assert spread.regions[1].diversity > 0.9
    known = rank_regions(result, images=sheet(kinds), side_um=32, count=3, known=spread.regions[:2])
    assert not set(places(known)) & set(places(spread)[:2])


def test_several_images_and_unknown_sizes() -> None:
    first, second = result_of([[0.9, 0.55]], "a"), result_of([[0.6, 0.99]], "b", mpp=None)
    queue = rank_regions([first, second], side_um=32, side_px=SIDE, diversity=0, count=4)
    assert [(one.source, one.column // SIDE) for one in queue] == [("a", 1), ("b", 0), ("a", 0), ("b", 1)]
    with pytest.raises(InputError, match="different names"):
        rank_regions([first, first])
    with pytest.raises(InputError, match="name all of them"):
        rank_regions([first, second], images=[np.zeros((64, 128, 3), np.uint8)])
    with pytest.raises(InputError, match="check which image"):
        rank_regions(first, images=np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="enough tissue"):
        rank_regions(result_of([[np.nan, np.nan]]))


def test_the_last_regions_lie_within_the_image() -> None:
    result = result_of([[0.5, 0.6], [0.7, 0.8]])
    queue = rank_regions(result, side_um=40, diversity=0, count=10)
    assert {(one.row, one.column) for one in queue} == {(0, 0), (0, 48), (48, 0), (48, 48)}
    assert all(one.row + one.height <= 128 for one in queue)


def test_next_accept_skip_save_and_resume(tmp_path: Path) -> None:
    result = result_of([[0.9, 0.5, 0.99], [0.7, np.nan, 0.6]])
    queue = rank_regions(result, side_um=32, diversity=0, count=3)
    assert queue.next() == 0
    queue = queue.put(0, "accepted").put(1, "skipped")
    assert queue.next() == 2
    assert queue.counts() == {"waiting": 1, "accepted": 1, "corrected": 0, "skipped": 1}
    path = tmp_path / "a_next.queue"
    queue.save(path)
    queue.save(path)
    again = RegionQueue.load(path)
    assert again == queue
    ranked = rank_regions(result, side_um=32, diversity=0, count=5, known=again.known)
    joined = again.followed_by(ranked)
    assert places(joined)[:2] == places(queue)[:2]
    assert len(joined) == 5
    assert len({one.key for one in joined}) == 5
    assert joined.next() == 2
    assert joined.put(2, "corrected").put(3, "skipped").put(4, "accepted").next() is None
    with pytest.raises(ConfigurationError, match="from 1 to 3"):
        queue.put(3, "accepted")
    path.write_text("[]")
    with pytest.raises(InputError, match="expected a queue"):
        RegionQueue.load(path)
    with pytest.raises(ConfigurationError, match="none"):
        queue.save(path)  # a file of others
    content = {"kind": "regions to look at", "settings": {}, "regions": [Region("a", -1, 0, 1, 1).to_dict()]}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="damaged"):
        RegionQueue.load(path)


def test_regions_overlap_or_not() -> None:
    one = Region("a", 0, 0, 10, 10)
    assert one.overlaps(Region("a", 9, 9, 10, 10))
    assert not one.overlaps(Region("a", 10, 0, 10, 10))
    assert not one.overlaps(Region("b", 0, 0, 10, 10))


@pytest.fixture
def call() -> Callable[..., Any]:
    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def pyramid(tmp_path: Path) -> Path:
    """Labels and probabilities of a slide of 1024 x 1024 px on a grid of 2 x 2: one region is in doubt."""
    path = tmp_path / "slide_mask.ome.zarr"
    made = LabelPyramid.create(
        path, (512, 512), TABLE, mpp=0.25, downsample=2.0, chunk=64, shard=256, probabilities=True
    )
    first = np.full((512, 512), 250, np.uint8)
    first[128:256, 256:384] = 128
    for top in (0, 256):
        for left in (0, 256):
            part = first[top : top + 256, left : left + 256]
            made.write(top, left, np.ones((256, 256), np.uint8), np.stack([part, 255 - part]))
    return path


def test_a_stored_slide_is_ranked_from_its_pyramid(
    call: Callable[..., Any], pyramid: Path, tmp_path: Path
) -> None:
    queue = rank_regions(str(pyramid), side_um=64, diversity=0, count=4)
    first = queue.regions[0]
    assert (first.row, first.column, first.height) == (256, 512, 256)
    assert first.doubt == pytest.approx(1, abs=0.01)
    regions = tmp_path / "regions.geojson"
    ran = call("next", pyramid, "--side", "64", "-n", "3", "--geojson", regions, "--json", "-")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["queue"].endswith("slide_next.queue")
    assert found["regions"][0]["row"] == 256
    drawn = list(read_geojson(regions))
    assert drawn[0].geometry.bounds == (512, 256, 768, 512)
    assert drawn[0].locked
    assert len(drawn) == 3
    ran = call("next", pyramid, "--accept", "1", "--skip", "2")
    assert ran.exit_code == 0, ran.output
    assert "2 of 3 done" in ran.stdout
    ran = call("next", pyramid, "--again", "--side", "64", "-n", "2", "--json", "-")
    assert [one["state"] for one in json.loads(ran.stdout)["regions"]] == ["accepted", "skipped"] + [
        "waiting"
    ] * 2
    assert call("next", pyramid, "--accept", "9").exit_code == 2
    assert call("next", tmp_path / "nothing").exit_code == 2


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigurationError):
        QueueSettings().changed(count=0)
