"""The variants of an ablation, and reasons to skip them.

One variant is one change of the full recipe. Parts of the full recipe are removed; parts it lacks are added,
and the variant's title says which. To add a variant, write a function and its line in :data:`VARIANTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from napari_construct.crf import CRFParameters
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.training.config.config import LossWeights, TrainingConfig


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained and used.

    Attributes
    ----------
    training : TrainingConfig
        Its seed is set by the ablation.
    settings : SegmentSettings
        Of the evaluation.
    random_prototypes : bool
        Whether prototypes start from noise although the encoder has text.
    has_text : bool
        Whether the encoder has text.
    """

    training: TrainingConfig
    settings: SegmentSettings
    random_prototypes: bool = False
    has_text: bool = False

    def trained(self, *, model: Mapping[str, object] | None = None, **changes: object) -> Recipe:
        """With other training settings; ``model`` holds fields of the network's configuration."""
        if model is not None:
            changes["model"] = self.training.model.model_dump() | dict(model)
        return self._with(training=self.training.changed(**changes))

    def used(self, **changes: object) -> Recipe:
        """With other settings of the evaluation: the same trained model."""
        return self._with(settings=self.settings.changed(**changes))

    def _with(
        self, *, training: TrainingConfig | None = None, settings: SegmentSettings | None = None
    ) -> Recipe:
        return Recipe(
            training or self.training, settings or self.settings, self.random_prototypes, self.has_text
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """A changed recipe under its name; without a recipe, ``skipped`` says why.

    Attributes
    ----------
    name, title : str
        Name on the command line; difference from the full recipe.
    recipe : Recipe or None
        Settings of training and evaluation.
    skipped : str
        Reason why there is none.
    """

    name: str
    title: str
    recipe: Recipe | None
    skipped: str = ""


FULL: Final = "full"


def _struct(full: Recipe) -> Variant:
    weights, teacher = full.training.weights, full.training.model.teacher
    if teacher is None:
        reason = "no teacher is set, so there is no distillation to remove; set one (--teacher)"
        return Variant("struct", "without distillation", None, reason)
    if not weights.distillation:
        more = weights.model_copy(update={"distillation": LossWeights.published().distillation})
        title = f"with distillation, weight {more.distillation:g}"
        return Variant("struct", title, full.trained(weights=more.model_dump()))
    none = weights.model_copy(update={"distillation": 0.0})
    return Variant("struct", "without distillation", full.trained(weights=none.model_dump()))


def _sim(full: Recipe) -> Variant:
    weights = full.training.weights
    on = not weights.contrast
    other = weights.model_copy(update={"contrast": LossWeights.published().contrast if on else 0.0})
    title = f"with contrast, weight {other.contrast:g}" if on else "without contrast"
    return Variant("sim", title, full.trained(weights=other.model_dump()))


def _fusion(full: Recipe) -> Variant:
    if full.training.model.fusion == "none":
        return Variant("fusion", "with top-down fusion", full.trained(model={"fusion": "top_down"}))
    return Variant("fusion", "CAM from the last level alone", full.trained(model={"fusion": "none"}))


def _text(full: Recipe) -> Variant:
    title = "prototypes from noise instead of text"
    if not full.has_text:
        reason = (
            f"the encoder {full.training.model.encoder} has no text encoder: its prototypes start from "
            "noise in any case"
        )
        return Variant("text", title, None, reason)
    return Variant("text", title, Recipe(full.training, full.settings, random_prototypes=True, has_text=True))


def _crf(full: Recipe) -> Variant:
    if full.settings.crf is None:
        return Variant("crf", "with the dense CRF", full.used(crf=CRFParameters()))
    return Variant("crf", "without the dense CRF", full.used(crf=None))


def _views(full: Recipe) -> Variant:
    other = "four" if full.settings.views in {None, "one"} else "one"
    return Variant("views", f"{other} view" + "s" * (other != "one"), full.used(views=other))


VARIANTS: Final[Mapping[str, Callable[[Recipe], Variant]]] = MappingProxyType(
    {"struct": _struct, "sim": _sim, "fusion": _fusion, "text": _text, "crf": _crf, "views": _views}
)


def variants(names: Sequence[str], full: Recipe) -> tuple[Variant, ...]:
    """The full recipe and the named variants of it, each once.

    Raises
    ------
    ConfigurationError
        If a name is unknown, or there is none.
    """
    unknown = [name for name in names if name not in VARIANTS]
    if unknown or not names:
        raise ConfigurationError(
            f"expected variants of {', '.join(VARIANTS)}, got {', '.join(unknown) or 'none'}; check the names"
        )
    return (Variant(FULL, "full model", full), *(VARIANTS[name](full) for name in dict.fromkeys(names)))
