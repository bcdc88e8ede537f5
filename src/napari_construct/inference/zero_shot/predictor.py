"""Zero-shot segmentation: classes described in words, or shown in example regions.

With a text encoder every patch is compared with the descriptions of the classes
(:mod:`napari_construct.encoders.networks.dense`); with any encoder, with the mean features of regions
that the user marked. The result is a
:class:`~napari_construct.inference.activation.predictor.Predictor` like a trained one, so that tiles, views,
presence, CRF and exports are the same. Its probabilities are not calibrated, and every class counts as
present.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.encoders.networks.dense import DenseTextEncoder
from napari_construct.encoders.protocol import Encoder
from napari_construct.exceptions import EncoderError
from napari_construct.inference.activation.devices import resolve_device
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.zero_shot.examples import Example, net_from_examples, resampled
from napari_construct.inference.zero_shot.network import ZeroShotNet
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.descriptions import TEMPLATES, PromptEnsemble
from napari_construct.models.network.prompts import text_prototypes
from napari_construct.types import PathLike

NEUTRAL: Final = ("an H&E image.", "tissue.", "a histopathology image.")
"""What a single class is compared with, because there is no other."""

SHOWN_PATCH: Final = 224


class ZeroShotPredictor(Predictor):
    """A predictor of a zero-shot model; :func:`load_zero_shot` makes it.

    Parameters
    ----------
    network : ZeroShotNet
        Holds the prototypes of the classes.
    words : ZeroShotSettings
        Encoder, classes and how descriptions are used.
    device : str
        "auto", "cpu", "cuda", ...
    mpp : float or None
        Micrometres per pixel of the encoder's input.
    """

    def __init__(self, network: ZeroShotNet, words: ZeroShotSettings, device: str, mpp: float | None) -> None:
        self.device = resolve_device(device)
        self.name = f"zero-shot {network.spec.id}"
        self.sha256 = None
        self.words = words
        self._spec = network.spec
        made: Any = network.to(self.device).eval()
        self._network = made
        record = {
            "classes": {c.name: c.prompt for c in words.classes},
            "attention": network.attention,
            "templates": list(words.templates) if network.attention else [],
            "prompt_ensemble": words.prompt_ensemble,
            "scale": network.scale,
            "mpp": mpp,
        }
        self.checkpoint = Checkpoint(
            config=ModelConfig(encoder=network.spec.id),
            classes=words.classes,
            calibration=Calibration(presence_thresholds=(0.0,) * len(words.classes)),
            encoder_hash=encoder_hash(network.encoder),
            head_state={},
            mpp=mpp,
            training={"zero_shot": record, "patch": SHOWN_PATCH},
        )

    def described(self, words: ZeroShotSettings) -> ZeroShotPredictor:
        """The same encoder with other descriptions; weights are shared.

        Raises
        ------
        EncoderError
            If the encoder embeds no texts.
        """
        encoder = getattr(self.network, "encoder")  # noqa: B009 - of a Module, for the type checker
        return ZeroShotPredictor(_from_texts(encoder, words, None), words, str(self.device), self.mpp)


def load_zero_shot(
    encoder: str | Encoder,
    classes: str | ClassTable,
    *,
    attention: DenseAttention = "clearclip",
    templates: Sequence[str] = TEMPLATES,
    prompt_ensemble: PromptEnsemble = "average",
    examples: Iterable[Example] | None = None,
    examples_mpp: float | None = None,
    mpp: float | None = None,
    scale: float | None = None,
    device: str = "auto",
    encoder_weights: PathLike | None = None,
) -> ZeroShotPredictor:
    """A predictor from descriptions or examples; nothing is trained.

    Parameters
    ----------
    encoder : str or Encoder
        Id of the catalogue ("quiltnet-b-16", "conch", with examples also "mini"), or an encoder.
    classes : str or ClassTable
        "tumour: malignant glands | carcinoma; stroma: fibrous tissue", or a table with prompts.
    attention : str
        How the last block attends, see :mod:`napari_construct.encoders.networks.dense`.
    templates : sequence of str
        Sentences with one ``{}``, where a description is inserted.
    prompt_ensemble : {"average", "prototypes"}
        "average" makes one prototype of all descriptions of a class; "prototypes" makes one of each.
    examples : iterable of (image, mask), optional
        Marked regions; the descriptions of the classes are then not used.
    examples_mpp : float, optional
        Micrometres per pixel of the examples; they are resampled to the encoder's resolution.
    mpp : float, optional
        Micrometres per pixel of the encoder's input; by default that of the catalogue.
    scale : float, optional
        Multiplies the cosines; by default the encoder's own, with examples 1 / 0.07.
    device : str
        "auto", "cpu", "cuda", ...
    encoder_weights : path, optional
        File of the encoder's weights.

    Returns
    -------
    ZeroShotPredictor
        For ``segment(image, model=...)``.

    Raises
    ------
    EncoderError
        If the encoder is absent, or embeds no texts and there are no examples.
    ConfigurationError
        If the classes are invalid.
    InputError
        If a class has no example.
    """
    name = encoder if isinstance(encoder, str) else encoder.spec.id
    words = ZeroShotSettings.checked(
        encoder=name,
        classes=classes,
        attention=attention,
        templates=tuple(templates),
        prompt_ensemble=prompt_ensemble,
    )
    student = create_encoder(encoder, weights=encoder_weights) if isinstance(encoder, str) else encoder
    seen = mpp or student.spec.mpp
    if examples is not None:
        factor = 1.0 if examples_mpp is None or seen is None else examples_mpp / seen
        marked = (resampled(*example, factor) for example in examples)
        network = net_from_examples(student, marked, len(words.classes), scale)
    else:
        network = _from_texts(student, words, scale)
    return ZeroShotPredictor(network, words, device, seen)


def predictor_from_settings(
    words: ZeroShotSettings, *, device: str = "auto", encoder_weights: PathLike | None = None
) -> ZeroShotPredictor:
    """As :func:`load_zero_shot`, from settings."""
    student = create_encoder(words.encoder, weights=encoder_weights)
    return ZeroShotPredictor(_from_texts(student, words, None), words, device, student.spec.mpp)


def _from_texts(encoder: Encoder, words: ZeroShotSettings, scale: float | None) -> ZeroShotNet:
    prototypes = text_prototypes(
        encoder, words.classes, templates=words.templates, prompt_ensemble=words.prompt_ensemble
    )
    if not isinstance(encoder, DenseTextEncoder):
        raise EncoderError(
            f"{encoder.spec.id}: expected an encoder that embeds patches and texts, got one that cannot; "
            "choose quiltnet-b-16 or conch, or give example regions"
        )
    neutral = None
    if len(words.classes) == 1:
        with torch.no_grad():
            neutral = F.normalize(encoder.embed_texts(NEUTRAL).float().cpu().mean(0), dim=-1)
    return ZeroShotNet(encoder, prototypes, scale or encoder.text_scale(), words.attention, neutral=neutral)
