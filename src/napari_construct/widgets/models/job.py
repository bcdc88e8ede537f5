"""The jobs behind Models, without a widget; everything here runs in the worker's thread."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from napari_construct.encoders.catalogue.download import DownloadSettings, fetch_steps
from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.catalogue.overview import EncoderStatus, readable_overview, size_text
from napari_construct.encoders.entries import EncoderEntry
from napari_construct.events import Event, Result, Steps, forward
from napari_construct.exceptions import EncoderError
from napari_construct.models.checkpoints.summary import ModelSummary, summarise
from napari_construct.reading.places import is_file
from napari_construct.widgets.fields.in_window import in_window
from napari_construct.widgets.jobs.imports import importing

_MB: Final = 10**6
_COMMAND: Final = re.compile(r"run (?:the command|'napari-construct models download [^']+') again")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One encoder or trained model, as the table shows it.

    Attributes
    ----------
    kind : str
        "encoder" or "model".
    name : str
        Id of the encoder, or name of the model.
    state : str
        "bundled", "installed", "available", "gated"; of a model "bundled", "imported" or "own".
    size : int or None
        Bytes.
    location : Path or None
        File of the weights or of the model.
    licence : str
        Of the weights; of a model that of its encoder's weights.
    mpp : float or None
        Micrometres per pixel.
    entry : EncoderEntry or None
        All that is known of an encoder.
    facts : mapping
        All that is known of a model.
    summary : ModelSummary or None
        What a model is for, its scores and limits.
    problem : str
        Why it cannot be used as it is, and what to do.
    """

    kind: Literal["model", "encoder"]
    name: str
    state: str
    size: int | None
    location: Path | None = None
    licence: str = ""
    mpp: float | None = None
    entry: EncoderEntry | None = None
    facts: Mapping[str, Any] | None = None
    summary: ModelSummary | None = None
    problem: str = ""

    @property
    def here(self) -> bool:
        """Whether it can be used without a download."""
        return self.state in ("bundled", "installed", "imported", "own")


@dataclass(frozen=True, slots=True)
class Listing:
    """All rows; whether the hub's store holds a token; what is wrong with the user's own catalogue."""

    rows: tuple[ModelRow, ...]
    token: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """Import a file or a hub repository; weights are those of ``entry`` where their names agree."""

    source: str
    entry: EncoderEntry | None


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Write a model and its card into a folder."""

    model: str
    folder: str
    licence: str


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """Upload a model and its card to a repository of the hub."""

    model: str
    repository: str
    licence: str
    private: bool


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended, in a sentence; ``access`` is what the hub said when it was asked for access."""

    text: str
    access: str | None = None


def listing_steps(own: Sequence[str] = ()) -> Steps[Listing]:
    """Look what is on this computer; nothing is asked of the hub.

    ``own`` are the paths of the user's own models in other folders; those that are gone are left out.
    """
    from napari_construct.encoders.hub.token import stored_token

    yield Event("looking", 0, 2)
    with importing():
        encoders, problem = readable_overview()
    yield Event("looking", 1, 2)
    rows = (*_models(own), *map(_encoder, encoders))
    return Listing(rows, stored_token() == "there is one", problem)


def _encoder(status: EncoderStatus) -> ModelRow:
    entry = status.entry
    absent = [name for name in entry.requires if importlib.util.find_spec(name) is None]
    return ModelRow(
        "encoder",
        entry.id,
        status.state,
        status.size,
        status.location,
        entry.licence,
        entry.mpp,
        entry,
        problem=f"It needs the package {absent[0]}: run 'pip install {absent[0]}'." if absent else "",
    )


