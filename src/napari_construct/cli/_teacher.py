"""A teacher by its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_construct.exceptions import ConfigurationError

if TYPE_CHECKING:
    from napari_construct.crossmodal.protocol import Teacher

TeacherForeground = Annotated[
    str | None,
    typer.Option(
        "--teacher-foreground",
        help="Where --teacher is a folder of maps of several classes: the channels that are foreground, by "
        "number from 0, such as 0,1; they are summed.",
    ),
]


def load_named(name: str, weights: Path | None, device: str | None, foreground: str | None) -> Teacher:
    """Load the teacher of the options.

    Raises
    ------
    ConstructError
        As of :func:`~napari_construct.crossmodal.teachers.catalogue.load_teacher`; or if there is a
        foreground for a teacher that is no folder of maps.
    """
    from napari_construct.crossmodal.teachers.catalogue import load_teacher
    from napari_construct.crossmodal.teachers.typed import typed_foreground
    from napari_construct.reading.foreign import quoted
    from napari_construct.reading.places import is_folder

    more: dict[str, Any] = {}
    if (chosen := typed_foreground(foreground)) is not None:
        if name != "precomputed" and not is_folder(name):
            raise ConfigurationError(
                f"expected --teacher-foreground with a folder of maps, got the teacher {quoted(name)}; "
                "leave it out"
            )
        more["foreground"] = chosen
    return load_teacher(name, weights, device or "auto", **more)
