"""The door between layers and arrays: what comes in as RGB, where results lie."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels
from tests.widgets.conftest import CLASSES, by_colour

from napari_construct.exceptions import InputError
from napari_construct.widgets import layers as _layers
from napari_construct.widgets.layers import (
    class_map_layers,
    is_source,
    micrometres_per_pixel,
    plane_on_view,
    result_layer,
)

PLACEMENTS = {
    "plain": {},
    "scaled": {"scale": (0.5, 0.25), "translate": (3.0, -7.0)},
    "rotated": {"rotate": 30.0, "scale": (2.0, 2.0), "translate": (5.0, 1.0)},
    "sheared": {"shear": (0.3,)},
    "affine": {"affine": np.array([[1.0, 0.2, 4.0], [-0.1, 2.0, 5.0], [0, 0, 1]]), "scale": (0.5, 0.5)},
    "units": {"scale": (0.25, 0.25), "units": ("um", "um"), "axis_labels": ("rows", "columns")},
}


def variants(tissue: np.ndarray) -> dict[str, Image]:
    """The same tissue as layers may hold it."""
    alpha = np.full((*tissue.shape[:2], 1), 255, np.uint8)
    half = tissue[::2, ::2]
    return {
        "rgb": Image(tissue, rgb=True),
        "rgba": Image(np.concatenate([tissue, alpha], axis=2), rgb=True),
        "float": Image((tissue / 255).astype(np.float32), rgb=True),
        "uint16": Image(tissue.astype(np.uint16) * 257, rgb=True),
        "dask": Image(da.from_array(tissue, chunks=(64, 64, 3)), rgb=True),
        "zarr": Image(zarr.array(tissue, chunks=(64, 64, 3)), rgb=True, contrast_limits=(0, 255)),
        "multiscale": Image([tissue, half], rgb=True, multiscale=True),
        "stack": Image(np.stack([tissue[::-1], tissue, tissue // 2]), rgb=True),
    }


@pytest.mark.parametrize("kind", ["rgb", "rgba", "float", "uint16", "dask", "zarr", "multiscale", "stack"])
def test_every_kind_of_layer_gives_the_same_pixels(tissue, kind) -> None:
    layer = variants(tissue)[kind]
    point = (1.0, 0.0, 0.0) if layer.ndim == 3 else (0.0, 0.0)
    pixels, _, notices = plane_on_view(layer, point).rgb()
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, tissue)
    assert bool(notices) == (kind in ("rgba", "uint16"))


def test_greyscale_is_repeated_and_said(tissue) -> None:
    grey = tissue.mean(axis=2).astype(np.uint8)
    pixels, _, notices = plane_on_view(Image(grey), (0.0, 0.0)).rgb()
    np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))
    assert "greyscale" in notices[0]


def test_three_planes_that_may_be_channels_are_pointed_out(tissue) -> None:
    layer = Image(np.moveaxis(tissue, 2, 0), rgb=False)
    plane = plane_on_view(layer, (2.0, 0.0, 0.0))
    pixels, _, notices = plane.rgb()
    np.testing.assert_array_equal(pixels[..., 0], tissue[..., 2])
    assert "merge them to RGB" in notices[0]


def test_nan_is_named(tissue) -> None:
    bad = (tissue / 255).astype(np.float32)
    bad[3, 4] = np.nan
    with pytest.raises(InputError, match=r"slide.*NaN"):
        plane_on_view(Image(bad, rgb=True, name="slide"), (0.0, 0.0)).rgb()


def test_lazy_arrays_are_not_read_at_the_door(tissue) -> None:
    reads = []

    def read(block):
        reads.append(block.shape)
        return block

    lazy = da.from_array(tissue, chunks=(64, 64, 3)).map_blocks(
        read, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    layer = Image(lazy, rgb=True, contrast_limits=(0, 255))
    before = len(reads)
    plane = plane_on_view(layer, (0.0, 0.0))
    assert len(reads) == before
    plane.rgb()
    assert len(reads) > before


@pytest.mark.parametrize("name", PLACEMENTS)
@pytest.mark.parametrize("kind", ["rgb", "rgba", "float", "uint16", "dask", "zarr", "multiscale"])
def test_results_lie_where_their_source_lies(tissue, kind, name) -> None:
    source = variants(tissue)[kind]
    for key, value in PLACEMENTS[name].items():
        setattr(source, key, value)
    plane = plane_on_view(source, (0.0, 0.0))
    mask = result_layer(by_colour(tissue, plane.mpp), plane)
    for layer in (mask, *class_map_layers(mask)):
        assert layer.data.shape == tissue.shape[:2]
        for key in ("scale", "translate", "rotate", "shear"):
            np.testing.assert_allclose(getattr(layer, key), getattr(source, key), atol=1e-12, err_msg=key)
        np.testing.assert_allclose(layer.affine.affine_matrix, source.affine.affine_matrix)
        assert layer.units == source.units
        assert layer.axis_labels == source.axis_labels
        for corner in [(0, 0), (255, 0), (13, 200)]:
            np.testing.assert_allclose(layer.data_to_world(corner), source.data_to_world(corner), atol=1e-9)


@pytest.mark.parametrize(
    "placement",
    [
        {},
        {"scale": (5.0, 0.5, 0.25), "translate": (100.0, 3.0, -7.0)},
        {"rotate": (0, 0, 30.0), "scale": (2, 0.5, 0.5)},
        {"affine": np.array([[2, 0, 0, 1.0], [0, 1, 0.2, 4], [0, -0.1, 2, 5], [0, 0, 0, 1]])},
    ],
    ids=["plain", "scaled", "rotated", "affine"],
)
@pytest.mark.parametrize("index", [0, 2])
def test_result_of_a_plane_lies_on_that_plane(tissue, placement, index) -> None:
    source = Image(np.stack([tissue] * 3), rgb=True, **placement)
    point = tuple(source.data_to_world((index, 0, 0)))
    plane = plane_on_view(source, point)
    assert plane.index == (index,)
    layer = result_layer(by_colour(tissue, None), plane)
    assert layer.data.shape == (1, *tissue.shape[:2])
    for corner in [(0, 0), (255, 0), (13, 200)]:
        np.testing.assert_allclose(
            layer.data_to_world((0, *corner)), source.data_to_world((index, *corner)), atol=1e-9
        )


@pytest.mark.parametrize("name", PLACEMENTS)
@pytest.mark.parametrize("window", [None, (slice(64, 200), slice(32, 256))], ids=["whole", "part"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_refined_mask_lies_on_the_mask_it_came_from(tissue, name, window, ndim) -> None:
    planes = tissue if ndim == 2 else np.stack([tissue, tissue])
    source = Image(planes, rgb=True)
    for key, value in PLACEMENTS[name].items():
        if ndim == 2:
            setattr(source, key, value)
    if ndim == 3:
        source.scale, source.rotate, source.translate = (3, 0.5, 0.25), (0, 0, 30), (7, 3, -2)
    first = plane_on_view(source, tuple(source.data_to_world((1, 0, 0)[-ndim:])), window)
    result = by_colour(first.rgb()[0], None)
    mask = result_layer(result, first)
    twin = Labels(np.array(mask.data), **_layers.twin_placement(mask))
    start = (0, 0) if window is None else (64, 32)
    for corner in [(0, 0), (100, 0), (13, 120)]:
        there = source.data_to_world((*first.index, corner[0] + start[0], corner[1] + start[1]))
        for layer in (mask, twin):
            np.testing.assert_allclose(layer.data_to_world((0, *corner)[-ndim:]), there, atol=1e-9)
    assert twin.units == mask.units == source.units
    assert twin.axis_labels == mask.axis_labels == source.axis_labels


def test_plane_follows_a_viewer_with_more_axes(tissue) -> None:
    layer = Image(np.stack([tissue, tissue // 2]), rgb=True)
    assert plane_on_view(layer, (7.0, 4.0, 1.0, 30.0, 30.0)).index == (1,)


@pytest.mark.parametrize(
    ("units", "scale", "expected"),
    [
        (("um", "um"), (0.25, 0.25), 0.25),
        (("nm", "nm"), (500.0, 500.0), 0.5),
        (("mm", "mm"), (0.001, 0.001), 1.0),
        (("um", "um"), (0.2, 0.8), 0.4),
        (("pixel", "pixel"), (0.25, 0.25), None),
        (("um", "um"), (300.0, 300.0), None),  # a screen, not a microscope
    ],
)
def test_micrometres_per_pixel(tissue, units, scale, expected) -> None:
    layer = Image(tissue, rgb=True, units=units, scale=scale)
    assert micrometres_per_pixel(layer) == (None if expected is None else pytest.approx(expected))


def test_micrometres_per_pixel_of_rotated_stacks_in_time(tissue) -> None:
    layer = Image(np.stack([tissue] * 2), rgb=True, units=("s", "um", "um"), scale=(3, 0.5, 0.5))
    layer.rotate = (0, 0, 40)
    assert micrometres_per_pixel(layer) == pytest.approx(0.5)


def test_own_results_and_other_layers_are_no_sources(tissue) -> None:
    plane = plane_on_view(Image(tissue, rgb=True), (0.0, 0.0))
    labels = result_layer(by_colour(tissue, None), plane)
    cam = class_map_layers(labels)[0]
    assert is_source(Image(tissue, rgb=True))
    assert not is_source(cam)
    assert not is_source(labels)


def test_table_names_colours_and_counts(tissue) -> None:
    result = by_colour(tissue, 0.25)
    features = _layers.label_features(result)
    assert features["index"] == [1, 2]
    assert features["class"] == ["tumour", "lymphoid"]
    for i in (1, 2):
        of_class = result.labels == i
        assert features["pixels"][i - 1] == of_class.sum()
        assert features["mean confidence"][i - 1] == pytest.approx(
            result.confidence[of_class].mean(), rel=1e-4
        )
    colours = _layers.label_colormap(CLASSES)
    np.testing.assert_allclose(colours.map(2), (0x56 / 255, 0xB4 / 255, 0xE9 / 255, 1), atol=1e-6)
    assert colours.map(0)[3] == 0
    assert colours.map(77)[3] == 0


def test_cam_is_transparent_where_there_is_none_of_the_class() -> None:
    colormap = _layers.class_colormap("#E69F00")
    np.testing.assert_allclose(colormap.map([0.0, 1.0])[:, 3], [0, 1])
    np.testing.assert_allclose(colormap.map([0.0, 1.0])[:, 0], [0xE6 / 255] * 2)
