"""Checkpoints (``*.construct``): trained weights, and the hash of the frozen encoder.

Stored are the head (adapters, fusion, prototypes), the calibration, the class table, the
configuration and the encoder's id and hash. The encoder's weights are stored only if they were trained and
their licence allows it; those of a gated encoder never. Trained matrices and kernels of an encoder are
stored in half precision, vectors (statistics of norms, biases) in float32; the hash is that of these values.

Format version 1 holds first-stage networks; version 2 adds ``config.network`` and the U-Net of the second
stage; version 3 adds ``config.placed``, prototypes that were placed after training; version 4 adds the guard
against images unlike the training patches; version 5 is another network for other images, that for channels
(:mod:`~.channel_checkpoint`); version 6 adds ``config.taught``, a head that was taught by example. A file is
written as the oldest version that can hold it, which older releases read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from torch import Tensor, nn

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import encoder_hash, state_hash
from napari_construct.exceptions import CheckpointError, ConfigurationError
from napari_construct.models.checkpoints.archive import damaged, open_archive, write_archive
from napari_construct.models.checkpoints.head import CHECKPOINT, channel_names, is_for_channels
from napari_construct.models.checkpoints.locations import with_suffix
from napari_construct.models.checkpoints.manifest import GuardRecord, Manifest
from napari_construct.models.checkpoints.states import copied, halved, infinite, not_finite, widened
from napari_construct.models.checkpoints.versions import software_versions
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.guard import Guard
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.reading.foreign import harmless
from napari_construct.settings import problem
from napari_construct.types import PathLike

KIND: Final = CHECKPOINT
FORMAT_VERSION: Final = 6
TAUGHT_VERSION: Final = 6
GUARD_VERSION: Final = 4
PLACED_VERSION: Final = 3
SECOND_STAGE_VERSION: Final = 2
FIRST_STAGE_VERSION: Final = 1


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A trained model; a frozen encoder is only referred to.

    Attributes
    ----------
    config : ModelConfig
        Architecture and encoder.
    classes : ClassTable
        Names, prompts and colours, in the order of the outputs.
    calibration : Calibration
        Temperature and presence thresholds.
    encoder_hash : str
        SHA-256 of the head's encoder (after training, if it was trained).
    head_state : mapping of str to Tensor
        State of :class:`~napari_construct.models.network.construct.ConstructHead`, of
        :class:`~napari_construct.models.network.unet.UNetDecoder`, or of
        :class:`~napari_construct.models.network.taught.TaughtHead`.
    encoder_state : mapping of str to Tensor or None
        Weights of an encoder that was trained together with the head.
    redistributable : bool
        Whether ``encoder_state`` may be stored, as the encoder declares.
    mpp : float or None
        Micrometres per pixel of the network's input.
    metrics, training, versions : mapping
        Scores; settings and history of training; versions of software. Plain JSON values.
    data_fingerprint : str or None
        Fingerprint of the training data.
    guard : Guard or None
        What tells images unlike the training patches; None of models without.
    """

    config: ModelConfig
    classes: ClassTable
    calibration: Calibration
    encoder_hash: str
    head_state: Mapping[str, Tensor]
    encoder_state: Mapping[str, Tensor] | None = None
    redistributable: bool = False
    mpp: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprint: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=software_versions)
    guard: Guard | None = None

    def __repr__(self) -> str:
        scale = "" if self.mpp is None else f", {self.mpp:g} um/px"
        kind = self.config.network if self.config.taught is None else "taught"
        network = f"{kind} on {self.config.encoder}"
        return f"Checkpoint({network}{scale}, classes: {', '.join(self.classes.names)})"

    @property
    def uses_crf(self) -> bool:
        """Whether masks are refined by the dense CRF by default; second-stage networks need none."""
        return self.calibration.crf and self.config.network != "unet"


def checkpoint_of(
    model: PixelNetwork,
    classes: ClassTable,
    calibration: Calibration | None = None,
    *,
    with_encoder: bool = False,
    **details: Any,
) -> Checkpoint:
    """Checkpoint of a model; tensors are copied to the CPU.

    Parameters
    ----------
    model : ConstructNet, UNet or TaughtNet
        Its head's configuration must name its encoder.
    classes : ClassTable
        As many classes as the head has.
    calibration : Calibration, optional
        Uncalibrated by default.
    with_encoder : bool
        Also store the encoder's weights, because they were trained.
    **details
        ``mpp``, ``metrics``, ``data_fingerprint``, ``training``, ``guard``.

    Raises
    ------
    CheckpointError
        If the encoder's licence forbids storing its weights, or numbers of classes differ.
    """
    spec = model.spec
    if len(classes) != model.head.n_classes:
        raise CheckpointError(
            f"expected {model.head.n_classes} classes, as the head has, got {len(classes)}; "
            "give the same table"
        )
    if with_encoder and not spec.redistributable:
        raise _not_redistributable(spec.id, spec.licence)
    encoder: nn.Module = model.encoder
    stored = halved(encoder.state_dict()) if with_encoder else None
    return Checkpoint(
        config=model.head.config,
        classes=classes,
        calibration=calibration or Calibration(),
        encoder_hash=encoder_hash(model.encoder) if stored is None else state_hash(widened(stored)),
        head_state=copied(model.head.state_dict()),
        encoder_state=stored,
        redistributable=spec.redistributable,
        **details,
    )


