"""Connected parts counted block by block are those of the whole mask."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.region_set import Window
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.results.measures.components import count_components
from napari_construct.results.measures.table import pyramid_table, read_window
from napari_construct.results.stored_pyramid import open_pyramid


def reader(labels: np.ndarray) -> Callable[[Window], np.ndarray]:
    return lambda window: read_window(labels, window)


def parts(labels: np.ndarray, k: int) -> list[int]:
    eight = np.ones((3, 3))
    return [ndimage.label(labels == value, eight)[1] for value in range(1, k + 1)]


@pytest.fixture(scope="module")
def stain(camelyon: Path) -> np.ndarray:
    """(256, 256) of three classes by the brightness of real tissue: many small and a few large parts."""
    (path,) = (camelyon / "val" / "img").glob("*.png")
    grey = read_image(path).pixels.mean(2)
    return np.digitize(grey, np.quantile(grey, (0.25, 0.5, 0.75))).astype(np.uint8)


@pytest.mark.parametrize("block", [16, 64, 100, 4096])
def test_real_tissue(stain: np.ndarray, block: int) -> None:
    whole = Window(0, 0, *stain.shape)
    expected = parts(stain, 3)
    assert min(expected) > 100
    assert count_components(reader(stain), whole, 3, block).tolist() == expected
    part = Window(13, 27, 200, 150)
    assert count_components(reader(stain), part, 3, block).tolist() == parts(stain[13:213, 27:177], 3)


def test_noise_spirals_and_corners() -> None:
    rng = np.random.default_rng(0)
    for side in (1, 7, 23, 40):
        labels = rng.integers(0, 4, (side, side + 3)).astype(np.uint8)
        whole = Window(0, 0, *labels.shape)
        for block in (2, 4, 8):
            assert count_components(reader(labels), whole, 3, block).tolist() == parts(labels, 3)
    spiral = np.zeros((33, 33), np.uint8)
    for ring in range(0, 16, 2):  # rings that are joined to one part by one pixel each
        spiral[ring, ring : 33 - ring] = spiral[32 - ring, ring : 33 - ring] = 1
        spiral[ring : 33 - ring, ring] = spiral[ring : 33 - ring, 32 - ring] = 1
    assert count_components(reader(spiral), Window(0, 0, 33, 33), 1, 8).tolist() == [8]
    spiral[np.arange(1, 16, 2), 16] = 1
    assert count_components(reader(spiral), Window(0, 0, 33, 33), 1, 8).tolist() == [1]
    diagonal = np.eye(32, dtype=np.uint8)
    assert count_components(reader(diagonal), Window(0, 0, 32, 32), 1, 8).tolist() == [1]
    assert count_components(reader(diagonal[:, ::-1]), Window(0, 0, 32, 32), 1, 8).tolist() == [1]


def test_an_empty_window_has_none() -> None:
    assert count_components(reader(np.ones((5, 5), np.uint8)), Window(0, 0, 0, 0), 2).tolist() == [0, 0]


def test_memory_does_not_grow_with_the_height() -> None:
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 3, (64, 256)).astype(np.uint8)

    def peak(height: int) -> int:
        tracemalloc.start()
        whole = Window(0, 0, height, 256)
        count_components(lambda part: np.resize(tile, (part.height, 256))[:, : part.width], whole, 2, 64)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(128)
    few, many = (min(peak(height) for _ in range(3)) for height in (256, 2048))  # other threads allocate, too
    assert many < 1.5 * few


def test_a_pyramid_of_small_shards(stain: np.ndarray, tmp_path: Path) -> None:
    classes = ClassTable.from_names(("a", "b", "c"))
    pyramid = LabelPyramid.create(tmp_path / "s.ome.zarr", stain.shape, classes, mpp=0.5, shard=64, chunk=32)
    for top, left, height, width in pyramid.left():
        pyramid.write(top, left, stain[top : top + height, left : left + width])
    pyramid.finish()
    table = pyramid_table(open_pyramid(pyramid.path), block=64)
    assert table["components"].tolist() == parts(stain, 3)
    assert table["pixels"].tolist() == np.bincount(stain.ravel())[1:].tolist()
    assert table["mm2"].tolist() == pytest.approx(np.bincount(stain.ravel())[1:] * 0.25e-6)
    assert list(table) == ["region", "class", "pixels", "mm2", "percent_of_labelled", "components"]
