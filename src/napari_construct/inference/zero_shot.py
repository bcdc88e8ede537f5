"""Maps without any training: classes described in words, or shown in example regions.

With a text encoder every patch is compared with the descriptions of the classes
(:mod:`napari_construct.encoders.dense`); with any encoder, with the mean features of regions that the
user marked. The result is a :class:`~napari_construct.inference.model.Predictor` like a trained one, so
that tiles, views, presence, CRF and exports are the same. It is a first look, not a trained model: its
probabilities are not calibrated, and every class that is named counts as present.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue import create_encoder, encoder_hash
from napari_construct.encoders.dense import ATTENTIONS, DenseAttention, DenseTextEncoder
from napari_construct.encoders.protocol import Encoder, EncoderSpec
from napari_construct.exceptions import ConfigurationError, EncoderError, InputError
from napari_construct.inference.devices import resolve_device
from napari_construct.inference.model import Predictor
from napari_construct.inference.resample import resample_image
from napari_construct.models.calibration import Calibration
from napari_construct.models.checkpoint import Checkpoint
from napari_construct.models.config import ModelConfig
from napari_construct.models.construct import INITIAL_SCALE
from napari_construct.models.prompts import TEMPLATES, Several, parse_classes, text_prototypes
from napari_construct.types import PathLike, RGBImage

NEUTRAL: Final = ("an H&E image.", "tissue.", "a histopathology image.")
"""What a single class is compared with, because there is no other."""

PATCH: Final = 224

Example = tuple[RGBImage, npt.NDArray[np.uint8]]
"""An image (h, w, 3) and a mask (h, w) of class indices; other values are ignored."""


@dataclass(frozen=True, slots=True)
class ZeroShotOutput:
    """``cam``: (b, k, gh, gw) logits."""

    cam: Float[Tensor, "b k gh gw"]


class ZeroShotNet(nn.Module):
    """Scaled cosines between patches and prototypes, each relative to the mean over the classes.

    The mean is what all classes share at a place; it changes no decision between them, and makes a
    map of one class show where that class is likelier than the others (CLIP Surgery's redundant
    features, section 3.3, in the space of similarities).

    Parameters
    ----------
    encoder : Encoder
        Frozen.
    prototypes : Tensor
        (k, p, d), L2-normalised; a class's value is that of its nearest prototype.
    scale : float
        Multiplies the cosines.
    attention : str or None
        Of :data:`~napari_construct.encoders.dense.ATTENTIONS`; None compares features, not texts.
    neutral : Tensor or None
        (d,) what a single class is compared with.
    centre, spread : Tensor or None
        (c,) statistics of the features of the examples.
    """

    prototypes: Tensor
    neutral: Tensor | None
    centre: Tensor | None
    spread: Tensor | None

    def __init__(
        self,
        encoder: Encoder,
        prototypes: Float[Tensor, "k p d"],
        scale: float,
        attention: DenseAttention | None,
        *,
        neutral: Tensor | None = None,
        centre: Tensor | None = None,
        spread: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.scale, self.attention = scale, attention
        for name, value in (
            ("prototypes", prototypes), ("neutral", neutral), ("centre", centre), ("spread", spread),
        ):  # fmt: skip
            self.register_buffer(name, value)

    @property
    def spec(self) -> EncoderSpec:
        found: EncoderSpec = self.encoder.spec
        return found

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> ZeroShotOutput:
        if self.attention is None:
            patches = dense_features(self.encoder, images)
            patches = F.normalize((patches - _column(self.centre)) / _column(self.spread), dim=1)
        else:
            patches = self.encoder.embed_patches(images, self.attention)
        cosines = torch.einsum("bdhw,kpd->bkphw", patches, self.prototypes).amax(2)
        shared = cosines.mean(1, keepdim=True)
        if self.neutral is not None:
            shared = torch.einsum("bdhw,d->bhw", patches, self.neutral)[:, None]
        return ZeroShotOutput(self.scale * (cosines - shared))


class ZeroShotPredictor(Predictor):
    """A predictor that was not trained; made by :func:`load_zero_shot`."""

    def __init__(
        self, network: ZeroShotNet, classes: ClassTable, device: str, record: dict[str, Any]
    ) -> None:
        self.device = resolve_device(device)
        self.name = f"zero-shot {network.spec.id}"
        self.sha256 = None
        self._spec = network.spec
        made: Any = network.to(self.device).eval()
        self._network = made
        self.checkpoint = Checkpoint(
            config=ModelConfig(encoder=network.spec.id),
            classes=classes,
            calibration=Calibration(presence_thresholds=(0.0,) * len(classes)),
            encoder_hash=encoder_hash(network.encoder),
            head_state={},
            mpp=record["mpp"],
            training={"zero_shot": record, "patch": PATCH},
        )


def load_zero_shot(
    encoder: str | Encoder,
    classes: str | ClassTable,
    *,
    attention: DenseAttention = "clearclip",
    templates: Sequence[str] = TEMPLATES,
    several: Several = "average",
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
        How the last block attends, see :mod:`napari_construct.encoders.dense`.
    templates : sequence of str
        What descriptions are put into.
    several : {"average", "prototypes"}
        Whether several descriptions of a class are averaged or kept as several prototypes.
    examples : iterable of (image, mask), optional
        Marked regions; the classes' words are then not used.
    examples_mpp : float, optional
        Micrometres per pixel of the examples, which are resampled to what the encoder sees.
    mpp : float, optional
        Micrometres per pixel the encoder should see; by default what is known of it.
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
        If the encoder is absent, or knows no texts and there are no examples.
    ConfigurationError
        If the classes are not as expected.
    InputError
        If a class has no example.
    """
    table = parse_classes(classes) if isinstance(classes, str) else classes
    if attention not in ATTENTIONS:
        raise ConfigurationError(
            f"expected an attention of {', '.join(ATTENTIONS)}, got {attention!r}; correct the name"
        )
    student = create_encoder(encoder, weights=encoder_weights) if isinstance(encoder, str) else encoder
    if examples is not None:
        seen = mpp or student.spec.mpp
        factor = 1.0 if examples_mpp is None or seen is None else examples_mpp / seen
        network = _from_examples(student, (_resampled(*e, factor) for e in examples), len(table), scale)
    else:
        network = _from_texts(student, table, attention, templates, several, scale)
    record = {
        "classes": {c.name: c.prompt for c in table},
        "attention": network.attention,
        "templates": list(templates) if network.attention else [],
        "several": several,
        "scale": network.scale,
        "mpp": mpp or student.spec.mpp,
    }
    return ZeroShotPredictor(network, table, device, record)


