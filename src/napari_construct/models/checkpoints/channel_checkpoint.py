"""Checkpoints of models for channels (``*.construct``, format version 5): students, and our own teacher.

The file is that of :mod:`~.checkpoint`: the same archive and suffix, the same bounds. All weights are stored,
for all of them are trained, and in float32, so that a file gives what was validated. After 40 steps of
training, kernels in half precision moved logits by 0.003 at most on ResNet18 and Swin-Tiny, but by 0.09 on
MobileNetV3 (two pixels in a thousand changed sides), where they save a few megabytes only. Files with tensors
in half precision are read, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from torch import Tensor

from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints.archive import damaged, open_archive, write_archive
from napari_construct.models.checkpoints.channel_manifest import ENCODER, HEAD, ChannelManifest, contradiction
from napari_construct.models.checkpoints.checkpoint import (
    FORMAT_VERSION,
    KIND,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.head import UNREADABLE, is_for_channels, read_head
from napari_construct.models.checkpoints.locations import with_suffix
from napari_construct.models.checkpoints.states import (
    check_shapes,
    copied,
    infinite,
    load_strictly,
    not_finite,
)
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.models.network.channel_encoders import ENCODERS, IMAGENET_TERMS
from napari_construct.models.network.channel_unet import (
    ChannelUNet,
    ChannelUNetConfig,
    build_channel_unet,
    channel_shapes,
)
from napari_construct.settings import problem
from napari_construct.types import PathLike

CHANNEL_VERSION: Final = 5

_PREFIX: Final = f"{ENCODER}."


@dataclass(frozen=True, slots=True, eq=False)
class ChannelCheckpoint:
    """A trained model for channels of fluorescence.

    Attributes
    ----------
    config : ChannelUNetConfig
        Encoder, decoder, channels and their normalisation.
    state : mapping of str to Tensor
        State of :class:`~napari_construct.models.network.channel_unet.ChannelUNet`.
    pretrained : bool
        Whether the encoder started from weights of ImageNet, whose licence goes with it.
    mpp : float or None
        Micrometres per pixel of the network's input; None if unknown.
    object_diameter : float or None
        Median diameter of the cells it was trained on, in pixels of the network's input; None if unknown.
    metrics, training, versions : mapping
        Scores; settings and history of training; versions of software. Plain JSON values.
    data_fingerprint : str or None
        Fingerprint of the training data.
    """

    config: ChannelUNetConfig
    state: Mapping[str, Tensor]
    pretrained: bool = False
    mpp: float | None = None
    object_diameter: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=software_versions)

    def __repr__(self) -> str:
        scale = "" if self.mpp is None else f", {self.mpp:g} um/px"
        return f"ChannelCheckpoint({self.config.encoder}{scale}, channels: {', '.join(self.channels)})"

    @property
    def channels(self) -> tuple[str, ...]:
        """Role of each input channel."""
        return self.config.channels

    @property
    def encoder_licence(self) -> str:
        """Licence of the weights that the encoder started from; no file decides it."""
        if not self.pretrained:
            return "random weights, trained by you"
        return f"{ENCODERS[self.config.encoder].licence}. {IMAGENET_TERMS}"


def channel_checkpoint_of(model: ChannelUNet, **details: Any) -> ChannelCheckpoint:
    """Checkpoint of a model; weights are copied to the CPU.

    Parameters
    ----------
    model : ChannelUNet
        Trained or not.
    **details
        ``mpp``, ``object_diameter``, ``metrics``, ``data_fingerprint``, ``training``.
    """
    return ChannelCheckpoint(model.config, copied(model.state_dict()), model.pretrained, **details)


def save_channel_checkpoint(path: PathLike, checkpoint: ChannelCheckpoint) -> Path:
    """Write a checkpoint atomically and return its path, ``.construct`` added where it is missing.

    Raises
    ------
    CheckpointError
        If it holds values that are not finite, or the file cannot be written.
    """
    path = with_suffix(path)
    states: dict[str, dict[str, Tensor]] = {HEAD: {}, ENCODER: {}}
    for name, value in checkpoint.state.items():
        states[ENCODER if name.startswith(_PREFIX) else HEAD][name.removeprefix(_PREFIX)] = value
    if (wrong := not_finite(states)) is not None:
        raise infinite(path, wrong)
    write_archive(path, _manifest(checkpoint), states)
    return path


def load_channel_checkpoint(path: PathLike) -> ChannelCheckpoint:
    """Read a checkpoint; nothing in it is executed and no size in it is trusted.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of a newer version, a model for stained tissue, holds weights that
        are not finite, or if its parts contradict each other.
    """
    path = Path(path)
    with open_archive(
        path, kind=KIND, version=FORMAT_VERSION, required=(HEAD,), optional=(ENCODER, "guard")
    ) as archive:
        if not is_for_channels(archive.manifest):
            raise CheckpointError(
                f"{path}: expected a model for channels of fluorescence, got one for RGB images of stained "
                "tissue; use it with those, in Python open it with load_checkpoint"
            )
        try:
            manifest = ChannelManifest.model_validate(archive.manifest)
        except ValidationError as error:
            raise damaged(path, KIND, problem(error)) from error
        if archive.manifest["format_version"] < CHANNEL_VERSION:
            raise damaged(path, KIND, "a format version that has no models for channels")
        if wrong := contradiction(archive.headers):
            raise damaged(path, KIND, wrong)
        states = {name: archive.state(name) for name in archive.headers}
    if (infinite_name := not_finite(states)) is not None:
        raise damaged(path, KIND, f"NaN or infinite values in {infinite_name}")
    encoder = {f"{_PREFIX}{name}": value for name, value in states[ENCODER].items()}
    fields = {name: getattr(manifest, name) for name in ChannelManifest.model_fields}
    return ChannelCheckpoint(state=encoder | states[HEAD], **fields)


def build_from_channel_checkpoint(checkpoint: ChannelCheckpoint) -> ChannelUNet:
    """The network of a checkpoint, in eval mode on the CPU, float32.

    Raises
    ------
    CheckpointError
        If a tensor is missing, unknown or of another shape; told before the network takes memory.
    """
    what = f"a network for channels on {checkpoint.config.encoder}"
    check_shapes(channel_shapes(checkpoint.config), checkpoint.state, what)
    model = build_channel_unet(checkpoint.config)
    load_strictly(model, checkpoint.state, what)
    model.pretrained = checkpoint.pretrained
    return model.eval()


def is_channel_file(path: PathLike) -> bool:
    """Whether a file is a model for channels, from its head alone; False of what cannot be read."""
    try:
        return is_for_channels(read_head(Path(path), KIND))
    except UNREADABLE:
        return False


def load_any(path: PathLike) -> Checkpoint | ChannelCheckpoint:
    """Read a checkpoint of either kind.

    Raises
    ------
    CheckpointError
        As :func:`load_channel_checkpoint` and :func:`~.checkpoint.load_checkpoint`.
    """
    return load_channel_checkpoint(path) if is_channel_file(path) else load_checkpoint(path)


def save_any(path: PathLike, checkpoint: Checkpoint | ChannelCheckpoint) -> Path:
    """Write a checkpoint of either kind, as :func:`save_channel_checkpoint` does."""
    if isinstance(checkpoint, ChannelCheckpoint):
        return save_channel_checkpoint(path, checkpoint)
    return save_checkpoint(path, checkpoint)


def _manifest(checkpoint: ChannelCheckpoint) -> dict[str, Any]:
    return {
        "format": KIND,
        "format_version": CHANNEL_VERSION,
        "config": checkpoint.config.model_dump(mode="json"),
        "pretrained": checkpoint.pretrained,
        "mpp": checkpoint.mpp,
        "object_diameter": checkpoint.object_diameter,
        "metrics": checkpoint.metrics,
        "data_fingerprint": checkpoint.data_fingerprint,
        "training": checkpoint.training,
        "versions": checkpoint.versions,
    }