def save_checkpoint(path: PathLike, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint atomically and return its path, ``.construct`` added where it is missing.

    Raises
    ------
    CheckpointError
        If it holds weights that may not be stored or values that are not finite, or the file cannot be
        written.
    """
    path = with_suffix(path)
    states = {"head": checkpoint.head_state}
    if checkpoint.encoder_state is not None:
        if not checkpoint.redistributable:
            raise _not_redistributable(checkpoint.config.encoder, "not redistributable")
        states["encoder"] = checkpoint.encoder_state
    if checkpoint.guard is not None:
        states["guard"] = checkpoint.guard.state()
    if (name := not_finite(states)) is not None:
        raise infinite(path, name)
    write_archive(path, _manifest(checkpoint), states)
    return path


def load_checkpoint(path: PathLike) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed and no size in it is trusted.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, of a newer version, a model for channels, holds weights that are not
        finite, or if its parts contradict each other. Sizes are compared before the weights take memory.
    """
    path = Path(path)
    with open_archive(
        path, kind=KIND, version=FORMAT_VERSION, required=("head",), optional=("encoder", "guard")
    ) as archive:
        if is_for_channels(archive.manifest):
            names = harmless(", ".join(channel_names(archive.manifest)), 200)
            raise CheckpointError(
                f"{path}: expected a model for RGB images of stained tissue, got one for channels of "
                f"fluorescence ({names}); use it with images that have these channels, in Python open it "
                "with load_channel_checkpoint"
            )
        try:
            manifest = Manifest.model_validate(archive.manifest)
        except ValidationError as error:
            raise damaged(path, KIND, problem(error)) from error
        wrong = manifest.contradiction(archive.headers["head"], archive.headers.get("guard"))
        if wrong:
            raise damaged(path, KIND, wrong)
        states = {name: archive.state(name) for name in archive.headers}
    if (name := not_finite(states)) is not None:
        raise damaged(path, KIND, f"NaN or infinite values in {name}")
    return Checkpoint(
        config=manifest.config,
        classes=manifest.classes,
        calibration=manifest.calibration,
        encoder_hash=manifest.encoder.hash,
        head_state=states["head"],
        encoder_state=states.get("encoder"),
        redistributable=manifest.encoder.redistributable,
        mpp=manifest.mpp,
        metrics=manifest.metrics,
        data_fingerprint=manifest.data_fingerprint,
        training=manifest.training.model_dump(exclude_unset=True),
        versions=manifest.versions,
        guard=None if manifest.guard is None else manifest.guard.with_tensors(states["guard"]),
    )


def check_has_guard(checkpoint: Checkpoint) -> None:
    """Refuse a model without a guard.

    Raises
    ------
    ConfigurationError
        If it has no distances from its training patches.
    """
    if checkpoint.guard is None:
        raise ConfigurationError(
            "expected a model with a guard against images unlike its training patches, got one without, "
            "which has no map of distances; leave out the map, or add a guard (add_guard)"
        )


def _manifest(checkpoint: Checkpoint) -> dict[str, Any]:
    config = checkpoint.config.model_dump(mode="json")
    version = PLACED_VERSION
    if not config["placed"]:
        del config["placed"]
        version = SECOND_STAGE_VERSION
        if config["network"] == "construct":
            del config["network"]
            version = FIRST_STAGE_VERSION
    guard = {}
    if checkpoint.guard is not None:
        version, guard = GUARD_VERSION, {"guard": GuardRecord.of(checkpoint.guard).model_dump()}
    if config["taught"] is None:
        del config["taught"]
    else:
        version = TAUGHT_VERSION
    return {
        "format": KIND,
        "format_version": version,
        "config": config,
        "classes": checkpoint.classes.model_dump(mode="json"),
        "calibration": checkpoint.calibration.model_dump(mode="json"),
        "encoder": {
            "id": checkpoint.config.encoder,
            "hash": checkpoint.encoder_hash,
            "trained": checkpoint.encoder_state is not None,
            "redistributable": checkpoint.redistributable,
        },
        "mpp": checkpoint.mpp,
        "metrics": checkpoint.metrics,
        "data_fingerprint": checkpoint.data_fingerprint,
        "training": checkpoint.training,
        "versions": checkpoint.versions,
        **guard,
    }


def _not_redistributable(encoder_id: str, licence: str) -> CheckpointError:
    return CheckpointError(
        f"expected an encoder whose licence allows its weights to be stored, got {encoder_id} ({licence}); "
        "keep it frozen, so that the checkpoint holds its identity only"
    )
