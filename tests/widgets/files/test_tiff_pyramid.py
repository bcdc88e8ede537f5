"""The OME-TIFF of a slide's labels in napari: in parts, with classes and place; others stay others'."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from napari.settings import get_settings
from tests.widgets.slides import write_pyramid

from napari_construct import segment_slide
from napari_construct.classes import ClassTable
from napari_construct.export.pyramid_tiff import write_mask_pyramid
from napari_construct.inference.settings import SegmentSettings
from napari_construct.results.stored_tiff_pyramid import is_tiff_pyramid, open_tiff_pyramid
from napari_construct.widgets.files.preferred import PLUGIN, prefer_us
from napari_construct.widgets.files.readers import get_reader
from napari_construct.widgets.files.slides import get_reader as get_slide_reader
from napari_construct.widgets.layers import METADATA_KEY
from napari_construct.widgets.parts.dropped_images import open_dropped

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("plugins")]

CLASSES = ClassTable.from_names(("tumour", "lymphoid"), palette=("#112233", "#445566"))
LABELS = np.random.default_rng(0).integers(0, 3, (1300, 900)).astype(np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "s_mask.ome.tif"
    write_mask_pyramid(made, [LABELS, LABELS[::2, ::2], LABELS[::4, ::4]], CLASSES, (0.5, 0.4))
    return made


@pytest.mark.parametrize("dropped", [False, True])
def test_it_opens_in_parts_with_classes_and_place(viewer, path, dropped) -> None:
    prefer_us()
    if dropped:
        assert open_dropped(viewer, [path]) == ""
    else:
        viewer.open(str(path), plugin=None)  # as File > Open and a drop on the window do
    (mask,) = viewer.layers
    assert isinstance(mask, Labels)
    assert mask.multiscale
    assert not mask.editable
    assert all(isinstance(level, da.Array) for level in mask.data)
    assert [level.shape for level in mask.data] == [(1300, 900), (650, 450), (325, 225)]
    for step, level in zip((1, 2, 4), mask.data, strict=True):
        np.testing.assert_array_equal(np.asarray(level), LABELS[::step, ::step])
    np.testing.assert_array_equal(np.asarray(mask.data[0][500:530, 510:1000]), LABELS[500:530, 510:1000])
    assert mask.name == "s mask"
    np.testing.assert_allclose(mask.scale, (0.5, 0.4))
    assert [str(unit) for unit in mask.units] == ["micrometer"] * 2
    np.testing.assert_allclose(mask.get_color(1), [0x11 / 255, 0x22 / 255, 0x33 / 255, 1], atol=1e-6)
    assert list(mask.features["class"]) == ["tumour", "lymphoid"]
    assert mask.metadata[METADATA_KEY]["classes"] == ("tumour", "lymphoid")


def test_with_its_record_it_lies_on_the_slide_as_the_zarr_does(viewer, tissue, checkpoint, tmp_path) -> None:
    slide = write_pyramid(tmp_path / "scan.tif", np.tile(tissue, (3, 4, 1)), (1, 2), 0.125)
    settings = SegmentSettings(crf=None, classes=("tumour", "lymphoid"), tile=128, overlap=32)
    folder = tmp_path / "out"
    segment_slide(slide, checkpoint, settings, folder=folder, outputs=("mask",))
    (zarr,) = viewer.open(str(folder / "scan_mask.ome.zarr"), plugin="napari-construct")
    (mask,) = viewer.open(str(folder / "scan_mask.ome.tif"), plugin="napari-construct")
    np.testing.assert_allclose(mask.scale, zarr.scale)
    np.testing.assert_allclose(mask.translate, zarr.translate)
    assert tuple(mask.translate) == (0.0625, 0.0625)  # half a pixel of the slide
    for one, other in zip(mask.data, zarr.data, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert mask.metadata[METADATA_KEY]["record"] == json.loads((folder / "scan.json").read_text("utf-8"))


def test_the_level_of_the_zoom_is_drawn(viewer, path) -> None:
    (mask,) = viewer.open(str(path), plugin="napari-construct")
    mask.data_level = 2
    np.testing.assert_array_equal(mask._slice.image.raw, LABELS[::4, ::4])


@pytest.mark.parametrize("others", ["image", "channels", "labels", "our maps"])
def test_other_ome_tiffs_under_its_name_are_not_claimed(viewer, tmp_path, others) -> None:
    path = tmp_path / "x_mask.ome.tif"
    software = "napari-construct" if others == "our maps" else "another"
    pixels = {
        "image": np.zeros((64, 64, 3), np.uint8),
        "channels": np.zeros((2, 64, 64), np.uint16),
        "labels": np.ones((64, 64), np.uint8),
        "our maps": np.zeros((2, 64, 64), np.float32),
    }[others]
    photometric = "rgb" if others == "image" else "minisblack"
    tifffile.imwrite(path, pixels, ome=True, photometric=photometric, software=software)
    assert not is_tiff_pyramid(path)
    assert get_slide_reader(str(path)) is None
    assert get_reader(str(path)) is None  # not preferred: napari's own reads it
    prefer_us()
    assert get_settings().plugins.extension2reader["*_mask.ome.tif"] == PLUGIN
    found = viewer.open(str(path), plugin=None)
    assert all(isinstance(layer, Image) and METADATA_KEY not in layer.metadata for layer in found)


def test_classes_in_the_file_of_another_program_are_no_mask_of_ours(tmp_path) -> None:
    path = tmp_path / "x_mask.ome.tif"
    about = {"Description": json.dumps({"axes": "YX", "classes": {"1": "tumour"}, "mpp": None})}
    tifffile.imwrite(path, LABELS, ome=True, software="another", metadata=about)
    assert not is_tiff_pyramid(path)


def test_a_file_that_was_cut_is_refused_in_words(path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert not is_tiff_pyramid(path)
    with pytest.raises(Exception, match=r"expected a mask with its classes"):
        open_tiff_pyramid(path)


def test_without_a_pixel_size_it_is_in_pixels(viewer, tmp_path) -> None:
    path = tmp_path / "s_mask.ome.tif"
    write_mask_pyramid(path, [LABELS], CLASSES)
    (mask,) = viewer.open(str(path), plugin="napari-construct")
    np.testing.assert_allclose(mask.scale, 1)
    assert [str(unit) for unit in mask.units] == ["pixel"] * 2
    np.testing.assert_array_equal(np.asarray(mask.data), LABELS)  # of one level
