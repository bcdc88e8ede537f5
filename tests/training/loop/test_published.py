"""The task in the published preset against the released code's numbers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batch import TrainingBatch


@pytest.fixture(scope="module")
def parity(root: Path) -> ModuleType:
    path = root / "benchmarks" / "parity.py"
    spec = importlib.util.spec_from_file_location("parity_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_losses_are_the_released_ones(parity: ModuleType, shared: Path) -> None:
    folder = shared / "parity"
    with np.load(folder / "construct_reference.npz") as archive:
        golden = {name: archive[name] for name in archive.files}
    make = parity.load_make_tensor(folder / "weights.py")
    networks, _ = parity.build_networks(make, golden["tokens"])
    config = TrainingConfig.of_preset("published")
    task = TrainingTask(networks.model, networks.teacher, config).eval()
    assert task.contrast is not None
    task.contrast.bank.push(F.normalize(torch.from_numpy(make("memory_bank", parity.BANK)).float(), dim=-1))
    images = torch.from_numpy(golden["images"]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        parts = task(TrainingBatch(images, torch.from_numpy(golden["labels"]).float()))
    expected = {
        "classification": golden["bce"],
        "distillation": golden["struct_loss_2"],
        "contrast": golden["fg_loss"] + golden["bg_loss"],
    }
    for name, value in expected.items():
        assert parts[name].item() == pytest.approx(float(value), rel=1e-4), name
    total = 1.0 * expected["classification"] + 1.5 * expected["distillation"] + 0.2 * expected["contrast"]
    assert parts["loss"].item() == pytest.approx(float(total), rel=1e-4)
