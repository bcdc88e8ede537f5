from __future__ import annotations

import pytest
import torch

from napari_construct.refinement.views import FOUR_VIEWS, SIX_VIEWS, VIEWS, View, scale_about

MEAN, STD = (0.6, 0.5, 0.7), (0.2, 0.3, 0.1)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))


def normalise(images: torch.Tensor) -> torch.Tensor:
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def test_six_views_are_all_pairs_of_flip_and_brightness() -> None:
    assert {(v.flip, v.brightness) for v in SIX_VIEWS} == {
        (f, b) for f in (False, True) for b in (0.9, 1.0, 1.1)
    }


def test_the_default_view_is_the_image(images: torch.Tensor) -> None:
    assert View().apply(images) is images
    assert View().undo(images) is images


def test_four_views_are_the_quarter_turns(images: torch.Tensor) -> None:
    seen = [view.apply(images) for view in FOUR_VIEWS]
    assert [tuple(view.shape[2:]) for view in seen] == [(4, 6), (6, 4), (4, 6), (6, 4)]
    torch.testing.assert_close(seen[2], images.flip(-1, -2))
    torch.testing.assert_close(seen[1][..., 0], images[..., 0, :].flip(-1))


def test_every_name_has_views() -> None:
    assert {name: len(views) for name, views in VIEWS.items()} == {"one": 1, "four": 4, "six": 6}


@pytest.mark.parametrize("view", SIX_VIEWS + FOUR_VIEWS + (View(flip=True, turns=1),))
def test_undo_brings_maps_back(view: View, images: torch.Tensor) -> None:
    still = View(view.flip, view.turns)
    torch.testing.assert_close(still.undo(still.apply(images)), images)
    assert view.undo(view.apply(images)).shape == images.shape


def test_brightness_of_the_raw_image_is_clipped(images: torch.Tensor) -> None:
    torch.testing.assert_close(View(brightness=1.1).apply(images), (1.1 * images).clamp(max=1))
    torch.testing.assert_close(View(brightness=0.9).apply(images), 0.9 * images)


def test_about_the_mean_it_multiplies_the_normalised_tensor(images: torch.Tensor) -> None:
    seen = normalise(View(flip=True, brightness=1.1).apply(images, MEAN))
    torch.testing.assert_close(seen, (1.1 * normalise(images)).flip(-1), rtol=1e-5, atol=1e-5)


def test_scale_about_fades_pixel_by_pixel(images: torch.Tensor) -> None:
    weight = torch.zeros(2, 1, 4, 6)
    weight[..., 0] = 1
    faded = scale_about(images, weight, MEAN)
    torch.testing.assert_close(faded[..., 0], images[..., 0])
    torch.testing.assert_close(faded[0, :, 0, 1], torch.tensor(MEAN))
