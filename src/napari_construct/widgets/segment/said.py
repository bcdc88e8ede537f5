"""What a run has to say of its planes: each sentence once, without the name that the result carries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Final, NamedTuple

from napari_construct.events import Doubt
from napari_construct.widgets.fields.in_window import as_sentence, without_name
from napari_construct.widgets.jobs.predictors import ModelChoice

_NUMBER: Final = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class Said(NamedTuple):
    """A notice, and the number of its plane."""

    text: str
    plane: int


def joined(said: Iterable[Said], image: str, planes: int) -> tuple[str, ...]:
    """Each notice once, doubts first, without the image's name; of a stack with the number of planes.

    Notices that differ in numbers only are one; the first is said.
    """
    kinds: dict[str, list[Said]] = {}
    for one in said:
        kinds.setdefault(_NUMBER.sub("#", without_name(one.text, image)), []).append(one)
    made = [_in_planes(kind, image, planes) for kind in kinds.values()]
    return tuple(sorted(made, key=lambda text: not isinstance(text, Doubt)))


def title_of(model: ModelChoice) -> str:
    """A model's name for people: its own, that of its file, or that of its encoder."""
    if isinstance(model, str):
        return PurePath(model).name.removesuffix(".construct") or model
    return f"{model.encoder}, words only"


def _in_planes(kind: list[Said], image: str, planes: int) -> str:
    sentence = without_name(kind[0].text, image)
    if planes > 1:
        numbers = sorted({one.plane for one in kind})
        where = f"in {len(numbers)} planes" if len(numbers) > 1 else f"in plane {numbers[0] + 1}"
        sentence = f"{where if len(numbers) < planes else 'in all planes'}: {sentence}"
    sentence = as_sentence(sentence)
    return Doubt(sentence) if isinstance(kind[0].text, Doubt) else sentence
