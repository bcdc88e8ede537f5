"""The widgets take the pixel size where the command line finds it."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture
from tests.widgets.conftest import docked, run_job

from napari_construct.widgets.batch.job import layer_input
from napari_construct.widgets.layers import pixel_size, plane_at

pytestmark = pytest.mark.gui


@pytest.fixture
def file(tissue, tmp_path):
    """A region of 1 um a pixel, which napari shows in pixels."""
    path = tmp_path / "region.tif"
    tifffile.imwrite(path, tissue, photometric="rgb", resolution=(10000, 10000), resolutionunit="CENTIMETER")
    return path


def opened(viewer, path):
    return viewer.open(str(path), plugin="napari")[0]


def test_the_file_states_what_the_layer_does_not(viewer, file) -> None:
    layer = opened(viewer, file)
    assert pixel_size(layer)[:2] == (pytest.approx(1.0), file)
    plane = plane_at(layer, ())
    assert plane.mpp == pytest.approx(1.0)
    assert plane.size_used(None) == (plane.mpp, ("pixel size 1 µm, read from its file",))
    assert plane.size_used(0.5) == (0.5, ())
    assert [p.mpp for p in layer_input(layer).planes] == [plane.mpp]


def test_the_layer_goes_before_its_file(viewer, file) -> None:
    layer = opened(viewer, file)
    layer.units = ("um", "um")
    layer.scale = (0.25, 0.25)
    assert pixel_size(layer)[:2] == (0.25, None)
    layer.scale = (400.0, 400.0)  # not a microscope's, and yet not the file's
    assert pixel_size(layer)[:2] == (None, None)


def test_scale_without_a_length_says_nothing(viewer, file) -> None:
    layer = opened(viewer, file)
    layer.scale = (3, 3)
    assert pixel_size(layer).file == file


@pytest.mark.parametrize("change", ["crop", "bin", "resize"])
def test_another_image_than_the_files_has_no_size(viewer, file, change) -> None:
    layer = opened(viewer, file)
    data = layer.data
    layer.data = {"crop": data[5:], "bin": data[::2, ::2], "resize": np.tile(data, (2, 2, 1))}[change]
    assert pixel_size(layer)[:2] == (None, None)
    assert plane_at(layer, ()).path is None  # the file would give another mask


def test_a_stack_and_a_pyramid(viewer, tissue, tmp_path) -> None:
    stack, pyramid = tmp_path / "stack.tif", tmp_path / "pyramid.tif"
    size = {"photometric": "rgb", "resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(stack, np.stack([tissue] * 3), **size)
    with tifffile.TiffWriter(pyramid) as out:
        out.write(tissue, subifds=1, tile=(64, 64), **size)
        out.write(tissue[::2, ::2], subfiletype=1, tile=(64, 64), photometric="rgb")
    assert [p.mpp for p in layer_input(opened(viewer, stack)).planes] == [pytest.approx(0.5)] * 3
    layer = viewer.add_image([tissue, tissue[::2, ::2]], rgb=True, multiscale=True)
    assert pixel_size(layer)[:2] == (None, None)
    assert pixel_size(opened(viewer, pyramid)).mpp == pytest.approx(0.5)


def test_a_file_that_changes_is_read_again(viewer, tissue, tmp_path) -> None:
    path = tmp_path / "a.png"
    Picture.fromarray(tissue).save(path, dpi=(25400, 25400))
    layer = opened(viewer, path)
    assert pixel_size(layer).mpp == pytest.approx(1.0, rel=1e-3)
    Picture.fromarray(tissue).save(path, dpi=(50800, 50800), compress_level=1)
    assert pixel_size(layer).mpp == pytest.approx(0.5, rel=1e-3)
    path.unlink()
    assert pixel_size(layer)[:2] == (None, None)


def test_segment_says_where_it_is_from_and_follows_the_layer(qtbot, viewer, file, fake) -> None:
    layer = opened(viewer, file)
    widget = docked(qtbot, viewer, fake)
    field = widget._options.field("mpp")
    assert field.specialValueText() == "file: 1"
    run_job(qtbot, widget)
    assert fake.runs[-1].mpp == pytest.approx(1.0)
    assert "ixel size 1 µm, read from its file" in widget.message()
    layer.units = ("um", "um")
    layer.scale = (0.25, 0.25)
    assert field.specialValueText() == "layer: 0.25"
    run_job(qtbot, widget)
    assert fake.runs[-1].mpp == 0.25
    assert "region.tif" not in widget.message()
