"""The dock Where next: a queue of regions of a mask, gone through with its buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtWidgets import QPushButton
from tests.widgets.conftest import run_job
from tests.widgets.refine.conftest import segmented

from napari_construct.classes import ClassTable
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.labelling.queue.queue import RegionQueue
from napari_construct.widgets.files.stored_pyramid import pyramid_layers
from napari_construct.widgets.layers import METADATA_KEY, camera
from napari_construct.widgets.next.next_regions import NextRegions
from napari_construct.widgets.next.recipes import rank_as_command, rank_as_python

pytestmark = pytest.mark.gui


@pytest.fixture
def predictor(checkpoint) -> Predictor:
    return load_model(checkpoint, device="cpu")


@pytest.fixture
def mask(viewer, tissue, predictor, checkpoint) -> Labels:
    image = viewer.add_image(tissue, name="slide", rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    return segmented(viewer, image, predictor, str(checkpoint))


def docked(viewer: Any) -> NextRegions:
    dock = NextRegions(viewer)
    viewer.window.add_dock_widget(dock, name="Where next")
    dock.setValue(dock.value().changed(count=4, side_um=16.0, encoder="mini", min_tissue=0.0))
    return dock


def press(dock: NextRegions, words: str) -> None:
    (found,) = [one for one in dock.regions.findChildren(QPushButton) if one.text() == words]
    assert found.isEnabled(), words
    found.click()


@pytest.fixture
def ranked(qtbot, viewer, mask) -> NextRegions:
    dock = docked(viewer)
    run_job(qtbot, dock)
    assert dock.queue() is not None, dock.message()
    return dock


def outline(viewer: Any) -> np.ndarray:
    return np.asarray(viewer.layers["Where next"].data[0])


def test_next_goes_there_and_outlines_it(viewer: Any, ranked: NextRegions) -> None:
    assert len(ranked.queue()) == 4
    assert "Press Next" in ranked.message()
    active = viewer.layers.selection.active
    press(ranked, "Next")
    first = ranked.queue().regions[0]
    corners = outline(viewer)
    assert corners.min(axis=0).tolist() == [first.row - 0.5, first.column - 0.5]
    assert corners.max(axis=0).tolist() == [first.row + 63.5, first.column + 63.5]
    middle = (np.array([first.row, first.column]) + 31.5) * 0.25
    np.testing.assert_allclose(camera(viewer).center[-2:], middle)
    assert viewer.layers.selection.active == active
    press(ranked, "Next")
    assert ranked.current() == 1
    assert len([one for one in viewer.layers if one.name.startswith("Where next")]) == 1


def test_accept_keeps_the_mask_and_skip_does_not(viewer: Any, ranked: NextRegions, mask: Labels) -> None:
    press(ranked, "Next")
    press(ranked, "Accept")
    press(ranked, "Skip")
    queue = ranked.queue()
    assert [one.state for one in queue] == ["accepted", "skipped", "waiting", "waiting"]
    assert ranked.current() == 2
    painted = viewer.layers["slide painted"]
    first, second = queue.regions[:2]
    inside = np.zeros(mask.data.shape, bool)
    inside[first.row : first.row + 64, first.column : first.column + 64] = True
    assert (painted.data[inside] == mask.data[inside]).all()
    assert not painted.data[~inside].any()
    assert second.state == "skipped"
    np.testing.assert_allclose(painted.affine.affine_matrix, mask.affine.affine_matrix)
    assert tuple(painted.scale) == tuple(mask.scale)
    painted.undo()
    assert not painted.data.any()


def test_what_is_painted_counts_as_correction(viewer: Any, ranked: NextRegions, mask: Labels) -> None:
    press(ranked, "Next")
    press(ranked, "Correct")
    assert viewer.layers.selection.active == mask
    assert mask.mode == "paint"
    first = ranked.queue().regions[0]
    mask.selected_label = 2 if mask.data[first.row + 5, first.column + 5] != 2 else 1
    mask.brush_size = 5
    mask.paint((first.row + 5, first.column + 5), mask.selected_label)
    press(ranked, "Next")
    assert ranked.queue().regions[0].state == "corrected"
    assert viewer.layers["slide painted"].data[first.row + 5, first.column + 5] == mask.selected_label
    assert mask.mode == "pan_zoom"
    press(ranked, "Correct")
    press(ranked, "Next")  # nothing was painted: the mask was right
    assert ranked.queue().regions[1].state == "accepted"


def test_the_queue_stays_with_the_mask_and_a_new_ranking_goes_on(
    qtbot: Any, viewer: Any, ranked: NextRegions, mask: Labels
) -> None:
    press(ranked, "Next")
    press(ranked, "Accept")
    again = docked(viewer)
    assert again.queue() == ranked.queue()
    run_job(qtbot, again)
    states = [one.state for one in again.queue()]
    assert states == ["accepted", *["waiting"] * 4]
    assert len({one.key for one in again.queue()}) == 5


def test_the_end_of_the_list_is_said(viewer: Any, ranked: NextRegions) -> None:
    press(ranked, "Next")
    for _ in range(4):
        press(ranked, "Skip")
    assert ranked.current() is None
    assert "Rank again" in ranked.message()
    assert "Where next" not in viewer.layers


def test_without_a_mask_it_says_what_to_do(viewer: Any) -> None:
    dock = docked(viewer)
    assert "Segment an image first" in dock.control.blockedReason()


def test_a_stored_slide_keeps_its_queue_on_disk(qtbot: Any, viewer: Any, tmp_path: Path) -> None:
    path = tmp_path / "slide_mask.ome.zarr"
    table = ClassTable.from_names(("tumour", "stroma"))
    made = LabelPyramid.create(
        path, (512, 512), table, mpp=0.25, downsample=2.0, chunk=64, shard=256, probabilities=True
    )
    first = np.full((512, 512), 250, np.uint8)
    first[64:128, 128:192] = 128
    for top in (0, 256):
        for left in (0, 256):
            part = first[top : top + 256, left : left + 256]
            made.write(top, left, np.ones((256, 256), np.uint8), np.stack([part, 255 - part]))
    for layer in pyramid_layers(path)[0]:
        viewer.add_layer(layer)
    mask = viewer.layers[-1]
    dock = docked(viewer)
    dock.setValue(dock.value().changed(side_um=32.0, diversity=0.0))
    run_job(qtbot, dock)
    press(dock, "Next")
    region = dock.queue().regions[0]
    assert (region.row, region.column, region.height) == (128, 256, 128)
    assert region.doubt > 0.9
    press(dock, "Correct")
    painted = viewer.layers.selection.active
    assert painted.data.shape == (region.height // 2, region.width // 2)
    np.testing.assert_allclose(
        painted.data_to_world((0, 0)), mask.data_to_world((region.row / 2, region.column / 2))
    )
    painted.paint((3, 3), 2)
    press(dock, "Next")
    kept = RegionQueue.load(tmp_path / "slide_next.queue")
    assert kept.regions[0].state == "corrected"
    assert painted.metadata[METADATA_KEY]["classes"] == ("tumour", "stroma")
    request = dock.request()
    assert "rank_regions(" in rank_as_python(request)
    assert rank_as_command(request).startswith("napari-construct next ")
