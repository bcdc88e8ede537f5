"""A network on a device: what all predictors share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.inference.activation.devices import enough_memory, resolve_device
from napari_construct.inference.activation.loaded_with import LoadedWith

Loaded = TypeVar("Loaded", bound="LoadedNetwork")  # the tests' type checker knows no Self here


class LoadedNetwork:
    """A network in evaluation mode.

    Parameters
    ----------
    network : Module
        Is moved to the device.
    device : torch.device
        Where it runs.
    name : str
        Name of the model in records and messages.
    sha256 : str or None
        SHA-256 of its file.

    Raises
    ------
    ConstructError
        If it does not fit into the device's memory.
    """

    loaded_with: LoadedWith | None = None
    """Files that it was loaded from; None of a model that was made or changed in memory."""

    def __init__(self, network: nn.Module, device: torch.device, name: str, sha256: str | None) -> None:
        self.device, self.name, self.sha256 = device, name, sha256
        network.eval()
        with enough_memory(device, f"over the model {name}", "the device cpu"):
            network.to(device)
        self._network: nn.Module | None = network

    def check_device(self, device: str | None) -> None:
        """Check that a requested device is the model's.

        Raises
        ------
        ConfigurationError
            If another device is requested; None and "auto" request none.
        """
        if device is None or device == "auto":
            return
        wanted = resolve_device(device)
        if (wanted.type, wanted.index or 0) != (self.device.type, self.device.index or 0):
            raise ConfigurationError(
                f"expected the device of the loaded model {self.name} ({self.device}), got {device!r}; leave "
                "the device out, or load the model there: load_model(model, device=...)"
            )

    @property
    def network(self) -> nn.Module:
        """The network.

        Raises
        ------
        ConstructError
            If this copy has no network.
        """
        if self._network is None:
            raise ConstructError(f"expected the model {self.name} with its network, got one without; load it")
        return self._network

    def maps(
        self, images: Float[Tensor, "b c h w"], read: Callable[[Any], Tensor]
    ) -> Float[Tensor, "b m gh gw"]:
        """The map that ``read`` takes from the network's output, on the CPU, float32.

        Parameters
        ----------
        images : Tensor
            On any device.
        read : callable
            From the network's output to (b, m, gh, gw).

        Raises
        ------
        ConstructError
            If the device runs out of memory, the network returns NaN or infinity, or there is none.
        """
        network = self.network
        work = f"on {images.shape[0]} tile(s) of {images.shape[-2]} x {images.shape[-1]} pixels"
        with enough_memory(self.device, work, "smaller tiles or the device cpu"), torch.inference_mode():
            found: Tensor = read(network(images.to(self.device))).float().cpu()
        if not bool(torch.isfinite(found).all()):
            raise ConstructError(
                f"the model {self.name} returned NaN or infinity; it is damaged or its training diverged; "
                "use another"
            )
        return found

    def _stripped(self: Loaded) -> Loaded:  # noqa: PYI019
        """A copy without the network."""
        light = copy.copy(self)
        light._network = None  # noqa: SLF001 - our own
        return light
