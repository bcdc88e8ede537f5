"""The class table: names, descriptions and colours of the tissue classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, field_validator, model_validator

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import harmless, quoted
from napari_construct.reading.name_lists import names_as_text
from napari_construct.reading.names import normal
from napari_construct.reading.texts.csv import csv_text, read_csv
from napari_construct.reading.texts.json import parse_json, read_json
from napari_construct.reading.texts.text import LARGEST_SETTINGS, at, holds_json
from napari_construct.settings import Settings, problem
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials, replacing

MAX_CLASSES: Final = 254
"""Labels are uint8, 0 is unlabelled and 255 is kept free for "ignored"."""

MAX_NAME: Final = 300
"""Characters of a name: those of a folder's (255), and the number of a prototype."""

OKABE_ITO: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")
"""Colours for colour-blind readers (Okabe and Ito 2008), without black."""

BCSS_COLOURS: Final = ("#FF0000", "#00FF00", "#0000FF", "#9900FF")
"""The colours of the ConStruct paper for TUM, STR, LYM, NEC."""

PALETTES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"Okabe-Ito": OKABE_ITO, "Paper (BCSS)": BCSS_COLOURS}
)
"""By the names that users choose them by."""

_JOINERS: Final = "\u200c\u200d"

Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of ``#RRGGBB``."""
    value = int(colour[1:], 16)
    return value >> 16, (value >> 8) & 255, value & 255


def hex_of(rgb: Iterable[Any]) -> str:
    """``#RRGGBB`` of red, green and blue, integers from 0 to 255; further values are ignored."""
    red, green, blue, *_ = (int(channel) for channel in rgb)
    return f"#{red:02X}{green:02X}{blue:02X}"


def palette_colour(index: int, palette: Sequence[str] = OKABE_ITO) -> str:
    """The colour of class ``index`` from a palette, which repeats."""
    return palette[index % len(palette)]


def _can_be_shown(character: str) -> bool:
    """Letters, signs, spaces of all widths, and what joins emoji and letters of some scripts."""
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"


class TissueClass(Settings):
    """One tissue class.

    Parameters
    ----------
    name : str
        Short name shown in menus and layers; unique in its table.
    prompt : str
        Description from which text prototypes start; the name if empty.
    colour : str
        ``#RRGGBB``.
    shown, ignored : bool
        Whether the class is displayed; whether scores leave it out.
    """

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    prompt: str = ""
    colour: Colour = OKABE_ITO[0]
    shown: bool = True
    ignored: bool = False

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        name = normal(name)
        if name != name.strip() or not all(map(_can_be_shown, name)):
            raise ValueError(f"a class name must be printable and without outer spaces, got {quoted(name)}")
        return name

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        return rgb_of(self.colour)


class ClassTable(Settings):
    """The classes of a model in the order of its outputs; label ``i + 1`` is class ``i``."""

    classes: Annotated[tuple[TissueClass, ...], Field(min_length=1, max_length=MAX_CLASSES)]

    @model_validator(mode="after")
    def _unique(self) -> ClassTable:
        names = [c.name for c in self.classes]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(
                f"class names must be unique, got {', '.join(map(harmless, twice[:5]))} more than once"
            )
        return self

    @classmethod
    def from_names(cls, names: Sequence[str], palette: Sequence[str] = OKABE_ITO) -> ClassTable:
        """Table of classes with the colours of a palette, which repeats."""
        try:
            return cls(
                classes=tuple(
                    TissueClass(name=n, colour=palette_colour(i, palette)) for i, n in enumerate(names)
                )
            )
        except ValidationError as error:
            raise ConfigurationError(problem(error)) from error

    def coloured(self, palette: Sequence[str]) -> ClassTable:
        """The same classes in the colours of a palette."""
        classes = (c.model_copy(update={"colour": palette_colour(i, palette)}) for i, c in enumerate(self))
        return ClassTable(classes=tuple(classes))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)

    def index(self, name: str) -> int:
        """Position of a class by its name."""
        wanted = normal(name)
        if wanted not in self.names:
            known = names_as_text(self.names, separator=", ")
            raise ConfigurationError(
                f"expected one of the classes {known}, got {quoted(name)}; check the spelling"
            )
        return self.names.index(wanted)

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[TissueClass]:  # type: ignore[override]
        return iter(self.classes)

    def __getitem__(self, index: int) -> TissueClass:
        return self.classes[index]

    def to_json(self) -> str:
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> ClassTable:
        """Table from the text of :meth:`to_json`; missing fields keep their defaults."""
        if len(text) > LARGEST_SETTINGS:
            raise ConfigurationError("class table as JSON: expected at most 1 MiB, got more; check the text")
        return cls._of(parse_json(text, "class table as JSON", "classes"), "class table as JSON")

    def to_csv(self) -> str:
        """Comma-separated text with the columns name, prompt, colour, shown, ignored."""
        rows = [tuple(tissue.model_dump().values()) for tissue in self.classes]
        return csv_text([tuple(TissueClass.model_fields), *rows])

    def save(self, path: PathLike) -> None:
        """Write as CSV or JSON, by the suffix of ``path``; an earlier file is replaced as a whole or stays.

        Raises
        ------
        OSError
            If the system refuses.
        """
        path = Path(path)
        text = self.to_csv() if path.suffix.lower() == ".csv" else self.to_json()
        remove_partials(path)
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: PathLike) -> ClassTable:
        """Read a table written by :meth:`save`, or a CSV with at least a ``name`` column.

        The content decides which of both it is, under any name.
        """
        path = Path(path)
        what = "a class table (CSV or JSON)"
        if holds_json(path, what):
            return cls._of(read_json(path, what=what, largest=LARGEST_SETTINGS), at(path))
        return cls._of(_csv_rows(path, what), at(path))

    @classmethod
    def _of(cls, found: Any, where: str) -> ClassTable:
        try:
            return cls.model_validate({"classes": found} if isinstance(found, list) else found)
        except ValidationError as error:
            raise ConfigurationError(f"{where}: {problem(error)}") from error


def _csv_rows(path: Path, what: str) -> list[dict[str, Any]]:
    table = read_csv(path, what=what, largest=LARGEST_SETTINGS)
    if "name" not in table.header:
        raise ConfigurationError(
            f"{at(path)}: expected {what} with the column name, got {quoted(', '.join(table.header))}; name "
            "the columns in the first line"
        )
    rows: list[dict[str, Any]] = []
    for i, (_, cells) in enumerate(table.rows):
        filled = {name: cell for name, cell in zip(table.header, cells, strict=False) if cell}
        rows.append({"colour": palette_colour(i), **filled})
    return rows
