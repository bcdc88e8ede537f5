"""The self-check tells the published wiring from ours."""

from __future__ import annotations

import pytest
import torch

from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import LossWeights, TrainingConfig
from napari_construct.training.tools.self_check import SelfCheckReport, self_check
from napari_construct.training.views.batch import TrainingBatch

SMALL = {"prototype_width": 16, "projection_hidden": 16, "adapter_hidden": 8}


def report(model_config: ModelConfig, **changes: object) -> SelfCheckReport:
    model = build_model(model_config, TinyEncoder(), 2)
    weights = LossWeights.published()
    objective = TrainingConfig(model=model_config, memory_bank=8, weights=weights).changed(**changes)
    generator = torch.Generator().manual_seed(0)
    batch = TrainingBatch(
        torch.rand(3, 3, 64, 64, generator=generator), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    )
    return self_check(model, TinyEncoder(seed=9), objective, batch)


def ours(**changes: object) -> ModelConfig:
    return ModelConfig.of_preset("construct", fusion_width=16, **SMALL, **changes)


def test_every_loss_of_our_wiring_reaches_the_cam() -> None:
    found = report(ours())
    assert found.ok, str(found)
    assert [r.loss for r in found.losses] == ["classification", "distillation", "contrast"]
    assert all(r.reaches_cam for r in found.losses)
    assert found.untrained == ()
    assert found.cam_count == found.total_count


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_ours_does_so_at_every_guidance_level(level: int) -> None:
    assert report(ours(guidance_levels=(level,))).ok


def test_several_prototypes_and_a_trained_encoder_pass_too() -> None:
    found = report(ours(prototypes_per_class=3), encoder_learning_rate=1e-4)
    assert found.ok, str(found)
    distillation = found.losses[1]
    assert any(name.startswith("encoder.") for name in distillation.reaching)


@pytest.mark.parametrize("pairs", ["labels", "background"])
def test_every_loss_there_is_reaches_the_cam(pairs: str) -> None:
    weights = {"classification": 1.0, "distillation": 1.0, "contrast": 1.0, "diversity": 1.0}
    found = report(ours(prototypes_per_class=2), weights=weights, contrast_pairs=pairs)
    assert found.ok, str(found)
    assert [r.loss for r in found.losses] == list(weights)


def test_published_wiring_fails_where_the_release_fails() -> None:
    published = ModelConfig.of_preset("published", **SMALL)
    found = report(published, weights=LossWeights(contrast=0).model_dump())
    classification, distillation = found.losses
    assert not found.ok
    assert classification.reaches_cam
    assert not distillation.reaches_cam
    assert distillation.trained
    assert all(name.startswith("head.adapters.2.") for name in distillation.trained)
    never = {name.split(".")[2] for name in found.untrained if name.startswith("head.adapters.")}
    assert never == {"0", "1"}
    assert {name.split(".")[2] for name in found.untrained if "adaptive_layers" in name} == {"0", "1", "2"}


def test_the_table_says_so_in_words() -> None:
    text = str(report(ModelConfig.of_preset("published", **SMALL), weights={"contrast": 0.0}))
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["classification"].endswith("yes")
    assert lines["distillation"].endswith("NO")
    assert "never trained" in text


def test_the_model_is_left_as_it_was() -> None:
    config = ours()
    model = build_model(config, TinyEncoder(), 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = TrainingBatch(torch.rand(2, 3, 64, 64), torch.eye(2))
    self_check(model, None, TrainingConfig(model=config, memory_bank=8), batch)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert not any(p.requires_grad for p in model.encoder.parameters())
