"""A loaded model that computes CAM logits of images."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.loaded_network import LoadedNetwork
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.guard import Guard
from napari_construct.models.network.unet import PixelNetwork

LARGEST_PATCH: Final = 4096


class Predictor(LoadedNetwork):
    """A model on a device, with its classes, calibration and metadata.

    Parameters
    ----------
    checkpoint : Checkpoint
        The trained model.
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    encoder : Encoder, optional
        The encoder of the checkpoint, if the catalogue cannot load it (gated weights).
    name : str
        Name of the model in records and messages.
    sha256 : str, optional
        SHA-256 of the checkpoint's file.
    any_encoder : bool
        Also accept an encoder with another hash; results then differ from those of the trained model.

    Raises
    ------
    CheckpointError
        If the encoder differs from the checkpoint's.
    ConfigurationError
        If the device is not available.
    ConstructError
        If the model does not fit into the device's memory.
    """

    _encoder_hash: str | None = None

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "auto",
        *,
        encoder: Encoder | None = None,
        name: str = "model",
        sha256: str | None = None,
        any_encoder: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        place = resolve_device(device)
        network = build_from_checkpoint(checkpoint, encoder, any_encoder=any_encoder)
        super().__init__(network, place, name, sha256)
        self._spec = network.spec
        if any_encoder:
            self._encoder_hash = encoder_hash(network.encoder)

    @classmethod
    def of_network(
        cls, checkpoint: Checkpoint, network: PixelNetwork, device: torch.device, name: str = "model"
    ) -> Predictor:
        """A model whose network was built already, for a network that changes while it is used.

        Parameters
        ----------
        checkpoint : Checkpoint
            What it is; its tensors are not read.
        network : ConstructNet, UNet or TaughtNet
            Is moved to the device and shared.
        device : torch.device
            Where it runs.
        name : str
            Name of the model in records and messages.
        """
        made = cls.__new__(cls)
        made.checkpoint = checkpoint
        LoadedNetwork.__init__(made, network, device, name, None)
        made._spec = network.spec  # noqa: SLF001 - our own
        return made

    def __repr__(self) -> str:
        classes = ", ".join(self.classes.names)
        return f"Predictor({self.name!r}, classes: {classes}; on {self.device})"

    @property
    def classes(self) -> ClassTable:
        return self.checkpoint.classes

    @property
    def calibration(self) -> Calibration:
        return self.checkpoint.calibration

    @property
    def encoder_sha256(self) -> str:
        """SHA-256 of the encoder in use: the checkpoint's, unless any encoder was allowed."""
        return self._encoder_hash or self.checkpoint.encoder_hash

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel of the network's input."""
        return self.checkpoint.mpp

    @property
    def scale(self) -> float:
        """Factor from the training patches' pixels to the network's input."""
        return float(self.checkpoint.training.get("scale", 1.0))

    @property
    def patch_mpp(self) -> float | None:
        """Micrometres per pixel of the training patches: what an image of unknown size is taken to have."""
        return None if self.mpp is None else self.mpp * self.scale

    def resolved(self, settings: SegmentSettings) -> SegmentSettings:
        """Settings with "auto" replaced by this model's values."""
        return settings.resolved(uses_crf=self.checkpoint.uses_crf)

    @property
    def spec(self) -> EncoderSpec:
        """Specification of the encoder; image sides must be multiples of its ``multiple``."""
        return self._spec

    @property
    def mean(self) -> tuple[float, float, float]:
        """RGB mean of the normalisation, for images in [0, 1]."""
        return self.checkpoint.config.mean or self.spec.mean

    @property
    def std(self) -> tuple[float, float, float]:
        """RGB standard deviation of the normalisation."""
        return self.checkpoint.config.std or self.spec.std

    @property
    def published(self) -> bool:
        """Whether results follow the released code's arithmetic."""
        return self.checkpoint.config.preset == "published"

    @property
    def patch(self) -> int:
        """Side in pixels, at the model's resolution, of the patches it was trained on."""
        side: Any = self.checkpoint.training.get("patch", USUAL_PATCH)
        return side if isinstance(side, int) and 0 < side <= LARGEST_PATCH else USUAL_PATCH

    def calibrated(self, calibration: Calibration) -> Predictor:
        """A copy with another calibration; the network is shared."""
        return self._changed(calibration=calibration)

    def guarded(self, guard: Guard | None) -> Predictor:
        """A copy with another guard; the network is shared."""
        return self._changed(guard=guard)

    def rescaled(self, scale: float) -> Predictor:
        """A copy for images of unknown resolution that need another :attr:`scale`; the network is shared."""
        return self._changed(training={**self.checkpoint.training, "scale": scale})

    def without_network(self) -> Predictor:
        """A copy without the network; ``finish`` still works and no weights stay in memory."""
        light = self._stripped()
        light.checkpoint = replace(self.checkpoint, head_state={}, encoder_state=None)
        return light

    def _changed(self, **fields: Any) -> Predictor:
        """A copy with other fields of the checkpoint, which is not that of the file any more."""
        other = copy.copy(self)
        other.checkpoint, other.loaded_with = replace(self.checkpoint, **fields), None
        return other

    def logits(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k gh gw"]:
        """CAM logits on the CPU, float32, of RGB in [0, 1] on any device.

        Raises
        ------
        ConstructError
            If the device runs out of memory, the network returns NaN or infinity, or there is none.
        """
        return self.maps(images, lambda output: output.cam)


USUAL_PATCH: Final = 256
