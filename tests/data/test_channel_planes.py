"""Planes of stacks whose samples are channels."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_construct.data.channels.read import count_channel_planes, read_channels
from napari_construct.exceptions import InputError


@pytest.fixture
def stack(tmp_path):
    values = np.random.default_rng(0).integers(0, 4000, (2, 3, 2, 20, 24), dtype=np.uint16)  # t, z, c, y, x
    names = {"axes": "TZCYX", "Channel": {"Name": ["DAPI", "membrane"]}}
    path = tmp_path / "s.ome.tif"
    tifffile.imwrite(path, values, ome=True, photometric="minisblack", metadata=names)
    return path, values


def test_planes_are_counted_and_read_last_axis_fastest(stack) -> None:
    path, values = stack
    assert count_channel_planes(path) == 6
    for plane in range(6):
        image = read_channels(path, plane=plane)
        np.testing.assert_array_equal(image.pixels, values[plane // 3, plane % 3])
        assert image.names == ("DAPI", "membrane")


def test_a_stack_is_refused_where_no_plane_is_chosen_and_a_plane_that_is_not_there(stack) -> None:
    with pytest.raises(InputError, match="one plane of channels"):
        read_channels(stack[0])
    with pytest.raises(InputError, match="from 0 to 5, got 6"):
        read_channels(stack[0], plane=6)


def test_channels_and_pictures_are_one_plane(tmp_path) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((3, 20, 24), np.uint16))
    Image.fromarray(np.zeros((20, 24), np.uint8)).save(tmp_path / "p.png")
    assert count_channel_planes(tmp_path / "c.tif") == count_channel_planes(tmp_path / "p.png") == 1
