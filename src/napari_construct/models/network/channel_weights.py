"""Weights of ImageNet for the encoder of a network for channels: bundled, or already on this computer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.encoders.catalogue.lookup import find_entry, how_to_get
from napari_construct.encoders.hub.store import located
from napari_construct.encoders.networks.lite import BUNDLED, bundled_weights
from napari_construct.encoders.networks.lite_weights import read_lite
from napari_construct.encoders.weight_files import read_state
from napari_construct.exceptions import EncoderError
from napari_construct.models.network.channel_encoders import ENCODERS, EncoderName

RGB_STD: Final = (0.229, 0.224, 0.225)
"""By which the images were divided in training."""

_CLASSIFIER: Final = ("head.", "norm.", "fc.", "classifier.", "conv_head.", "bn2.")
"""What follows the last map in the networks of timm."""

_LAYERS: Final = re.compile(r"^layers\.")
"""Stages of Swin, which have other names in a network that returns all its levels."""


def pretrained_state(name: EncoderName, channels: int) -> dict[str, Tensor]:
    """State of an encoder that was trained on ImageNet, for another number of channels.

    Raises
    ------
    EncoderError
        If the weights are not on this computer, damaged or of another network.
    """
    state = _bundled_state() if name == BUNDLED else _library_state(name)
    first = next(iter(state))  # every encoder begins with the convolution that sees the image
    return {**state, first: adapted(state[first], channels)}


def adapted(weight: Float[Tensor, "o 3 k k"], channels: int) -> Float[Tensor, "o c k k"]:
    """A first convolution of RGB for c channels in [0, 1].

    Where all c channels are the same image, the outcome is that of this image in grey, divided by the
    standard deviations of training; the constant shift of their means is left to the first norm.
    """
    grey = (weight / torch.tensor(RGB_STD).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return (grey / channels).repeat(1, channels, 1, 1)


def _bundled_state() -> dict[str, Tensor]:
    return {f"model.{key}": v for key, v in read_lite(bundled_weights(BUNDLED), BUNDLED).items()}


def _library_state(name: EncoderName) -> dict[str, Tensor]:
    entry = find_entry(ENCODERS[name].weights)
    found = located(entry)
    if found is None:
        raise EncoderError(f"{how_to_get(entry)}; or start from random weights, or from lite0, which is here")
    return _through_timm(name, found.weights)


def _through_timm(name: EncoderName, path: Path) -> dict[str, Tensor]:
    """The encoder's part of a file of weights; timm knows the names in its older files, too."""
    import timm

    stored = read_state(path)  # within bounds, and no code in it is run
    try:
        whole = timm.create_model(
            ENCODERS[name].library, pretrained=True, pretrained_cfg_overlay={"state_dict": stored}
        )
    except (RuntimeError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise EncoderError(
            f"{path}: expected the weights of {name}, got others ({reason}); download the file again"
        ) from error
    kept = {}
    for key, value in whole.state_dict().items():
        if not key.startswith(_CLASSIFIER):
            kept[f"model.{_LAYERS.sub('layers_', key)}"] = value
    return kept
