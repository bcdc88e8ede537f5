"""A loaded student that computes foreground and boundary of one channel."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.loaded_network import LoadedNetwork
from napari_construct.models.checkpoints.channel_checkpoint import (
    ChannelCheckpoint,
    build_from_channel_checkpoint,
)


class CellPredictor(LoadedNetwork):
    """A U-Net on named channels, on a device.

    Parameters
    ----------
    checkpoint : ChannelCheckpoint
        The trained model.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    name : str
        Name of the model in records and messages.
    sha256 : str, optional
        SHA-256 of the checkpoint's file.

    Raises
    ------
    ConfigurationError
        If the device is not available.
    ConstructError
        If the model does not fit into the device's memory.
    """

    def __init__(
        self,
        checkpoint: ChannelCheckpoint,
        device: str = "auto",
        *,
        name: str = "model",
        sha256: str | None = None,
    ) -> None:
        place = resolve_device(device)
        network = build_from_channel_checkpoint(checkpoint)
        super().__init__(network, place, name, sha256)
        self.checkpoint, self.multiple = checkpoint, network.multiple

    def __repr__(self) -> str:
        channels = ", ".join(self.channels)
        return f"CellPredictor({self.name!r}, channels: {channels}; on {self.device})"

    @property
    def channels(self) -> tuple[str, ...]:
        """Roles of the channels that it looks at."""
        return self.checkpoint.config.channels

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel of the network's input; None if training images did not say."""
        return self.checkpoint.mpp

    def probabilities(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 h w"]:
        """Foreground and boundary, 0 to 1, on the CPU, of channels in [0, 1] on any device.

        Raises
        ------
        ConstructError
            As :meth:`maps`.
        """
        return self.maps(images, _read)


def _read(output: Any) -> Tensor:
    return torch.cat([output.foreground, output.boundary], 1).float().sigmoid()
