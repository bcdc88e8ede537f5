"""What a user chooses for one download: the same object behind widget, command line and Python."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.catalogue.overview import status_of
from napari_construct.encoders.hub.store import Installed
from napari_construct.events import Progress, Steps, run
from napari_construct.exceptions import EncoderError
from napari_construct.settings import Settings


class DownloadSettings(Settings):
    """Settings of one download.

    Parameters
    ----------
    name : str
        Id of an encoder; empty while none is chosen.
    mirror : str or None
        Folder with the files, or address of a server that answers as the hub does; None takes the hub.
    again : bool
        Fetch also what is here already.
    accepted : bool
        The user has read the licence of a gated encoder and agrees to it.
    """

    name: Annotated[str, Field(max_length=400)] = ""
    mirror: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    again: bool = False
    accepted: bool = False


def download_encoder(settings: DownloadSettings, progress: Progress = None) -> Installed:
    """Download an encoder's weights: through the gate, where there is one, and then the files.

    Parameters
    ----------
    settings : DownloadSettings
        What, from where, and the agreement to its licence.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Raises
    ------
    EncoderError
        If the id is unknown, a licence was not agreed to, there is no access, or the download fails.
    """
    return run(fetch_steps(settings), progress)


def fetch_steps(settings: DownloadSettings) -> Steps[Installed]:
    """:func:`download_encoder` as a job.

    Yields
    ------
    Event
        Of :func:`~napari_construct.encoders.hub.client.download_steps`.
    """
    from napari_construct.encoders.hub.client import check_access, download_steps

    entry = find_entry(settings.name)
    if status_of(entry).state == "gated":
        if not settings.accepted:
            raise EncoderError(
                f"{entry.id}: expected your agreement to its licence, got none; read {entry.source} and agree"
            )
        refused = check_access(entry, settings.mirror) if from_server(settings.mirror) else None
        if refused is not None:
            raise EncoderError(refused)
    return (yield from download_steps(entry, mirror=settings.mirror, again=settings.again))


def from_server(mirror: str | None) -> bool:
    """Whether files come from the hub or a server that answers like it, and not from a folder."""
    return mirror is None or "://" in mirror
