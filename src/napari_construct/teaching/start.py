"""What teaching starts from: an encoder, a trained model, or words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.lite import BUNDLED
from napari_construct.encoders.protocol import Encoder
from napari_construct.inference.loading import load_model
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.checkpoints.locations import SUFFIX, bundled_models, imported_models
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.taught import TaughtHead, WordsHead
from napari_construct.models.network.taught_config import TaughtConfig, WordsConfig
from napari_construct.reading.places import is_file
from napari_construct.teaching.settings import AUTO, TeachSettings
from napari_construct.types import PathLike


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What teaching starts from.

    Attributes
    ----------
    encoder : Encoder
        On the device.
    encoder_sha256 : str
        Its hash.
    encoder_state : mapping or None
        Its weights, where the start had trained ones of its own.
    config : ModelConfig
        Of the taught head.
    classes : ClassTable
        Those of the start, then the new ones.
    base : nn.Module or None
        The head of a trained model, or one of words.
    calibration : Calibration
        How the base is read.
    mpp : float or None
        Micrometres per pixel of the encoder's input.
    scale : float
        Factor for images of unknown pixel size.
    taught : TaughtHead or None
        The head of a start that was taught itself.
    record : mapping
        For the record of the model.
    """

    encoder: Encoder
    encoder_sha256: str
    encoder_state: Mapping[str, Tensor] | None
    config: ModelConfig
    classes: ClassTable
    base: nn.Module | None
    calibration: Calibration
    mpp: float | None
    scale: float
    taught: TaughtHead | None
    record: Mapping[str, Any]

    @property
    def known(self) -> int:
        """Classes that the start knows."""
        if self.taught is not None:
            return self.taught.n_classes
        return 0 if self.config.taught is None else self.config.taught.known

    def with_classes(self, painted: ClassTable) -> Start:
        """The same start with other new classes."""
        known = ClassTable(classes=self.classes.classes[: self.known]) if self.known else None
        return replace(self, classes=painted if known is None else _joined(known, painted))

    def head(self) -> TaughtHead:
        """A head that says what the start says; its base is shared."""
        head = TaughtHead(self.encoder.spec, len(self.classes), self.config, self.base)
        if self.taught is None:
            head.calibrate_base(self.calibration)
            return head
        head.base_scale.copy_(self.taught.base_scale)
        head.base_offsets.copy_(self.taught.base_offsets)
        more = len(self.classes) - self.taught.n_classes
        with torch.no_grad():
            head.set(
                F.pad(self.taught.weight, (0, more)),
                F.pad(self.taught.bias, (0, more)),
            )
        return head


def load_start(
    settings: TeachSettings,
    device: torch.device,
    *,
    encoder_weights: PathLike | None = None,
    any_encoder: bool = False,
) -> Start:
    """Load what the settings name.

    Raises
    ------
    CheckpointError, EncoderError
        If it is not there or cannot be used.
    """
    start = settings.start
    if isinstance(start, ZeroShotSettings):
        return _from_words(start, settings, device, encoder_weights)
    if start in imported_models() or start in bundled_models() or start.endswith(SUFFIX) or is_file(start):
        return _from_model(start, settings, device, encoder_weights, any_encoder=any_encoder)
    encoder: Any = create_encoder(BUNDLED if start == AUTO else start, weights=encoder_weights)
    encoder.to(device)
    return Start(
        encoder=encoder,
        encoder_sha256=encoder_hash(encoder),
        encoder_state=None,
        config=ModelConfig(
            encoder=encoder.spec.id, teacher=None, taught=TaughtConfig(stride=encoder.spec.strides[0])
        ),
        classes=settings.classes,
        base=None,
        calibration=Calibration(),
        mpp=settings.mpp or encoder.spec.mpp,
        scale=1.0,
        taught=None,
        record={"kind": "encoder", "encoder": encoder.spec.id},
    )


def _from_model(
    name: str,
    settings: TeachSettings,
    device: torch.device,
    encoder_weights: PathLike | None,
    *,
    any_encoder: bool,
) -> Start:
    predictor = load_model(name, device=str(device), encoder_weights=encoder_weights, any_encoder=any_encoder)
    checkpoint, network = predictor.checkpoint, predictor.network
    head: Any = network.head
    taught = head if isinstance(head, TaughtHead) else None
    config = checkpoint.config
    if taught is None:
        # the released code's arithmetic is that of its own heads alone
        changes = {
            "taught": TaughtConfig(known=len(checkpoint.classes), stride=predictor.spec.strides[0]),
            "preset": "construct",
        }
        config = config.model_copy(update=changes)
    encoder: Any = network.encoder
    own = settings.mpp is None or checkpoint.mpp is None
    return Start(
        encoder=encoder,
        encoder_sha256=predictor.encoder_sha256,
        encoder_state=checkpoint.encoder_state,
        config=config,
        classes=_joined(checkpoint.classes, settings.classes),
        base=head if taught is None else taught.base,
        calibration=checkpoint.calibration,
        mpp=settings.mpp or checkpoint.mpp,
        scale=predictor.scale if own else 1.0,
        taught=taught,
        record={
            "kind": "model",
            "name": predictor.name,
            "sha256": predictor.sha256,
            "classes": list(checkpoint.classes.names),
        },
    )


def _from_words(
    words: ZeroShotSettings, settings: TeachSettings, device: torch.device, encoder_weights: PathLike | None
) -> Start:
    predictor = load_model(words, device=str(device), encoder_weights=encoder_weights)
    network: Any = predictor.network
    k, prototypes, width = network.prototypes.shape
    about = WordsConfig(
        attention=network.attention,
        scale=float(network.scale),
        prototypes=prototypes,
        width=width,
        neutral=network.neutral is not None,
    )
    base = WordsHead(about, k).to(device)
    base.prototypes.copy_(network.prototypes)
    if base.neutral is not None:
        base.neutral.copy_(network.neutral)
    config = ModelConfig(
        encoder=predictor.spec.id,
        teacher=None,
        taught=TaughtConfig(known=k, words=about, stride=predictor.spec.strides[0]),
    )
    return Start(
        encoder=network.encoder,
        encoder_sha256=predictor.encoder_sha256,
        encoder_state=None,
        config=config,
        classes=_joined(words.classes, settings.classes),
        base=base,
        calibration=Calibration(),
        mpp=settings.mpp or predictor.mpp,
        scale=1.0,
        taught=None,
        record={"kind": "words", **words.model_dump(mode="json")},
    )


def _joined(known: ClassTable, painted: ClassTable) -> ClassTable:
    """Classes of the start, then those that it does not know."""
    new = tuple(one for one in painted if one.name not in known.names)
    return ClassTable(classes=(*known.classes, *new))
