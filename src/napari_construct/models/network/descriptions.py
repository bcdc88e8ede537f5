"""Descriptions of classes in words, as users write them; without torch.

A class may have several descriptions, separated by ``|``; each is put into every template.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from napari_construct.classes import ClassTable, TissueClass, palette_colour
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.name_lists import quoted, split_quoted, unquoted
from napari_construct.settings import problem

TEMPLATES: Final = (
    "{}.",
    "an H&E image of {}.",
    "a histopathology image showing {}.",
    "a photomicrograph of {}.",
    "{} is present.",
)
"""What descriptions are put into by default; ``{}`` is the place."""

PLAIN: Final = ("{}",)
"""The description as it is: for long ones, such as those of the ConStruct paper."""

LONG: Final = 80
"""Characters from which a description is a sentence of its own and templates would not fit."""

SEPARATOR: Final = "|"

PromptEnsemble = Literal["average", "prototypes"]


def parse_classes(text: str) -> ClassTable:
    """A class table from what a user writes.

    Parameters
    ----------
    text : str
        "tumour: malignant epithelium | carcinoma; stroma: fibrous tissue", "tumour, stroma", a table as
        JSON, or the path of one (CSV or JSON). A name that holds a comma, semicolon or colon stands in
        double quotes.

    Raises
    ------
    ConfigurationError
        If there is no class in it, or a name is wrong or taken twice.
    """
    if text.lstrip().startswith("{"):
        return ClassTable.from_json(text)
    if text.lower().endswith((".csv", ".json")):
        return ClassTable.load(Path(text))
    parts = split_quoted(text, ";")
    if all(len(split_quoted(part, ":", 1)) == 1 for part in parts) and len(parts) == 1:
        parts = split_quoted(text, ",")
    pairs = [(*split_quoted(part, ":", 1), "") for part in parts if part.strip()]
    rows = [(unquoted(name), prompt.strip()) for name, prompt, *_ in pairs]
    try:
        return ClassTable(
            classes=tuple(
                TissueClass(name=name, prompt=prompt, colour=palette_colour(i))
                for i, (name, prompt) in enumerate(rows)
            )
        )
    except ValidationError as error:
        raise ConfigurationError(
            f"expected classes as 'tumour: malignant glands; stroma: fibrous tissue', got {text!r} "
            f"({problem(error)}); correct them"
        ) from error


def classes_as_text(classes: ClassTable) -> str:
    """What :func:`parse_classes` makes classes of the same names and prompts of: words, else JSON."""
    plain = ClassTable(classes=tuple(TissueClass(name=t.name, prompt=t.prompt) for t in classes))
    names = [quoted(tissue.name, ",;:") for tissue in classes]
    text = "; ".join(f"{n}: {t.prompt}".removesuffix(": ") for n, t in zip(names, classes, strict=True))
    try:
        same = [(t.name, t.prompt) for t in parse_classes(text)] == [(t.name, t.prompt) for t in classes]
    except ConfigurationError:
        same = False
    return text if same else plain.model_dump_json(exclude_defaults=True)


def descriptions(tissue: TissueClass) -> tuple[str, ...]:
    """A class's descriptions; its name where there is none."""
    found = tuple(part.strip() for part in tissue.prompt.split(SEPARATOR) if part.strip())
    return found or (tissue.name,)


def filled(description: str, templates: Sequence[str] = TEMPLATES) -> tuple[str, ...]:
    """A description in every template; a long one as it is."""
    if len(description) >= LONG:
        return (description,)
    return tuple(template.replace("{}", description) for template in templates)
