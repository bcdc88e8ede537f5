"""Settings of one download; widget, command line and Python use the same object."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_construct.encoders.catalogue.converted import converted_steps
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
        Id of an encoder; empty if none is chosen.
    mirror : str or None
        Folder with the files, or address of a server with the hub's interface (of a package index for
        weights that come in a package); None takes the hub, and pip's own index.
    again : bool
        Download again files that are on this computer.
    accepted : bool
        Whether the user agrees to the licence of a gated encoder.
    """

    name: Annotated[str, Field(max_length=400)] = ""
    mirror: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    again: bool = False
    accepted: bool = False


def download_encoder(settings: DownloadSettings, progress: Progress = None) -> Installed:
    """Download an encoder's weights; checks access to gated ones first.

    Parameters
    ----------
    settings : DownloadSettings
        Encoder, source, and agreement to the licence.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.

    Raises
    ------
    EncoderError
        If the id is unknown, the licence is not agreed to, access is denied, or the download fails.
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
    if entry.package is not None:
        return (yield from converted_steps(entry, mirror=settings.mirror, again=settings.again))
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
    """Whether files come from the hub or a server with its interface, not from a folder."""
    return mirror is None or "://" in mirror
