"""Weights from the hub, a mirror of it, or a folder: with progress, resume and a checked hash.

huggingface_hub provides addresses, credentials and errors. This module writes the bytes, because that library
restarts an interrupted download. A token stays in the hub's store; this package passes it to the hub's client
and never shows or writes it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    hf_raise_for_status,
)

from napari_construct.encoders.entries import EncoderEntry, WeightFile
from napari_construct.encoders.hub.errors import FAILURES, WRONG_ANSWERS, HubRequest, hub_request, sentence
from napari_construct.encoders.hub.mirror import copy_steps
from napari_construct.encoders.hub.store import Installed, located, own_file, own_folder, settle
from napari_construct.encoders.hub.token import check_address, has_token, host_of, token_for
from napari_construct.events import Event, Notice, Steps
from napari_construct.exceptions import ConfigurationError, EncoderError
from napari_construct.reading.texts.json import read_json

EVERY: Final = 2**18
"""Bytes between two reports of progress."""

LARGEST_FILE: Final = 16 * 2**30
PATIENCE: Final = 20.0
"""Seconds without a byte after which a connection counts as broken."""

ATTEMPTS: Final = 4
"""Times in a row that a connection may break without a byte in between."""

PAUSE: Final = 1.0
"""Seconds before a broken connection is tried again; doubled every time."""

LULL: Final = 0.1
"""Seconds between two reports while there is nothing to report."""


@dataclass(frozen=True, slots=True)
class _Remote:
    """A file as the hub describes it."""

    url: str
    name: str
    etag: str
    size: int
    sha256: str | None
    mirror: str | None


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
                f"{entry.id}: {what} {file.name} as well: get it at {file.page}, then run "
                f"'napari-construct models import {file.name} --encoder {entry.id}'",
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
    remote = _describe(asked, asked.repository, (name,), None, largest)
    yield Event("download", 0, remote.size, remote.name)
    yield from _fetch(asked, remote, target)
    _check(asked.name, target, remote.sha256, remote.size)


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
        _forget_other(part, remote)
        yield from _fetch(hub_request(entry), remote, part)
        _check(entry.id, part, file.sha256 or remote.sha256, remote.size)
        settle(part, target)
        _note(part).unlink(missing_ok=True)
    except OSError as error:
        raise _no_room(target, error) from error


def _describe_file(entry: EncoderEntry, file: WeightFile, mirror: str | None) -> _Remote:
    repository = file.repository or entry.repository or ""
    return _describe(hub_request(entry), repository, file.names, mirror, LARGEST_FILE)


def _describe(
    asked: HubRequest, repository: str, names: Sequence[str], mirror: str | None, largest: int
) -> _Remote:
    """Ask for a file under each of its names."""
    last: Exception | None = None
    for name in names:
        try:
            url = hf_hub_url(repository, name, revision=asked.revision, endpoint=mirror)
            found = get_hf_file_metadata(url, token=token_for(url, mirror), timeout=PATIENCE)
        except EntryNotFoundError as error:
            last = error
            continue
        except EncoderError as error:  # of the token
            raise EncoderError(f"{asked.name}: {error}") from error
        except (*FAILURES, *WRONG_ANSWERS) as error:
            raise EncoderError(sentence(error, asked, mirror, token=has_token())) from error
        if not found.etag or found.size is None or found.size < 0:
            raise EncoderError(
                f"{asked.name}: expected size and checksum of {name} from {host_of(url)}, got none; open "
                "a page in the browser (the network may ask for a login first), or check --mirror"
            )
        if found.size > largest:
            raise EncoderError(
                f"{asked.name}: expected {name} of at most {largest / 2**30:g} GiB, got one of "
                f"{found.size / 2**30:.1f} GiB; check the repository"
            )
        sha256 = found.etag if len(found.etag) == 64 else None  # other files carry git's own checksum
        return _Remote(url, name, found.etag, found.size, sha256, mirror)
    if last is None:
        raise EncoderError(f"{asked.name}: expected a file to download, got none; correct its entry")
    raise EncoderError(sentence(last, asked, mirror, token=has_token())) from last


def _fetch(asked: HubRequest, remote: _Remote, part: Path) -> Iterator[Event]:
    """Append to the partial file until it is whole, through several connections if need be."""
    broken, pause = 0, PAUSE
    while (have := _size(part)) < remote.size:
        try:
            for done in _stream(remote, part, have):
                yield Event("download", done, remote.size, remote.name)
            if _size(part) < remote.size:
                raise ConnectionError(f"connection closed after {_size(part)} of {remote.size} bytes")
        except HfHubHTTPError as error:
            raise EncoderError(sentence(error, asked, remote.mirror, token=has_token())) from error
        except FAILURES as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            if _size(part) > have:
                broken, pause = 0, PAUSE
            broken += 1
            if broken >= ATTEMPTS:
                raise EncoderError(sentence(error, asked, remote.mirror, token=has_token())) from error
            for _ in range(max(round(pause / LULL), 1)):  # a cancel need not wait for the next attempt
                time.sleep(min(LULL, pause))
                yield Event("download", _size(part), remote.size, remote.name)
            pause *= 2


def _stream(remote: _Remote, part: Path, have: int) -> Iterator[int]:
    """One connection: bytes in the file after each chunk."""
    headers = build_hf_headers(token=token_for(remote.url, remote.mirror)) | {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    session: Any = get_session()
    with session.stream("GET", remote.url, headers=headers, timeout=PATIENCE) as response:
        hf_raise_for_status(response)
        if have and response.status_code != 206:  # the server knows no ranges: from the start
            have = 0
        with part.open("ab" if have else "wb") as stream:
            told = have
            for chunk in response.iter_bytes():  # as they come: what a break leaves is kept
                have += len(chunk)
                if have > remote.size:
                    raise EncoderError(
                        f"expected {remote.size} bytes of {remote.name}, got more; check --mirror "
                        "(or the login page of the network), try again"
                    )
                stream.write(chunk)
                if have - told >= EVERY or have == remote.size:
                    yield (told := have)


def _check(name: str, part: Path, wanted: str | None, size: int) -> None:
    """Compare size and SHA-256; what differs is deleted, because resuming it could not help.

    A web page in the place of the file is no file either, whatever size the server gave it.
    """
    with part.open("rb") as stream:
        page = stream.read(64).lstrip().lower().startswith(_WEB_PAGE)
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest() if wanted is not None else None
    if page:
        part.unlink(missing_ok=True)
        _note(part).unlink(missing_ok=True)
        raise EncoderError(
            f"{name}: expected {part.stem}, got a web page; open a page in the browser (the network may "
            "ask for a login first), or check --mirror"
        )
    if _size(part) != size or found != wanted:
        part.unlink(missing_ok=True)
        _note(part).unlink(missing_ok=True)
        raise EncoderError(
            f"{name}: expected the published {part.stem} (SHA-256 {(wanted or 'unknown')[:12]}...), got "
            "other content; it was deleted, download it again, and tell its authors if that repeats"
        )


def _forget_other(part: Path, remote: _Remote) -> None:
    """Drop a partial file of other content than the hub has now."""
    note = _note(part)
    try:
        known = read_json(note, largest=10_000) if note.is_file() else {}
    except ConfigurationError:
        known = {}
    if known != {"etag": remote.etag, "size": remote.size}:
        part.unlink(missing_ok=True)
        note.write_text(json.dumps({"etag": remote.etag, "size": remote.size}), encoding="utf-8")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


_WEB_PAGE: Final = (b"<!doctype", b"<html", b"<?xml")

_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG, errno.EPERM)


def _no_room(target: Path, error: OSError) -> EncoderError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return EncoderError(
            f"{target}: expected room for the download, got a full disk; free some space and run the command "
            "again, it goes on where it stopped"
        )
    return EncoderError(
        f"{target}: cannot be written ({error.strerror or error}); choose another folder with "
        "NAPARI_CONSTRUCT_HOME"
    )


def endpoint() -> str:
    """Default address of the hub."""
    return constants.ENDPOINT
