"""Random views: image and targets move together, and only the image changes its look."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crossmodal.config import ChannelAugmentation
from napari_construct.crossmodal.views.draw import ViewBatch, draw_views
from napari_construct.crossmodal.views.prepared import MAPS, Prepared
from napari_construct.training.randomness import generator

STILL = ChannelAugmentation(flip=False, rotation=False, scale=0, gain=0, offset=0, gamma=0, blur=0, noise=0)


def _prepared(side: int = 100) -> Prepared:
    """The image shows its own truth."""
    rows, columns = np.mgrid[:side, :side]
    disc = ((rows - side / 2) ** 2 + (columns - side / 3) ** 2 < (side / 5) ** 2).astype(np.float32)
    maps = torch.zeros((len(MAPS), side, side), dtype=torch.uint8)
    for name in ("foreground", "truth"):
        maps[MAPS.index(name)] = torch.from_numpy(disc * 255).byte()
    maps[MAPS.index("known")] = maps[MAPS.index("inside")] = 255
    return Prepared(torch.from_numpy(disc)[None].half(), maps)


def _draw(config: ChannelAugmentation, number: int = 0, side: int = 100, size: int = 64) -> ViewBatch:
    return draw_views([_prepared(side)] * 3, size, config, generator(1, "views", number))


def test_without_augmentation_a_view_is_a_part_of_the_image() -> None:
    found = _draw(STILL)
    image, truth = found.images, found.target("truth")
    assert image.shape == (3, 1, 64, 64)
    assert float((image.round() != truth).float().mean()) < 0.01
    assert bool((found.target("inside") == 1).all())


@pytest.mark.parametrize("number", range(5))
def test_targets_turn_with_the_image(number: int) -> None:
    moved = STILL.changed(flip=True, rotation=True, scale=0.3)
    found = _draw(moved, number)
    inside = found.target("inside") > 0
    wrong = ((found.images > 0.5).float() != found.target("truth"))[inside]
    assert float(wrong.float().mean()) < 0.02
    area = float(found.target("truth").mean())
    assert 0 < area < 1


def test_only_the_image_changes_its_look() -> None:
    plain, changed = _draw(STILL), _draw(STILL.changed(gain=0.5, offset=0.2, gamma=0.5, blur=2, noise=0.1))
    assert torch.equal(plain.maps, changed.maps)
    assert not torch.equal(plain.images, changed.images)
    assert float(changed.images.min()) >= 0
    assert float(changed.images.max()) <= 1


def test_views_are_a_function_of_the_generator() -> None:
    config = ChannelAugmentation()
    assert torch.equal(_draw(config, 4).images, _draw(config, 4).images)
    assert not torch.equal(_draw(config, 4).images, _draw(config, 5).images)


def test_beyond_a_small_image_nothing_is_known() -> None:
    found = _draw(STILL, side=40, size=64)
    inside = found.target("inside")
    assert float(inside.mean()) == pytest.approx((40 / 64) ** 2, abs=0.01)
    outside = inside == 0
    for name in MAPS:
        assert not bool(found.target(name)[outside].any())
