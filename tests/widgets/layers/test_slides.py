"""Jobs on a layer of a slide: its own file, at the model's resolution, placed where it was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtWidgets import QApplication
from tests.widgets.conftest import run_job
from tests.widgets.slides import write_pyramid

from napari_construct.data.slides.slide import open_slide
from napari_construct.exceptions import InputError
from napari_construct.inference.loading import load_model
from napari_construct.inference.slides.pixels import at_model_resolution
from napari_construct.widgets.layers import pixel_size, plane_at, slide_of, slides
from napari_construct.widgets.parts.slide_commands import open_slide_layer, show_tissue
from napari_construct.widgets.prototypes.prototypes import Prototypes
from napari_construct.widgets.segment.segment_tissue import SegmentTissue

pytestmark = pytest.mark.gui
MPP = 0.125
"""Half of the model's."""


@pytest.fixture
def path(tmp_path, tissue) -> Path:
    return write_pyramid(tmp_path / "scan.tif", np.tile(tissue, (2, 3, 1)), (1, 2), MPP)


@pytest.fixture
def layer(viewer, path) -> Any:
    open_slide_layer(viewer, path)
    return viewer.layers[0]


@pytest.fixture
def large(monkeypatch) -> None:
    """Whatever has more than 100,000 pixels is a whole slide."""
    monkeypatch.setattr(slides, "MAX_PIXELS", 100_000)


def test_ours_knows_its_slide(layer, path) -> None:
    slide = slide_of(layer)
    assert slide.path == path
    assert type(slide).__name__ == "Slide"
    assert pixel_size(layer).mpp == MPP
    assert plane_at(layer, ()).path == str(path)
    layer.scale = (0.3, 0.3)
    assert pixel_size(layer).mpp == pytest.approx(0.3)


def test_a_layer_of_another_reader_is_a_slide_while_it_has_its_pixels(path, tissue) -> None:
    full = np.tile(tissue, (2, 3, 1))
    known = {slides.SLIDE_KEY: {"path": str(path)}}
    pyramid = Image([full, full[::2, ::2]], rgb=True, multiscale=True, metadata=known)
    assert slide_of(pyramid).shape == full.shape[:2]
    assert slide_of(pyramid) is slide_of(pyramid)
    pyramid.data = [255 - full, full[::2, ::2]]
    assert slide_of(pyramid) is None
    assert slide_of(Image(full[:-8], rgb=True, metadata=known)) is None
    assert slide_of(Image(full[..., 0], metadata=known)) is None
    assert slide_of(Image(full, rgb=True)) is None


def test_a_part_is_what_the_whole_slide_shows_the_model(layer, large, checkpoint) -> None:
    plane = plane_at(layer, (), (slice(101, 340), slice(64, 400)))
    seen = plane.for_model(load_model(checkpoint), None)
    with open_slide(plane.path) as slide:
        grid = at_model_resolution(slide, slide.mpp, 0.25, 1.0)
        np.testing.assert_array_equal(seen.rgb().rgb, grid.read(50, 32, 120, 168))
    assert seen.mpp == 2 * MPP
    np.testing.assert_allclose(seen.placement["scale"], 2 * MPP)
    # the middle of the first pixel is the middle of rows 100 and 101, columns 64 and 65
    np.testing.assert_allclose(seen.placement["translate"], (100.5 * MPP, 64.5 * MPP))


def test_what_is_too_large_says_what_to_do(layer, large, checkpoint, monkeypatch) -> None:
    monkeypatch.setattr("napari_construct.inference.slides.part.MAX_PIXELS", 1000)
    with pytest.raises(InputError, match=r"256 x 384.*zoom in .* or segment the whole slide"):
        plane_at(layer, ()).for_model(load_model(checkpoint), None)


@pytest.mark.parametrize("is_large", [pytest.param(False, marks=pytest.mark.slow), True])
def test_segment_and_its_recipe(qtbot, viewer, layer, checkpoint, is_large, request) -> None:
    if is_large:
        request.getfixturevalue("large")
    shape = viewer.add_shapes([[[100, 70], [100, 400], [330, 400], [330, 70]]], scale=(MPP,) * 2, units="um")
    widget = SegmentTissue(viewer)
    viewer.window.add_dock_widget(widget)
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)
    widget.setLayer(layer)
    widget.source.setRegion("shapes")
    run_job(qtbot, widget)
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=20_000)
    mask = viewer.layers[-1]
    pixels = 2 if is_large else 1
    assert mask.data.shape == (230 // pixels, 330 // pixels)
    centre = mask.data_to_world((np.array(mask.data.shape) - 1) / 2)
    np.testing.assert_allclose(centre, np.array([214.5, 234.5]) * MPP)
    widget._copy_python()
    names: dict[str, Any] = {}
    exec(QApplication.clipboard().text(), names)
    np.testing.assert_array_equal(names["result"].labels, mask.data)
    widget._copy_command()
    assert "--region 100,330,70,400" in QApplication.clipboard().text()
    viewer.layers.remove(shape)


def test_prototypes_on_a_part(qtbot, viewer, layer, large, checkpoint) -> None:
    widget = Prototypes(viewer)
    viewer.window.add_dock_widget(widget)
    widget.setModel(str(checkpoint))
    qtbot.waitUntil(lambda: "being loaded" not in widget.message(), timeout=60_000)
    widget.setLayer(layer)
    run_job(qtbot, widget)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=20_000)
    made = viewer.layers[-1]
    assert made.data.shape == (256, 384)
    np.testing.assert_allclose(made.extent.world, layer.extent.world, atol=MPP)


def test_tissue_lies_on_the_slide_and_is_found_once(qtbot, viewer, tmp_path, tissue) -> None:
    glass = np.full((1024, 2048, 3), 245, np.uint8)
    glass[256:768, 512:1024] = np.tile(tissue, (2, 2, 1))
    open_slide_layer(viewer, write_pyramid(tmp_path / "glass.tif", glass, (1, 4), 1.0))
    for _ in range(2):
        job = show_tissue(viewer)
        with qtbot.waitSignal(job.finished, timeout=20_000):
            pass
    image, found = viewer.layers
    assert found.name.startswith("glass tissue (1")
    rows, columns = np.nonzero(found.data)
    corners = [
        found.data_to_world((rows.min(), columns.min())),
        found.data_to_world((rows.max(), columns.max())),
    ]
    np.testing.assert_allclose(corners, [(256, 512), (768, 1024)], atol=45)
    assert found.units == image.units


def test_without_a_slide_show_tissue_says_what_to_select(viewer, monkeypatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari_construct.widgets.parts.slide_commands.show_info", said.append)
    assert show_tissue(viewer) is None
    assert "Select the layer" in said[0]
