"""What a taught head stands on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from napari_construct.classes import MAX_CLASSES
from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.settings import Settings


class WordsConfig(Settings):
    """Classes in words, as the base of a taught head; their embeddings are among its tensors.

    Parameters
    ----------
    attention : str
        Of :data:`~napari_construct.encoders.networks.attentions.ATTENTIONS`.
    scale : float
        Multiplies the cosines.
    prototypes, width : int
        Embeddings of each class, and their width.
    neutral : bool
        Whether there is an embedding that a single class is compared with.
    """

    attention: DenseAttention = "clearclip"
    scale: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] = 100.0
    prototypes: Annotated[int, Field(ge=1, le=4096)] = 1
    width: Annotated[int, Field(ge=1, le=65536)] = 512
    neutral: bool = False


class TaughtConfig(Settings):
    """A linear head that a person taught by example (:mod:`~napari_construct.models.network.taught`).

    Parameters
    ----------
    known : int
        Classes of the base, which come first; 0 of a head without one. The base is the network that the
        other fields of the configuration describe, or one of words.
    words : WordsConfig or None
        The base in words.
    stride : int
        Pixels per cell of the encoder's finest level, where the head's logits lie.
    """

    known: Annotated[int, Field(ge=0, le=MAX_CLASSES)] = 0
    words: WordsConfig | None = None
    stride: Annotated[int, Field(ge=1, le=64)] = 4

    @model_validator(mode="after")
    def _words_have_classes(self) -> TaughtConfig:
        if self.words is not None and not self.known:
            raise ValueError("expected classes in words, got none; set known to their number")
        return self
