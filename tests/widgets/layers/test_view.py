"""The part on view, of every transform, zoom and level: what a picture of the canvas shows of the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_construct.exceptions import InputError
from napari_construct.widgets.layers import camera, look_at, region_window, slice_point, viewer_point
from napari_construct.widgets.layers import window_on_view as of_2d

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(wait_for_threads, make_napari_viewer_proxy) -> Any:
    return make_napari_viewer_proxy(show=True)


STEP = 4
"""Rows and columns that share a colour."""
SIDE = 255 * STEP


def coded(side: int = SIDE) -> np.ndarray:
    """An image whose colours tell the place: red the row, green the column, blue the image itself."""
    place = (np.arange(side) // STEP).astype(np.uint8)
    image = np.full((side, side, 3), 255, np.uint8)
    image[..., 0], image[..., 1] = place[:, None], place[None, :]
    return image


def seen(viewer: Any) -> tuple[list[int], int] | None:
    """First and last rows and columns on a picture of the canvas, in a list, and how many of its pixels."""
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    of_image = picture[..., 2] == 255
    if not of_image.any():
        return None
    rows, columns = picture[of_image][:, 0], picture[of_image][:, 1]
    bounds = [rows.min() * STEP, (rows.max() + 1) * STEP, columns.min() * STEP, (columns.max() + 1) * STEP]
    return bounds, int(of_image.sum())


def taken(layer: Any, viewer: Any) -> list[int] | None:
    try:
        window = region_window(layer, "visible", viewer.layers, viewer)
    except InputError:
        return None
    return [window[0].start, window[0].stop, window[1].start, window[1].stop]


def check(viewer: Any, layer: Any, tolerance: float) -> bool:
    """Compare window and picture; False where too little is on view to be a region."""
    picture, window = seen(viewer), taken(layer, viewer)
    if window is None:
        rows, columns = np.diff(
            np.reshape([0] * 4 if picture is None else picture[0], (2, 2)), axis=1
        ).ravel()
        assert min(rows, columns) <= 16 + 2 * tolerance, picture
        return False
    assert picture is not None, window
    assert np.abs(np.subtract(picture[0], window)).max() <= tolerance, (layer.name, picture, window)
    return True


AFFINE = np.array([[0.9, 0.4, 30.0], [-0.2, 1.3, -80.0], [0.0, 0.0, 1.0]])
TRANSFORMS = {
    "none": {},
    "scale": {"scale": (0.25, 0.25)},
    "mirrored": {"scale": (-0.5, 0.5)},
    "unequal": {"scale": (0.5, 2.0)},
    "translate": {"translate": (-300.0, 700.0), "scale": (0.5, 0.5)},
    "rotate": {"rotate": 30.0},
    "quarter": {"rotate": 90.0, "scale": (2.0, 2.0)},
    "shear": {"shear": [0.4]},
    "affine": {"affine": AFFINE},
    "all": {"scale": (0.5, 0.7), "rotate": -20.0, "shear": [0.2], "translate": (9.0, -5.0), "affine": AFFINE},
}
PLACES = [((500.0, 500.0), 0.4), ((510.0, 510.0), 3.0), ((120.0, 800.0), 6.0), ((20.0, 1000.0), 1.5)]
"""What is in the middle of the canvas, in pixels of the image, and canvas pixels for each of them."""


@pytest.mark.parametrize("levels", [1, 4], ids=["single", "pyramid"])
def test_part_on_view(viewer, levels) -> None:
    full = coded()
    data = [full[:: 2**k, :: 2**k] for k in range(levels)] if levels > 1 else full
    viewer.add_image(np.zeros((40, 50)), scale=(30, 7), rotate=10, translate=(-900, 40), visible=False)
    chosen = ("none", "mirrored", "quarter", "all") if levels > 1 else TRANSFORMS  # screenshots are slow
    for name in chosen:
        transform = TRANSFORMS[name]
        layer = viewer.add_image(data, name=name, rgb=True, multiscale=levels > 1, **transform)
        found = []
        # of a pyramid a tile that was loaded before does not count
        for place, zoom in [*PLACES, *PLACES[:2]] if levels > 1 else PLACES[1:]:
            look_at(viewer, layer, place, 1.0, zoom)
            if levels > 1:
                viewer.screenshot(canvas_only=True, flash=False)  # the level comes after the view
            found.append(check(viewer, layer, STEP + 2 / zoom + 2 * 2**layer.data_level))
        assert sum(found) >= 2, name
        viewer.layers.remove(layer)


@pytest.mark.parametrize("shape", [(400, 1200), (1000, 500)])
def test_a_canvas_of_any_aspect(viewer, shape) -> None:
    viewer.window.resize(*shape)
    layer = viewer.add_image(coded(), rgb=True)
    look_at(viewer, layer, (500.0, 500.0), 1.0, 3.0)
    assert check(viewer, layer, STEP + 1)


def test_units_that_differ(viewer) -> None:
    """The layers lie side by side in micrometres, whatever unit each has."""
    viewer.add_image(np.zeros((90, 90)), scale=(0.5, 0.5), units=("um", "um"), visible=False)
    layer = viewer.add_image(coded(), rgb=True, scale=(0.001, 0.001), units=("mm", "mm"))
    look_at(viewer, layer, (400.0, 600.0), 1.0, 2.0)
    assert check(viewer, layer, STEP + 2)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_a_plane_of_a_stack(viewer, order) -> None:
    stack = np.stack([np.zeros_like(coded()), coded(), np.zeros_like(coded())])
    layer = viewer.add_image(stack, rgb=True, scale=(5, 0.5, 0.5))
    viewer.add_image(np.zeros((3, 4, 9, 9)), visible=False)
    viewer.dims.order = (0, *(o + 1 for o in order))
    viewer.dims.set_point(1, 5.0)
    look_at(viewer, layer, (300.0, 640.0), 1.0, 2.0)
    assert check(viewer, layer, STEP + 2)


def test_across_the_planes_no_region_is_on_view(viewer) -> None:
    layer = viewer.add_image(np.zeros((30, 40, 50, 3), np.uint8), rgb=True)
    viewer.dims.order = (1, 0, 2)
    assert taken(layer, viewer) is None


def test_a_grid_of_layers(qtbot, viewer) -> None:
    layer = viewer.add_image(coded(), rgb=True)
    viewer.add_image(np.zeros((SIDE, SIDE), np.uint8))
    grid = viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid
    grid.enabled = True
    qtbot.wait(200)  # until the canvas is divided
    look_at(viewer, layer, (300.0, 640.0), 1.0, 2.0)
    assert check(viewer, layer, STEP + 2)


def test_beside_the_image_and_in_3d_it_is_said(viewer) -> None:
    layer = viewer.add_image(coded(), rgb=True)
    camera(viewer).center = (0, 9000.0, 9000.0)
    with pytest.raises(InputError, match="move the view"):
        region_window(layer, "visible", viewer.layers, viewer)
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match="switch to 2-D"):
        region_window(layer, "visible", viewer.layers, viewer)


def test_the_viewer_is_found_by_its_layers(viewer) -> None:
    layer = viewer.add_image([coded(), coded()[::4, ::4]], rgb=True, multiscale=True)
    look_at(viewer, layer, (500.0, 500.0), 1.0, 3.0)
    assert region_window(layer, "visible", viewer.layers) == region_window(
        layer, "visible", viewer.layers, viewer
    )


def test_without_a_viewer_it_is_what_the_layer_draws() -> None:
    layer = Image([coded(), coded()[::4, ::4]], rgb=True, multiscale=True)
    rows, columns = region_window(layer, "visible", [layer])
    assert (rows.stop, columns.stop) == (SIDE, SIDE)


def test_the_slice_on_view_of_units_that_differ() -> None:
    model = ViewerModel()
    thin = model.add_image(np.zeros((9, 20, 20)), scale=(2, 1, 1), units=("um", "um", "um"))
    thick = model.add_image(np.zeros((5, 20, 20)), scale=(0.004, 0.001, 0.001), units=("mm", "mm", "mm"))
    model.dims.set_point(0, 8.0)
    for layer, plane in ((thin, 4), (thick, 2)):
        assert layer.world_to_data(slice_point(layer, model))[0] == pytest.approx(plane)
        at = viewer_point(layer, (float(plane), 0.0, 0.0), model.layers)
        assert at[0] == pytest.approx(8.0)


def test_of_a_small_view_refine_takes_the_part(viewer) -> None:
    layer = viewer.add_labels(np.ones((1000, 1000), np.uint8))
    look_at(viewer, layer, (500.0, 500.0), 1.0, 0.1)
    assert of_2d(layer, viewer) is None
    look_at(viewer, layer, (500.0, 500.0), 1.0, 5.0)
    rows, _ = of_2d(layer, viewer)
    assert 350 < rows.start < 500 < rows.stop < 650
