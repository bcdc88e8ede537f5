"""Labels of a slide as pyramidal OME-TIFF."""

from __future__ import annotations

import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_construct.classes import ClassTable
from napari_construct.data.mask_description import mask_description
from napari_construct.data.slides.slide import open_slide
from napari_construct.exceptions import InputError
from napari_construct.export.own_files import is_own
from napari_construct.export.pyramid_tiff import write_mask_pyramid
from napari_construct.results.read import load_result

CLASSES = ClassTable.from_names(("tumour", 'stroma, "loose" <ü>'), palette=("#FF0000", "#00FF10"))


class Rows:
    """Levels that are made where they are read."""

    dtype = np.dtype(np.uint8)

    def __init__(self, side: int) -> None:
        self.shape = (side, side)

    def __getitem__(self, place: tuple[slice, slice]) -> np.ndarray:
        y, x = (np.arange(part.start, min(part.stop, self.shape[0])) for part in place)
        return ((y[:, None] // 100 + x // 70) % 3).astype(np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    return Rows(1300)[0:1300, 0:900]


def test_levels_names_and_sizes(labels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "slide_mask.ome.tif"
    levels = [labels, labels[::2, ::2], labels[::4, ::4]]
    write_mask_pyramid(path, levels, CLASSES, (0.5, 0.4))
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert file.is_bigtiff
        (series,) = file.series
        assert series.axes == "YX"
        assert [level.shape for level in series.levels] == [level.shape for level in levels]
        for found, expected in zip(series.levels, levels, strict=True):
            np.testing.assert_array_equal(found.asarray(), expected)
        page = file.pages.first
        assert len(page.subifds) == 2
        assert (page.tilewidth, page.tilelength, page.compression.name) == (512, 512, "ADOBE_DEFLATE")
        assert page.tags["Software"].value == "napari-construct"
        assert page.colormap[:, 1].tolist() == [65535, 0, 0]
        ome = ET.fromstring(file.ome_metadata)
    pixels = ome.find(".//{*}Pixels")
    assert pixels is not None
    assert (pixels.get("SizeX"), pixels.get("SizeY"), pixels.get("Type")) == ("900", "1300", "uint8")
    assert (float(pixels.get("PhysicalSizeX", 0)), float(pixels.get("PhysicalSizeY", 0))) == (0.4, 0.5)
    assert pixels.get("PhysicalSizeXUnit") == "µm"
    assert is_own(path)


def test_it_is_read_again_by_the_names_of_its_classes(labels: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a_mask.ome.tif"
    write_mask_pyramid(path, [labels, labels[::2, ::2]], CLASSES, (0.5, 0.5))
    described = mask_description(path)
    assert described is not None
    assert described.names == dict(enumerate(CLASSES.names, start=1))
    assert described.mpp == 0.5
    found = load_result(path)
    assert found.classes.names == CLASSES.names
    assert found.classes[1].colour == "#00FF10"
    np.testing.assert_array_equal(found.labels, labels)
    with open_slide(path) as slide:
        assert slide.shape == labels.shape
        assert slide.mpp == pytest.approx((0.5, 0.5))
        assert len(slide.levels) == 2


def test_one_level_without_a_size(tmp_path: Path) -> None:
    path = tmp_path / "small.ome.tif"
    write_mask_pyramid(path, [np.eye(20, 30, dtype=np.uint8)], CLASSES)
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), np.eye(20, 30))
    with pytest.raises(InputError, match="uint8"):
        write_mask_pyramid(path, [np.zeros((4, 4), np.int32)], CLASSES)


def test_memory_holds_a_few_tiles(tmp_path: Path) -> None:
    tracemalloc.start()
    write_mask_pyramid(tmp_path / "a.ome.tif", [Rows(8192), Rows(4096)], CLASSES, (0.5, 0.5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000  # of 84 million pixels
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        np.testing.assert_array_equal(file.series[0].levels[1].asarray(), Rows(4096)[0:4096, 0:4096])
