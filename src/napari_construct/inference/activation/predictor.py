"""A loaded model that computes CAM logits of images."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.inference.activation.devices import enough_memory, resolve_device
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.guard import Guard

LARGEST_PATCH: Final = 4096


class Predictor:
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
        self.device = resolve_device(device)
        self.name = name
        self.sha256 = sha256
        network = build_from_checkpoint(checkpoint, encoder, any_encoder=any_encoder).eval()
        with enough_memory(self.device, f"over the model {name}", "the device cpu"):
            network.to(self.device)
        self._network: nn.Module | None = network
        self._spec = network.spec
        if any_encoder:
            self._encoder_hash = encoder_hash(network.encoder)

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
        other = copy.copy(self)
        other.checkpoint = replace(self.checkpoint, calibration=calibration)
        return other

    def guarded(self, guard: Guard | None) -> Predictor:
        """A copy with another guard; the network is shared."""
        other = copy.copy(self)
        other.checkpoint = replace(self.checkpoint, guard=guard)
        return other

    def without_network(self) -> Predictor:
        """A copy without the network; ``finish`` still works and no weights stay in memory."""
        light = copy.copy(self)
        light._network = None  # noqa: SLF001 - our own
        light.checkpoint = replace(self.checkpoint, head_state={}, encoder_state=None)
        return light

    @property
    def network(self) -> nn.Module:
        """The network: a :data:`~napari_construct.models.network.unet.PixelNetwork`, trained or not.

        Raises
        ------
        ConstructError
            If this copy has no network.
        """
        if self._network is None:
            raise ConstructError(f"expected the model {self.name} with its network, got one without; load it")
        return self._network

    def logits(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k gh gw"]:
        """CAM logits on the CPU, float32, of RGB in [0, 1] on any device.

        Raises
        ------
        ConstructError
            If the device runs out of memory, the network returns NaN or infinity, or there is none.
        """
        return self.maps(images, lambda output: output.cam)

    def maps(
        self, images: Float[Tensor, "b 3 h w"], read: Callable[[Any], Tensor]
    ) -> Float[Tensor, "b c gh gw"]:
        """As :meth:`logits`, for the map that ``read`` takes from the network's output."""
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


USUAL_PATCH: Final = 256
