"""Names of CLIP's tensors in the transformers library, translated to those of open_clip.

The same network is published in two layouts: PLIP, for one, exists in the transformers layout alone.
There queries, keys and values are three tensors, and projections are transposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from napari_construct.exceptions import EncoderError

_TOWERS: Final = (("vision_model.", "visual."), ("text_model.", ""))
_WHOLE: Final = {
    "embeddings.class_embedding": "class_embedding",
    "embeddings.patch_embedding.weight": "conv1.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "embeddings.token_embedding.weight": "token_embedding.weight",
}
_NORMS: Final = {"pre_layrnorm": "ln_pre", "post_layernorm": "ln_post", "final_layer_norm": "ln_final"}
_BLOCK: Final = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_PROJECTIONS: Final = {"visual_projection.weight": "visual.proj", "text_projection.weight": "text_projection"}


def is_transformers_clip(state: Mapping[str, Tensor]) -> bool:
    """Whether a state has the layout of ``transformers.CLIPModel``."""
    return "vision_model.embeddings.class_embedding" in state


def to_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under open_clip's names.

    Raises
    ------
    EncoderError
        If one of queries, keys and values is missing.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith("position_ids"):  # counts from 0, stored by old versions
            continue
        if name in _PROJECTIONS:
            renamed[_PROJECTIONS[name]] = value.T.contiguous()
            continue
        if ".self_attn.k_proj." in name or ".self_attn.v_proj." in name:
            continue  # go with the queries
        if ".self_attn.q_proj." in name:
            whole, joined = _joined(state, name)
            renamed[whole] = joined
            continue
        renamed[_renamed(name)] = value
    return renamed


def _joined(state: Mapping[str, Tensor], queries: str) -> tuple[str, Tensor]:
    names = [queries.replace(".q_proj.", f".{letter}_proj.") for letter in "qkv"]
    absent = [name for name in names if name not in state]
    if absent:
        raise EncoderError(f"expected {absent[0]} in a CLIP model, got none; download the file again")
    whole = _renamed(queries.replace("self_attn.q_proj.", "attn.in_proj_"))
    return whole, torch.cat([state[name] for name in names])


def _renamed(name: str) -> str:
    for theirs, ours in _TOWERS:
        if name.startswith(theirs):
            rest = name.removeprefix(theirs)
            if rest in _WHOLE:
                return ours + _WHOLE[rest]
            head, dot, tail = rest.partition(".")
            if head in _NORMS:
                return ours + _NORMS[head] + dot + tail
            if rest.startswith("encoder.layers."):
                block = rest.replace("encoder.layers.", "transformer.resblocks.", 1)
                for old, new in _BLOCK.items():
                    block = block.replace(f".{old}.", f".{new}.")
                return ours + block
    return name
