"""Settings of a zero-shot model: an encoder, and classes in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.attentions import DenseAttention
from napari_construct.models.network.descriptions import TEMPLATES, PromptEnsemble, parse_classes
from napari_construct.settings import Settings


class ZeroShotSettings(Settings):
    """Settings of a zero-shot model; :func:`~napari_construct.load_model` takes them.

    Parameters
    ----------
    encoder : str
        Id in the catalogue of an encoder that embeds texts, for example "conch" or "quiltnet-b-16".
    classes : ClassTable
        Names and prompts; also as text, "tumour: malignant glands | carcinoma; stroma: fibrous tissue".
    attention : str
        Attention of the last block, see :mod:`~napari_construct.encoders.networks.attentions`.
    templates : tuple of str
        Sentences with one ``{}``, where a description is inserted.
    prompt_ensemble : {"average", "prototypes"}
        "average" makes one prototype of all descriptions of a class. "prototypes" makes one of each; the
        nearest prototype wins.
    """

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"several": "prompt_ensemble"}

    encoder: Annotated[str, Field(min_length=1)]
    classes: ClassTable
    attention: DenseAttention = "clearclip"
    templates: Annotated[tuple[str, ...], Field(min_length=1)] = TEMPLATES
    prompt_ensemble: PromptEnsemble = "average"

    @field_validator("classes", mode="before")
    @classmethod
    def _in_words(cls, value: Any) -> Any:
        return parse_classes(value) if isinstance(value, str) else value

    @field_validator("templates")
    @classmethod
    def _with_a_place(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [template for template in value if template.count("{}") != 1]
        if wrong:
            raise ValueError(f"expected templates with one {{}} each, got {wrong[0]!r}; correct it")
        return value
