"""Entries of the catalogue of teachers, read from TOML."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from napari_construct.crossmodal.protocol import TeacherSpec
from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.texts.text import at
from napari_construct.reading.texts.toml import read_toml
from napari_construct.settings import Settings, problem

Loader = Literal["segment_anything", "cellsam", "cellpose_sam", "channel_unet", "precomputed"]

LARGEST_CATALOGUE: Final = 2**18
"""Bytes; a larger file is no catalogue."""

_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=200)]


class TeacherEntry(Settings):
    """What is known of a teacher without loading it.

    Parameters
    ----------
    id : str
        Name on the command line.
    title : str
        Name for people.
    loader : str
        Which file of this folder loads it.
    model : str
        Name of the network in its library, for example "vit_b".
    package : str or None
        Module of the library that it needs.
    install : str or None
        Command that installs the library.
    files : tuple of str
        Names under which its file of weights is looked for; the first is the one to get.
    source : str
        Where its weights, or outputs, come from.
    licence, licence_terms : str
        Of the weights, as their authors state it, and what that means.
    gated : bool
        Whether the weights must be asked for.
    size : int or None
        Bytes of the weights.
    parameters : int or None
        Number of its weights.
    channels : tuple of str
        Roles it looks at, in this order; empty: all channels there are.
    citation : str
        Authors, year, title.
    """

    model_config = ConfigDict(protected_namespaces=())

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
    title: _Text
    loader: Loader
    model: str = ""
    package: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")] | None = None
    install: _Text | None = None
    files: tuple[_FileName, ...] = ()
    source: _Text
    licence: _Text
    licence_terms: _Text
    gated: bool = False
    size: Annotated[int, Field(gt=0)] | None = None
    parameters: Annotated[int, Field(gt=0)] | None = None
    channels: tuple[str, ...] = ()
    citation: _Text

    @model_validator(mode="after")
    def _consistent(self) -> TeacherEntry:
        if (self.package is None) != (self.install is None):
            raise ValueError("a package needs the command that installs it")
        return self

    @property
    def spec(self) -> TeacherSpec:
        """The part of the entry that every teacher carries."""
        return TeacherSpec(self.id, self.title, self.licence, self.gated, self.parameters, self.channels)


def read_entries(path: Path) -> tuple[TeacherEntry, ...]:
    """Entries of a catalogue file, ``[[teacher]]`` tables in TOML.

    Raises
    ------
    ConfigurationError
        If it cannot be read, an entry is invalid, or an id is repeated.
    """
    content = read_toml(path, what="a catalogue of teachers", largest=LARGEST_CATALOGUE)
    rows = content.get("teacher")
    if not isinstance(rows, list) or set(content) != {"teacher"}:
        raise ConfigurationError(f"{at(path)}: expected [[teacher]] tables, got something else; correct it")
    try:
        entries = tuple(TeacherEntry.model_validate(row) for row in rows)
    except ValidationError as error:
        raise ConfigurationError(f"{at(path)}: {problem(error)}; correct it in this file") from error
    ids = [entry.id for entry in entries]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise ConfigurationError(f"{at(path)}: expected every id once, got {twice[0]} twice; rename one")
    return entries


@cache
def entries() -> tuple[TeacherEntry, ...]:
    """The teachers of this package."""
    with as_file(files("napari_construct.crossmodal.teachers") / "teachers.toml") as path:
        return read_entries(path)


def entry_of(name: str) -> TeacherEntry:
    """The entry of an id that is surely there."""
    return next(entry for entry in entries() if entry.id == name)
