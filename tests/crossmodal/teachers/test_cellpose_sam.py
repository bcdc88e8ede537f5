"""Cellpose-SAM: the library's own classes on a small encoder with generated weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_construct.crossmodal.protocol import Teacher, TeacherView
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.exceptions import CheckpointError, InputError

MISSING = "needs the package cellpose, which is not installed (extra crossmodal)"


@pytest.fixture
def weights(small_sam: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as cellpose saves it; the registry gives a small ViT-L of 1024 px."""
    pytest.importorskip("cellpose", reason=MISSING)
    from cellpose import models
    from cellpose.vit import CPSAM
    from segment_anything import sam_model_registry
    from segment_anything.modeling import ImageEncoderViT

    def small(checkpoint: None = None) -> Any:
        sam = small_sam()
        sam.image_encoder = ImageEncoderViT(
            img_size=1024, patch_size=16, embed_dim=16, depth=1, num_heads=1, mlp_ratio=1, out_chans=16,
            use_rel_pos=True, window_size=0, global_attn_indexes=(0,),
        )  # fmt: skip
        return sam

    monkeypatch.setitem(sam_model_registry, "vit_l", small)
    monkeypatch.setattr(models, "MODEL_DIR", tmp_path / "none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = CPSAM()
        torch.nn.init.normal_(net.out.weight, std=0.5)
    net.save_model(tmp_path / "cpsam_v2")
    return tmp_path / "cpsam_v2"


def test_the_cell_probability_is_the_foreground_and_masks_are_cells(weights: Path, view: TeacherView) -> None:
    from cellpose.models import CellposeModel

    teacher = load_teacher("cellpose_sam", weights, "cpu", flow_threshold=0.0, min_size=1)
    assert isinstance(teacher, Teacher)
    found = teacher.predict(view)
    model = CellposeModel(pretrained_model=str(weights), device=torch.device("cpu"), use_bfloat16=False)
    picture = np.stack([view.channels[1], view.channels[0], np.zeros((48, 64), np.float32)], -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about sparse tensors
        masks, flows, _ = model.eval(picture, channel_axis=-1, flow_threshold=0.0, min_size=1)
    assert flows[2].std() > 0.1
    np.testing.assert_allclose(found.foreground, 1 / (1 + np.exp(-flows[2])), atol=1e-6)
    assert found.instances is not None
    np.testing.assert_array_equal(found.instances > 0, masks > 0)
    assert found.instances.max() == len(np.unique(masks)) - 1


def test_images_without_the_channels_are_refused(weights: Path, view: TeacherView) -> None:
    teacher = load_teacher("cellpose_sam", weights, "cpu")
    with pytest.raises(InputError, match="a: expected a channel of the role membrane or nuclear"):
        teacher.predict(replace(view, roles=("cd3", "cd8")))


def test_missing_and_other_weights_are_refused_without_a_download(
    weights: Path, small_sam: Callable[[], Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cellpose import models

    def never(*_: Any) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(models, "cache_model_path", never)
    with pytest.raises(CheckpointError, match=r"cellpose_sam: .*get cpsam_v2 \(1\.2 GB, BSD-3-Clause\)"):
        load_teacher("cellpose_sam")
    torch.save(small_sam().state_dict(), weights)
    with pytest.raises(CheckpointError, match="cellpose refuses"):
        load_teacher("cellpose_sam", weights)


def test_weights_lie_where_the_library_keeps_them(
    weights: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cellpose import models

    monkeypatch.setattr(models, "MODEL_DIR", weights.parent)
    assert (
        load_teacher("cellpose_sam", device="cpu").identity
        == load_teacher("cellpose_sam", weights, "cpu").identity
    )
