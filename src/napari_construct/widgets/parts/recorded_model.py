"""The model that a record names, among those on this computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_construct.events import Steps
from napari_construct.exceptions import InputError
from napari_construct.widgets.parts.known_models import models_steps


def recorded_model_steps(record: Mapping[str, Any], own_models: Sequence[str], what: str) -> Steps[str]:
    """Find the model with the hash of a record, in a worker's thread.

    Parameters
    ----------
    record : mapping
        Of a result; its ``model`` has a name and a hash.
    own_models : sequence of str
        Paths of the user's own models.
    what : str
        What it made: "mask".

    Returns
    -------
    str
        Its name or path, as models are chosen.

    Raises
    ------
    InputError
        If it is not there.
    """
    from napari_construct.models.checkpoints.archive import file_hash

    wanted = record["model"]
    known = [m for m in (yield from models_steps(own_models)) if m.usable]
    known.sort(key=lambda model: Path(model.value).stem != wanted.get("name"))  # most likely this one
    for model in known:
        if file_hash(model.path) == wanted.get("sha256"):
            return model.value
    name = wanted.get("name", "of no name")
    raise InputError(
        f"expected the model of this {what} ({name}) on this computer, got none with the same content; open "
        "its file in Segment, or import it in Models"
    )
