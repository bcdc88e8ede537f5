"""Images of round cells, and networks of the real libraries' classes with small, generated weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_construct.crossmodal.protocol import TeacherView

NEEDS = "needs the package {}, which is not installed (extra crossmodal)"


def cells_of(shape: tuple[int, int], places: list[tuple[int, int]], radius: float) -> NDArray[np.int32]:
    """(h, w) int32: disks, numbered from 1."""
    rows, columns = np.indices(shape)
    found = np.zeros(shape, np.int32)
    for number, (row, column) in enumerate(places, 1):
        found[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = number
    return found


@pytest.fixture
def places() -> list[tuple[int, int]]:
    """Middles of six cells, row and column; (48, 64) holds them."""
    return [(10, 12), (10, 32), (10, 52), (34, 12), (34, 32), (34, 52)]


@pytest.fixture
def cells(places: list[tuple[int, int]]) -> NDArray[np.int32]:
    return cells_of((48, 64), places, 8)


@pytest.fixture
def view(places: list[tuple[int, int]], cells: NDArray[np.int32]) -> TeacherView:
    """Bright nuclei in dim membranes."""
    nuclear = (cells_of((48, 64), places, 4) > 0).astype(np.float32)
    return TeacherView(
        np.stack([nuclear, 0.5 * (cells > 0)]).astype(np.float32), ("nuclear", "membrane"), 0.5, "a"
    )


@pytest.fixture
def small_sam() -> Callable[[], Any]:
    """Makes a Segment Anything model of the authors' classes, 64 px and some thousand random weights."""
    pytest.importorskip("segment_anything", reason=NEEDS.format("segment_anything"))
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    def make(checkpoint: None = None, *, seed: int = 0) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sam = Sam(
                image_encoder=ImageEncoderViT(
                    img_size=64,
                    patch_size=8,
                    embed_dim=32,
                    depth=2,
                    num_heads=2,
                    mlp_ratio=2,
                    out_chans=32,
                    qkv_bias=True,
                    norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
                    use_rel_pos=True,
                    window_size=4,
                    global_attn_indexes=(1,),
                ),
                prompt_encoder=PromptEncoder(
                    embed_dim=32, image_embedding_size=(8, 8), input_image_size=(64, 64), mask_in_chans=4
                ),
                mask_decoder=MaskDecoder(
                    num_multimask_outputs=3,
                    transformer=TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=2),
                    transformer_dim=32,
                    iou_head_depth=3,
                    iou_head_hidden_dim=32,
                ),
            )
            last = sam.mask_decoder.iou_prediction_head.layers[-1]
            # random weights are sure of nothing, and their masks are neither in nor out
            torch.nn.init.constant_(last.bias, 0.8)
            for network in sam.mask_decoder.output_hypernetworks_mlps:
                torch.nn.init.normal_(network.layers[-1].weight, std=20)
        return sam.eval()

    return make