def _models(own: Sequence[str]) -> tuple[ModelRow, ...]:
    from napari_construct.models.library.overview import model_overview, trained_models

    named = {path.absolute() for path in trained_models().values()}
    others = [path for path in map(Path, own) if path.absolute() not in named and is_file(path)]
    return tuple(
        ModelRow(
            "model",
            status.name,
            "own" if status.path in others else "bundled" if status.bundled else "imported",
            status.size,
            status.path,
            _licence(str(status.facts.get("encoder", ""))),
            status.facts.get("mpp"),
            facts=status.facts,
            summary=summarise(status.path),
            problem=status.problem,
        )
        for status in model_overview(others)
    )


def _licence(encoder: str) -> str:
    try:
        return find_entry(encoder).licence
    except EncoderError:  # trained from scratch, or no longer in the user's catalogue
        return ""


def download_job(settings: DownloadSettings) -> Steps[Done]:
    """Through the gate and down, told in megabytes."""
    try:
        found = yield from in_megabytes(fetch_steps(settings))
    except EncoderError as error:
        raise EncoderError(in_buttons(str(error))) from error
    return Done(f"{settings.name} is ready, {size_text(found.size)} in {found.weights.parent}.")


def in_buttons(sentence: str) -> str:
    """A message of the command line, in the words of the buttons."""
    return in_window(_COMMAND.sub("press Download again", sentence))


def in_megabytes(steps: Steps[Result]) -> Steps[Result]:
    """The same steps; bytes become megabytes, and the stage says of which file."""

    def told(event: Event) -> tuple[Event]:
        if event.total <= _MB:
            return (event,)
        stage = f"download of {event.message} in MB"
        return (replace(event, stage=stage, done=event.done // _MB, total=event.total // _MB),)

    return forward(steps, told)


def access_job(settings: DownloadSettings) -> Steps[Done]:
    """Ask the hub whether this user may download an encoder; nothing is fetched."""
    from napari_construct.encoders.hub.client import check_access

    yield Event("asking the hub", 0, 1)
    refused = in_buttons(check_access(find_entry(settings.name), settings.mirror) or "")
    return Done(refused or f"Access to {settings.name} is granted: download it.", refused)


def import_job(request: ImportRequest) -> Steps[Done]:
    """Import a file or a hub repository."""
    source, entry = request.source, request.entry
    from napari_construct.models.library.importing import Import, import_steps

    encoder = entry.id if entry is not None and holds_weights(source, entry) else None
    path = yield from import_steps(Import(source, encoder=encoder))
    return Done(f"{encoder or path.stem} is in {path}.")


def holds_weights(source: str, entry: EncoderEntry) -> bool:
    """Whether a file may be one of an encoder's, by its name."""
    names = [Path(name) for file in entry.files for name in file.names]
    path = Path(source)
    suffix = path.suffix.lower()
    return suffix != ".construct" and any(path.name == name.name or suffix == name.suffix for name in names)


def export_job(request: ExportRequest) -> Steps[Done]:
    """Write a model and its card."""
    from napari_construct.models.library.sharing import export_model

    yield Event("export", 0, 1)
    written = export_model(request.model, request.folder, licence=request.licence)
    return Done(f"Written: {written['model']} and its card.")


def upload_job(request: UploadRequest) -> Steps[Done]:
    """Upload a model and its card."""
    from napari_construct.models.library.sharing import push_model

    yield Event("upload", 0, 1)
    model, repository, licence = request.model, request.repository, request.licence
    return Done(f"Uploaded to {push_model(model, repository, private=request.private, licence=licence)}.")


def remove_job(row: ModelRow) -> Steps[Done]:
    """Delete an imported model, or an encoder's weights."""
    from napari_construct.models.library.overview import remove

    yield Event("remove", 0, 1)
    return Done(f"{row.name} was removed, {size_text(remove(row.name, row.kind))} freed.")


def diagnosis_steps(online: bool) -> Steps[str]:
    """One screen about this installation; it names no token."""
    from napari_construct.models.library.diagnostics import as_text, diagnose

    yield Event("looking", 0, 1)
    return as_text(diagnose(online=online))
