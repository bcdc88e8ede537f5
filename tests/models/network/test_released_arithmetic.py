from __future__ import annotations

import pytest
import torch

from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import BCSS_MEAN, BCSS_STD, ModelConfig
from napari_construct.models.network.released_arithmetic import Restandardise, region_crops, teacher_images
from napari_construct.refinement.regions import region_weights


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_encoder_sees_the_statistics_of_the_configuration(images: torch.Tensor) -> None:
    encoder = TinyEncoder()
    fields = {"encoder": "tiny", "prototype_width": 8, "projection_hidden": 8}
    model = build_model(ModelConfig.of_preset("published", **fields), encoder, 2)
    wanted = (images - torch.tensor(BCSS_MEAN).view(1, 3, 1, 1)) / torch.tensor(BCSS_STD).view(1, 3, 1, 1)
    seen = encoder.normalise(model.restandardise(images))
    torch.testing.assert_close(seen, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.features(images), encoder(model.restandardise(images)))
    assert not torch.allclose(model.features(images)[0], encoder(images)[0], atol=1e-2)


def test_without_statistics_images_pass_untouched(images: torch.Tensor) -> None:
    assert Restandardise(TinyEncoder().spec, None, None)(images) is images


def test_it_adds_nothing_to_the_state() -> None:
    assert not Restandardise(TinyEncoder().spec, BCSS_MEAN, BCSS_STD).state_dict()


def test_teacher_images_are_almost_the_images(images: torch.Tensor) -> None:
    difference = (teacher_images(images) - images).abs().amax()
    assert 1e-6 < float(difference) < 2e-4


def test_crops_fade_to_the_mean_colour(images: torch.Tensor) -> None:
    mean = (0.5, 0.4, 0.3)
    cam = torch.zeros(2, 1, 32, 32)
    cam[..., :16] = 1.0
    weights = region_weights(cam, torch.ones(2, 1), (32, 32))
    foreground, background = region_crops(images, weights, mean)
    colour = torch.tensor(mean).view(1, 3, 1, 1).expand(2, 3, 32, 16)
    torch.testing.assert_close(foreground[..., :16], images[..., :16])
    torch.testing.assert_close(foreground[..., 16:], colour)
    torch.testing.assert_close(background[..., :16], colour)
    torch.testing.assert_close(background[..., 16:], images[..., 16:])
