"""napari's reader preferences: ours for names of ours, and never over what others read or the user chose."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.settings import get_settings
from npe2 import DynamicPlugin, PluginManager, read
from tests.widgets import person

from napari_construct.widgets.files.names import SCANNED_SUFFIXES
from napari_construct.widgets.files.preferred import ENDINGS, OF_LAYERS, PLUGIN, prefer_us, read_as_others
from napari_construct.widgets.files.readers import get_reader

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("plugins")]

SHARED = sorted(set(ENDINGS) - set(OF_LAYERS))
"""Names that other programs write too."""


@pytest.fixture
def other() -> Iterator[DynamicPlugin]:
    """Another plugin that reads TIFF and OME-Zarr, as one plane of sevens."""
    with DynamicPlugin("other-reader", plugin_manager=PluginManager.instance()) as made:

        @made.contribute.reader(filename_patterns=["*.tif", "*.tiff", "*.zarr"], accepts_directories=True)
        def reader_of(path: Any) -> Any:
            return lambda _: [(np.full((4, 5), 7, np.uint8), {"name": "by the other"}, "image")]

        yield made


def chosen() -> dict[str, str]:
    return dict(get_settings().plugins.extension2reader)


def choose(**patterns: str) -> None:
    get_settings().plugins.extension2reader = patterns


def test_alone_every_ending_of_ours_is_preferred() -> None:
    prefer_us()
    assert chosen() == dict.fromkeys(ENDINGS, PLUGIN)


def test_where_another_plugin_reads_them_only_names_of_our_layers_and_slides(other) -> None:
    prefer_us()
    assert chosen() == dict.fromkeys((*OF_LAYERS, *(f"*{suffix}" for suffix in SCANNED_SUFFIXES)), PLUGIN)


@pytest.mark.parametrize("pattern", [*SHARED, *OF_LAYERS])
def test_a_choice_of_the_user_stays(pattern) -> None:
    choose(**{pattern: "napari"})
    prefer_us()
    assert chosen()[pattern] == "napari"


@pytest.mark.parametrize("pattern", ["*.tif", "*"])
def test_a_wider_choice_of_the_user_holds_for_names_of_others(pattern) -> None:
    choose(**{pattern: "napari"})
    prefer_us()
    assert "*_mask.tif" not in chosen()
    assert set(OF_LAYERS) <= set(chosen())  # files of others under them still go to the user's reader


@pytest.mark.parametrize("name", ["scan_mask.tif", "scan mask.tif", "scan (refined).tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_picture_of_others_is_read_as_without_us(tmp_path, name, dtype) -> None:
    prefer_us()
    path = str(tmp_path / name)
    tifffile.imwrite(path, np.arange(30, dtype=dtype).reshape(5, 6))
    reader = get_reader(path)
    assert reader is not None
    for (data, *rest), (plain, *plain_rest) in zip(
        reader(path), read([path], stack=False, plugin_name="napari"), strict=True
    ):
        np.testing.assert_array_equal(data, plain)
        assert (data.dtype, rest) == (plain.dtype, plain_rest)


def test_a_mask_of_another_program_stays_what_its_reader_says(tmp_path) -> None:
    prefer_us()
    path = str(tmp_path / "scan_mask.tif")
    tifffile.imwrite(path, np.arange(30, dtype=np.int32).reshape(5, 6))
    ((_, *rest),) = get_reader(path)(path)
    assert rest[1:] in ([], ["image"])


def test_a_file_of_others_goes_to_the_reader_that_the_user_chose(tmp_path, other) -> None:
    path = str(tmp_path / "scan mask.tif")
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    prefer_us()
    assert read_as_others(path)[0][1]["name"] == "by the other"  # no choice: plugins before napari
    choose(**{"*.tif": "napari", "*": "other-reader"})
    prefer_us()
    assert read_as_others(path)[0][0].shape == (8, 8)
    choose(**{"*": "other-reader"})
    assert read_as_others(path)[0][0].shape == (4, 5)


def test_a_folder_of_others_goes_to_the_other_plugin(tmp_path, other) -> None:
    (tmp_path / "scan.ome.zarr").mkdir()
    choose(**{f"*.ome.zarr{os.sep}": PLUGIN})  # from before the other plugin came
    path = str(tmp_path / "scan.ome.zarr")
    assert get_reader(path)(path)[0][1]["name"] == "by the other"


@pytest.mark.shown
def test_dropped_pictures_of_others_open_without_a_question(viewer, tmp_path) -> None:
    prefer_us()
    for name in ("scan_mask.tif", "scan mask.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((8, 9), np.uint8))
        person.drop(person.canvas(viewer), [tmp_path / name])
    assert [(type(layer).__name__, layer.data.shape) for layer in viewer.layers] == [("Image", (8, 9))] * 2


def test_to_find_that_a_file_is_of_others_takes_under_5_ms(tmp_path) -> None:
    prefer_us()
    path = str(tmp_path / "scan_mask.tif")
    tifffile.imwrite(path, np.zeros((4096, 4096), np.uint8), tile=(256, 256), description="of others")

    def took() -> float:
        began = time.perf_counter()
        assert get_reader(path) is read_as_others
        return time.perf_counter() - began

    assert min(took() for _ in range(10)) < 0.005
