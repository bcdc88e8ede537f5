"""What was cut: the file beside the table of a labelled folder, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, field_validator

from napari_construct.classes import ClassTable
from napari_construct.data.label_table import is_class_column
from napari_construct.data.labels.labelled_folder import ABOUT, FORMAT, is_labelled_folder
from napari_construct.exceptions import ConfigurationError, DatasetError
from napari_construct.export.record import write_record
from napari_construct.labelling.settings import MOST_PATCHES
from napari_construct.reading.names import folded, named
from napari_construct.reading.texts.json import read_json
from napari_construct.settings import Settings, problem

PATCHES: Final = "patches"
CONTEXT: Final = "context"
"""Folders of the patches, and of what lies around them."""

_LARGEST: Final = 2**26
_VERSION: Final = 1
_Probability = Annotated[float, Field(ge=0, le=1)]


class CutPatch(Settings):
    """One patch, and where it comes from.

    Parameters
    ----------
    file : str
        Its name in the folder ``patches``.
    group, source : str
        Slide or image, for people; path of its file, or name of its layer.
    row, column, height, width : int
        In pixels of the source (of level 0).
    mpp : float or None
        Micrometres per pixel of the patch.
    context : str
        Name of the picture of what lies around it, in the folder ``context``; empty without one.
    guess : tuple of float
        A model's probability of each of its classes; empty without a model.
    """

    file: Annotated[str, Field(min_length=1, max_length=255)]
    group: Annotated[str, Field(max_length=4096)] = ""
    source: Annotated[str, Field(max_length=4096)] = ""
    row: int = 0
    column: int = 0
    height: Annotated[int, Field(ge=0)] = 0
    width: Annotated[int, Field(ge=0)] = 0
    mpp: Annotated[float, Field(gt=0, le=1000)] | None = None
    context: Annotated[str, Field(max_length=255)] = ""
    guess: tuple[_Probability, ...] = ()

    @field_validator("file", "context")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if name and (Path(name).name != name or "\\" in name or "\0" in name or name in (".", "..")):
            raise ValueError(f"expected the name of a file without folders, got {name[:80]!r}")
        return name

    @property
    def path(self) -> str:
        """As in the table: relative to the folder, with ``/``."""
        return f"{PATCHES}/{self.file}"


class Description(Settings):
    """A labelled folder.

    Parameters
    ----------
    complete : bool
        Whether all patches were cut; a cut that was killed can be repeated.
    classes : ClassTable
        The classes to label.
    patches : tuple of CutPatch
        In the order of the choice.
    former : tuple of str
        What the first of the classes were called before they were renamed last.
    model : str
        The model of the guesses; empty without.
    guessed : tuple of str
        Its classes.
    settings : mapping
        Of the cut, for the record.
    """

    complete: bool
    classes: ClassTable
    patches: Annotated[tuple[CutPatch, ...], Field(max_length=MOST_PATCHES)]
    former: tuple[str, ...] = ()
    model: str = ""
    guessed: tuple[str, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it into a folder, whole or not at all.

        Raises
        ------
        ConstructError
            If the system refuses.
        """
        about = {"format": FORMAT, "version": _VERSION, **self.model_dump(mode="json")}
        write_record(folder / ABOUT, about)


def read_description(folder: Path) -> Description:
    """The description of a labelled folder.

    Raises
    ------
    DatasetError
        If there is none, or it is damaged.
    """
    path = folder / ABOUT
    if not is_labelled_folder(folder):
        raise DatasetError(
            f"{folder}: expected a folder that patches were cut into ({ABOUT} in it), found another; cut "
            "patches into it first, or choose the right one"
        )
    found = read_json(path, what="a description of patches", largest=_LARGEST, error=DatasetError)
    version = found.pop("version", None)
    found.pop("format", None)
    if version != _VERSION:
        raise DatasetError(f"{path}: expected version {_VERSION}, got {version!r}; update napari-construct")
    try:
        return Description.model_validate(found)
    except ValidationError as error:
        raise DatasetError(f"{path}: {problem(error)}; restore the file, or cut the patches again") from error


def check_classes(classes: ClassTable) -> None:
    """Refuse names that a table cannot hold as columns.

    Raises
    ------
    ConfigurationError
        If a name is that of an index, a place, a split, a slide ..., or two differ in nothing but capitals.
    """
    wrong = [name for name in classes.names if not is_class_column(name)]
    if wrong:
        raise ConfigurationError(
            f"classes: expected names of tissues, got {named(wrong)}, which tables use for numbers, places "
            "and slides; choose other names"
        )
    if len({folded(name) for name in classes.names}) < len(classes):
        raise ConfigurationError(
            "classes: expected names that differ in more than capitals, got "
            f"{named(classes.names)}; rename one of them"
        )
