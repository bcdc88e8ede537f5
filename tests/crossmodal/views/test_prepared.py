"""An image as the student is trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct.crossmodal.config import DistilConfig
from napari_construct.crossmodal.protocol import TeacherOutput
from napari_construct.crossmodal.views.prepared import MAPS, Prepared, nearest, prepare
from napari_construct.data.cells.dataset import CellItem
from napari_construct.data.channels.image import ChannelImage
from napari_construct.exceptions import ConfigurationError, InputError


def _item(mpp: float | None = 0.5, side: int = 40) -> CellItem:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4000, (2, side, side)).astype(np.uint16)
    truth = np.zeros((side, side), np.int32)
    truth[5:15, 5:15], truth[5:15, 15:25] = 1, 2
    return CellItem(ChannelImage(pixels, ("DAPI", "membrane"), mpp, (), Path("x.tif")), truth)


def _output(side: int = 40) -> TeacherOutput:
    foreground = np.zeros((side, side), np.float32)
    foreground[10:30, 10:30] = 0.8
    return TeacherOutput(foreground)


def _map(prepared: Prepared, name: str) -> np.ndarray:
    return prepared.maps[MAPS.index(name)].numpy()


def test_maps_are_those_of_teacher_and_truth() -> None:
    found = prepare(_item(), _output(), DistilConfig(channels=("DAPI",), band_um=2.0), "x")
    assert found.image.shape == (1, 40, 40)
    assert float(found.image.min()) == 0
    assert float(found.image.max()) == 1
    assert (_map(found, "foreground")[10:30, 10:30] == round(0.8 * 255)).all()
    band = _map(found, "band")
    assert (band[10, 10:30] == 255).all()  # on the contour
    assert not band[20, 20]  # 10 px from it; the band reaches 4 px
    assert band[13, 20]
    assert not band[14, 20]
    truth, border = _map(found, "truth"), _map(found, "truth_boundary")
    assert (truth[5:15, 5:25] == 255).all()
    assert truth.astype(bool).sum() == 200
    assert (border[6:14, 14:16] == 255).all()  # cells that touch
    assert (_map(found, "known") == 255).all()
    assert found.diameter == pytest.approx(2 * (100 / np.pi) ** 0.5)


def test_without_truth_nothing_is_known_and_without_teacher_there_is_no_band() -> None:
    config = DistilConfig()
    untold = prepare(CellItem(_item().image), _output(), config, "x")
    assert not _map(untold, "known").any()
    alone = prepare(_item(), None, config, "x")
    assert not _map(alone, "band").any()
    assert not _map(alone, "foreground").any()
    assert (_map(alone, "inside") == 255).all()


def test_images_of_another_resolution_are_resampled_with_all_maps() -> None:
    found = prepare(_item(mpp=0.5), _output(), DistilConfig(mpp=1.0), "x")
    assert found.image.shape == (1, 20, 20)
    assert found.maps.shape[1:] == (20, 20)
    assert abs(_map(found, "truth").astype(bool).sum() - 50) <= 10
    same = prepare(_item(mpp=None), _output(), DistilConfig(mpp=1.0), "x")
    assert same.image.shape == (1, 40, 40)


def test_labels_keep_their_numbers_under_resampling() -> None:
    labels = np.arange(16, dtype=np.int32).reshape(4, 4)
    assert (nearest(labels, (8, 8))[::2, ::2] == labels).all()
    assert set(np.unique(nearest(labels, (3, 3)))) <= set(range(16))


def test_what_does_not_fit_together_is_told() -> None:
    with pytest.raises(InputError, match="expected the teacher's output of the image's 40 x 40"):
        prepare(_item(), _output(41), DistilConfig(), "x")
    with pytest.raises(ConfigurationError, match="DAPI"):
        prepare(_item(), None, DistilConfig(channels=("Hoechst",)), "x")
