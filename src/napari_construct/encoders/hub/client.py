"""Weights from the hub, a mirror of it, or a folder: with progress, resume and a checked hash.

A token stays in the hub's store; this package passes it to the hub's client
and never shows or writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from huggingface_hub import constants

from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.encoders.hub.errors import HubRequest, hub_request
from napari_construct.encoders.hub.mirror import copy_steps
from napari_construct.encoders.hub.store import Installed, located, own_file, own_folder, settle
from napari_construct.encoders.hub.token import check_address
from napari_construct.encoders.hub.transfer import (
    Remote,
    check,
    describe,
    fetch,
    forget_note,
    forget_other,
    no_room,
)
from napari_construct.events import Event, Notice, Steps
from napari_construct.exceptions import EncoderError

LARGEST_FILE: Final = 16 * 2**30


def download_steps(
    entry: EncoderEntry, *, mirror: str | None = None, again: bool = False
) -> Steps[Installed]:
    """Download an encoder's weights.

    Parameters
    ----------
    entry : EncoderEntry
        The encoder.
    mirror : str, optional
        Address of a server with the hub's interface, or a folder that holds the files (below ``OWNER/NAME/``,
        below the encoder's id, or directly). By default the hub, or the address in the environment variable
        HF_ENDPOINT.
    again : bool
        Download again files that are on this computer.

    Yields
    ------
    Event
        Stage "download", bytes done of bytes in all, with the file's name; a ``Notice`` for files that the
        user must get by hand. Closing the generator stops; the next call resumes the download.

    Returns
    -------
    Installed
        The files.

    Raises
    ------
    EncoderError
        If there is no access, connection or disk space, or the content differs from the published one.
    """
    if not entry.files:
        raise EncoderError(
            f"{entry.id}: expected an encoder with weights to download, got one that needs none"
        )
    found = located(entry)
    if found is None or again:
        for file in entry.files:
            if file.page is None and (again or own_file(entry, file) is None):
                yield from _one(entry, file, mirror)
        found = located(entry)
    if found is None:
        raise EncoderError(f"{entry.id}: expected all its files after the download, got some; try again")
    for file in entry.files:
        if file.page is not None and file.name not in found.files:
            what = "text prompts need" if not file.required else "it needs"
            yield Notice(
                "download", 1, 1,
                f"{entry.id}: {what} {file.name} as well: get it at {file.page}, then import it "
                f"(napari-construct models import {file.name} --encoder {entry.id})",
            )  # fmt: skip
    return found


def check_access(entry: EncoderEntry, mirror: str | None = None) -> str | None:
    """Ask the hub whether this user may download an encoder; nothing is fetched.

    Returns
    -------
    str or None
        None with access, otherwise a sentence with the next step.
    """
    try:
        check_address(mirror)
        for file in entry.files[:1]:
            _describe_file(entry, file, mirror)
    except EncoderError as error:
        return str(error)
    return None


def file_steps(asked: HubRequest, name: str, target: Path, largest: int) -> Steps[None]:
    """Download one file of a repository to a path; for files that are in no catalogue.

    Parameters
    ----------
    asked : HubRequest
        Repository and revision.
    name : str
        Path inside the repository.
    target : Path
        In a folder of its own; a part that is there is completed.
    largest : int
        Bytes. A file that the hub says is larger is refused, and no more bytes than it says are taken.

    Raises
    ------
    EncoderError
        If there is no access or connection, the file is too large, or the content is not what the hub says.
    OSError
        If the system refuses to write.
    """
    remote = describe(asked, asked.repository, (name,), None, largest)
    yield Event("download", 0, remote.size, remote.name)
    yield from fetch(asked, remote, target)
    check(asked.name, target, remote.sha256, remote.size)


def _one(entry: EncoderEntry, file: WeightFile, mirror: str | None) -> Iterator[Event]:
    if mirror is not None and "://" not in mirror:
        yield from copy_steps(entry, file, Path(mirror))
        return
    check_address(mirror)
    remote = _describe_file(entry, file, mirror)
    target = own_folder(entry) / remote.name
    part = target.with_name(f"{target.name}.part")
    yield Event("download", 0, remote.size, remote.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        forget_other(part, remote)
        yield from fetch(hub_request(entry), remote, part)
        check(entry.id, part, file.sha256 or remote.sha256, remote.size)
        settle(part, target)
        forget_note(part)
    except OSError as error:
        raise no_room(target, error) from error


def _describe_file(entry: EncoderEntry, file: WeightFile, mirror: str | None) -> Remote:
    repository = file.repository or entry.repository or ""
    return describe(hub_request(entry), repository, file.names, mirror, LARGEST_FILE)


def endpoint() -> str:
    """Default address of the hub."""
    return constants.ENDPOINT
