from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from napari_construct.data.cells.open_cells import open_cells
from napari_construct.data.cells.split import split_groups
from napari_construct.data.channels.normalise import percentile_normalised


def test_nuclei(shared_data: Path) -> None:
    root = shared_data / "nuclei"
    dataset = open_cells(root)
    assert len(dataset) == 60
    assert all(dataset.has_truth)
    assert dataset.channels == ("0",)
    assert dataset.notices == ()
    for i in range(0, 60, 7):
        item = dataset.load(i)
        stored = imagecodecs.imread(root / "labels" / f"{dataset.names[i]}.png")
        np.testing.assert_array_equal(item.truth, stored)
        channel = percentile_normalised(item.image.pixels[0])
        assert channel.shape == stored.shape
        if stored.any():
            assert channel[stored > 0].mean() > channel[stored == 0].mean()
    train, val = split_groups(dataset, 0.25, 0)
    assert len(val) == 15
    assert len(train) == 45


def test_multiplex(shared_data: Path) -> None:
    dataset = open_cells(shared_data / "multiplex", channels=["HH3", "membrane"])
    item = dataset.load(0)
    assert dataset.channels == ("HH3", "Membrane")
    assert item.truth is not None
    assert len(np.unique(item.truth)) == 273
    assert item.image.pixels.shape == (2, 1024, 1024)


def test_imaging_mass_cytometry(shared_data: Path) -> None:
    root = shared_data / "pairs" / "imc_15rois"
    dataset = open_cells(root, channels=[4, 1], group_pattern=r".*mockData(\d)")
    assert len(dataset) == 15
    assert sorted(set(dataset.groups)) == ["1", "2", "3", "4", "5"]
    for i in range(15):
        item = dataset.load(i)
        stored = tifffile.imread(root / "masks" / f"{dataset.names[i]}.tiff")
        np.testing.assert_array_equal(item.truth, stored)
    train, val = split_groups(dataset, 0.2, 0)
    assert len({dataset.groups[i] for i in val}) == 1
    assert len(train) == 12
