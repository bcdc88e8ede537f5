"""A head is normalised by statistics of patches side by side, as images are; never by those of views."""

from __future__ import annotations

import pytest
import torch

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.events import run
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.training.loop.training_run import TrainingRun


@pytest.mark.parametrize("change", [{"average_from": 0.1}, {"average_from": None}, {"feature_cache": True}])
def test_the_head_sees_images(
    patches: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path, monkeypatch, change
) -> None:
    runs: list[TrainingRun] = []
    see = TrainingRun.see_images
    monkeypatch.setattr(TrainingRun, "see_images", lambda self: runs.append(self) or see(self))
    config = tiny_config.changed(epochs=2, cache_folder=str(tmp_path), **change)
    network = build_from_checkpoint(run(train_steps(patches, config, device="cpu")))
    sheets, head = runs[-1].sheets, network.head
    stored = {name: buffer.clone() for name, buffer in head.named_buffers() if "running" in name}
    assert stored
    for module in head.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    head.train()
    with torch.no_grad():
        for number in range(len(sheets)):
            head(network.features(sheets.sheet(number)))
    found = dict(head.named_buffers())
    for name, buffer in stored.items():  # weights of the checkpoint have half precision
        torch.testing.assert_close(found[name], buffer, rtol=0.02, atol=2e-3)