def _from_texts(
    encoder: Encoder,
    classes: ClassTable,
    attention: DenseAttention,
    templates: Sequence[str],
    several: Several,
    scale: float | None,
) -> ZeroShotNet:
    prototypes = text_prototypes(encoder, classes, templates=templates, several=several)
    if not isinstance(encoder, DenseTextEncoder):
        raise EncoderError(
            f"{encoder.spec.id}: expected an encoder that embeds patches and texts, got one that cannot; "
            "choose quiltnet-b-16 or conch, or give example regions"
        )
    neutral = None
    if len(classes) == 1:
        with torch.no_grad():
            neutral = F.normalize(encoder.embed_texts(NEUTRAL).float().cpu().mean(0), dim=-1)
    return ZeroShotNet(encoder, prototypes, scale or encoder.text_scale(), attention, neutral=neutral)


def _from_examples(encoder: Encoder, examples: Iterable[Example], k: int, scale: float | None) -> ZeroShotNet:
    """Prototypes are the mean standardised features of each class's example regions."""
    if k < 2:
        raise ConfigurationError("expected at least two classes with examples, got one; add what it is not")
    found: list[list[Tensor]] = [[] for _ in range(k)]
    for image, mask in examples:
        features, shares = _example_features(encoder, image, mask, k)
        for i in range(k):
            found[i].append(features[shares[i] > 0.5])
    classes = [torch.cat(parts) if parts else torch.empty(0, 1) for parts in found]
    empty = [i for i, rows in enumerate(classes) if not len(rows)]
    if empty:
        raise InputError(
            f"expected example regions of every class, got none of class {empty[0]} (value {empty[0]} in the "
            "masks); mark a larger region"
        )
    means = torch.stack([rows.mean(0) for rows in classes])
    centre = means.mean(0)  # of the classes, not of the pixels: a large region counts no more
    spread = torch.cat(classes).std(0).clamp_min(1e-6)
    prototypes = F.normalize((means - centre) / spread, dim=-1)[:, None]
    return ZeroShotNet(encoder, prototypes, scale or INITIAL_SCALE, None, centre=centre, spread=spread)


def _resampled(image: RGBImage, mask: npt.NDArray[np.uint8], factor: float) -> Example:
    """An example at the encoder's resolution; masks keep their values."""
    if image.shape[:2] != mask.shape:
        raise InputError(
            f"expected a mask of the image's size, got {mask.shape} for {image.shape[:2]}; check the pair"
        )
    h, w = (max(round(side * factor), 1) for side in mask.shape)
    rows = np.minimum((np.arange(h) + 0.5) / factor, mask.shape[0] - 1).astype(np.intp)
    columns = np.minimum((np.arange(w) + 0.5) / factor, mask.shape[1] - 1).astype(np.intp)
    return resample_image(image, (h, w)), mask[np.ix_(rows, columns)]


def _example_features(
    encoder: Encoder, image: RGBImage, mask: npt.NDArray[np.uint8], k: int
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "k n"]]:
    """Features of an image's cells, and how much of each cell belongs to each class."""
    multiple = encoder.spec.multiple
    h, w = (side // multiple * multiple for side in image.shape[:2])
    if not h or not w:
        raise InputError(
            f"expected examples of at least {multiple} pixels a side at the encoder's resolution, got "
            f"{image.shape[:2]}; choose larger ones"
        )
    pixels = torch.from_numpy(np.array(image[:h, :w])).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        features = dense_features(encoder, pixels)[0].float().cpu()
    values = torch.from_numpy(np.array(mask[:h, :w]))
    classes = torch.stack([(values == i).float() for i in range(k)])[None]
    shares = F.adaptive_avg_pool2d(classes, (features.shape[-2], features.shape[-1]))[0]
    return features.flatten(1).T.clone(), shares.flatten(1)


def dense_features(encoder: Encoder, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c gh gw"]:
    """Levels from the second on, each of unit length, together on the grid of the second."""
    levels = encoder(images)[1:]
    size = levels[0].shape[-2:]
    resized = [
        level if level.shape[-2:] == size
        else F.interpolate(level, size, mode="bilinear", align_corners=False)
        for level in levels
    ]  # fmt: skip
    return torch.cat([F.normalize(level, dim=1) for level in resized], 1)


def _column(values: Tensor | None) -> Tensor:
    if values is None:
        raise EncoderError("expected statistics of examples, got none; make the predictor again")
    return values.view(1, -1, 1, 1)
