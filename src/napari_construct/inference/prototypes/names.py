"""The prototypes of a model by name: "tumour 2" is the second of its class."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_construct.classes import ClassTable, TissueClass, hex_of, rgb_of
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.checkpoints.placed_prototypes import check_has_prototypes
from napari_construct.reading.names import normal

_NAME = re.compile(r"^(.*?)[\s:#]+(\d+)$")


@dataclass(frozen=True, slots=True)
class Prototype:
    """One prototype.

    Attributes
    ----------
    index : int
        Position among all, as in the maps; placed ones come last.
    owner : int
        Index of its class.
    tissue : str
        Name of its class.
    number : int
        From 1 within its class.
    origin : str
        "trained", or the source of a placed prototype.
    """

    index: int
    owner: int
    tissue: str
    number: int
    origin: str = "trained"

    @property
    def name(self) -> str:
        return f"{self.tissue} {self.number}"


def prototypes_of(checkpoint: Checkpoint) -> tuple[Prototype, ...]:
    """All prototypes of a model, in the order of its maps.

    Raises
    ------
    ConfigurationError
        If it has none.
    """
    check_has_prototypes(checkpoint)
    names, per_class = checkpoint.classes.names, checkpoint.config.prototypes_per_class
    owners = [i for i in range(len(names)) for _ in range(per_class)]
    origins = ["trained"] * len(owners)
    told = list(checkpoint.training.get("placed", ()))
    for i, owner in enumerate(checkpoint.config.placed):
        owners.append(owner)
        origins.append(_origin(told[i] if i < len(told) else {}))
    found: list[Prototype] = []
    for index, (owner, origin) in enumerate(zip(owners, origins, strict=True)):
        number = owners[: index + 1].count(owner)
        found.append(Prototype(index, owner, names[owner], number, origin))
    return tuple(found)


def find_prototype(prototypes: tuple[Prototype, ...], name: str) -> Prototype:
    """A prototype by name: "tumour 2" or "tumour:2"; the first of all for an empty name.

    Raises
    ------
    ConfigurationError
        If there is none; the message names them.
    """
    if not name:
        return prototypes[0]
    name = normal(name).strip()
    match = _NAME.match(name)
    wanted = [(name, 1)]  # a class's own name may end in a number
    if match:
        wanted.insert(0, (match.group(1), int(match.group(2))))
    for one in wanted:
        for prototype in prototypes:
            if (prototype.tissue, prototype.number) == one:
                return prototype
    raise ConfigurationError(
        f"expected a prototype of the model ({', '.join(p.name for p in prototypes)}), got {name!r}; choose "
        "one of these"
    )


def prototype_table(prototypes: tuple[Prototype, ...], classes: ClassTable) -> ClassTable:
    """Prototypes as if they were classes, in shades of their class's colour; for files and layers."""
    most = max(p.number for p in prototypes)
    return ClassTable(
        classes=tuple(
            TissueClass(name=p.name, prompt=p.origin, colour=_shade(classes[p.owner].colour, p.number, most))
            for p in prototypes
        )
    )


def _shade(colour: str, number: int, most: int) -> str:
    """From the colour itself towards white, so that prototypes of one class can be told apart."""
    part = 0.6 * (number - 1) / max(most, 2)
    return hex_of(round(c + (255 - c) * part) for c in rgb_of(colour))


def _origin(told: object) -> str:
    """Where a placed prototype came from, in words."""
    known = told if isinstance(told, dict) else {}
    if known.get("text"):
        return f"text: {known['text']}"
    return f"region of {known['region']}" if known.get("region") else "placed"
