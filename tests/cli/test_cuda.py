"""Commands on a graphics card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.graphics_card import GraphicsCard

from napari_construct.data.masks import read_mask

pytestmark = pytest.mark.cuda


def test_segment_on_both_devices(
    card: GraphicsCard, model: Path, image: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    masks = []
    for device in ("cuda", "cpu"):
        done = call("segment", image, "--model", model, "--device", device, "--output", tmp_path / device)
        assert done.exit_code == 0, done.output
        masks.append(read_mask(tmp_path / device / "region_mask.tif"))
    assert (masks[0] == masks[1]).mean() >= 0.995


def test_train_on_the_card_and_segment(
    card: GraphicsCard, camelyon: Path, image: Path, tmp_path: Path, call: Callable[..., Any]
) -> None:
    trained = tmp_path / "m.construct"
    done = call(
        "train", camelyon / "train", "--output", trained, "--device", "cuda", "--epochs", 2, "--mpp", 0.25
    )
    assert done.exit_code == 0, done.output
    done = call("segment", image, "--model", trained, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output


def test_the_report_names_the_card(card: GraphicsCard, call: Callable[..., Any]) -> None:
    done = call("models", "doctor")
    assert torch.cuda.get_device_name() in done.output
