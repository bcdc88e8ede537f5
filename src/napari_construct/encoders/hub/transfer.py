"""One file over the connection to a hub: described, fetched through breaks, and checked.

huggingface_hub provides addresses, credentials and errors. This module writes the bytes, because that library
restarts an interrupted download.
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

from huggingface_hub import get_hf_file_metadata, get_session, hf_hub_url
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    hf_raise_for_status,
)

from napari_construct.encoders.hub.errors import FAILURES, WRONG_ANSWERS, HubRequest, sentence
from napari_construct.encoders.hub.token import has_token, host_of, token_for
from napari_construct.events import Event
from napari_construct.exceptions import ConfigurationError, EncoderError
from napari_construct.reading.places import size_of
from napari_construct.reading.texts.json import read_json

EVERY: Final = 2**18
"""Bytes between two reports of progress."""

PATIENCE: Final = 20.0
"""Seconds without a byte after which a connection counts as broken."""

ATTEMPTS: Final = 4
"""Times in a row that a connection may break without a byte in between."""

PAUSE: Final = 1.0
"""Seconds before a broken connection is tried again; doubled every time."""

LULL: Final = 0.1
"""Seconds between two reports while there is nothing to report."""

_WEB_PAGE: Final = (b"<!doctype", b"<html", b"<?xml")

_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as the hub describes it."""

    url: str
    name: str
    etag: str
    size: int
    sha256: str | None
    mirror: str | None


def describe(
    asked: HubRequest, repository: str, names: Sequence[str], mirror: str | None, largest: int
) -> Remote:
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
                "a page in the browser (the network may ask for a login first), or check the mirror "
                "(--mirror)"
            )
        if found.size > largest:
            raise EncoderError(
                f"{asked.name}: expected {name} of at most {largest / 2**30:g} GiB, got one of "
                f"{found.size / 2**30:.1f} GiB; check the repository"
            )
        sha256 = found.etag if len(found.etag) == 64 else None  # other files carry git's own checksum
        return Remote(url, name, found.etag, found.size, sha256, mirror)
    if last is None:
        raise EncoderError(f"{asked.name}: expected a file to download, got none; correct its entry")
    raise EncoderError(sentence(last, asked, mirror, token=has_token())) from last


def fetch(asked: HubRequest, remote: Remote, part: Path) -> Iterator[Event]:
    """Append to the partial file until it is whole, through several connections if need be."""
    broken, pause = 0, PAUSE
    while (have := size_of(part)) < remote.size:
        try:
            for done in _stream(remote, part, have):
                yield Event("download", done, remote.size, remote.name)
            if size_of(part) < remote.size:
                raise ConnectionError(f"connection closed after {size_of(part)} of {remote.size} bytes")
        except HfHubHTTPError as error:
            raise EncoderError(sentence(error, asked, remote.mirror, token=has_token())) from error
        except FAILURES as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            if size_of(part) > have:
                broken, pause = 0, PAUSE
            broken += 1
            if broken >= ATTEMPTS:
                raise EncoderError(sentence(error, asked, remote.mirror, token=has_token())) from error
            for _ in range(max(round(pause / LULL), 1)):  # a cancel need not wait for the next attempt
                time.sleep(min(LULL, pause))
                yield Event("download", size_of(part), remote.size, remote.name)
            pause *= 2


def _stream(remote: Remote, part: Path, have: int) -> Iterator[int]:
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
                        f"expected {remote.size} bytes of {remote.name}, got more; check the mirror "
                        "(--mirror) or the login page of the network, and try again"
                    )
                stream.write(chunk)
                if have - told >= EVERY or have == remote.size:
                    yield (told := have)


def check(name: str, part: Path, wanted: str | None, size: int) -> None:
    """Compare size and SHA-256; what differs is deleted, because resuming it could not help.

    A web page in the place of the file is no file either, whatever size the server gave it.
    """
    with part.open("rb") as stream:
        page = stream.read(64).lstrip().lower().startswith(_WEB_PAGE)
        stream.seek(0)
        found = hashlib.file_digest(stream, "sha256").hexdigest() if wanted is not None else None
    if page:
        _drop(part)
        raise EncoderError(
            f"{name}: expected {part.stem}, got a web page; open a page in the browser (the network may "
            "ask for a login first), or check the mirror (--mirror)"
        )
    if size_of(part) != size or found != wanted:
        _drop(part)
        raise EncoderError(
            f"{name}: expected the published {part.stem} (SHA-256 {(wanted or 'unknown')[:12]}...), got "
            "other content; it was deleted, download it again, and tell its authors if that repeats"
        )


def forget_other(part: Path, remote: Remote) -> None:
    """Drop a partial file of other content than the hub has now."""
    note = _note(part)
    try:
        known = read_json(note, largest=10_000) if note.is_file() else {}
    except ConfigurationError:
        known = {}
    if known != {"etag": remote.etag, "size": remote.size}:
        part.unlink(missing_ok=True)
        note.write_text(json.dumps({"etag": remote.etag, "size": remote.size}), encoding="utf-8")


def forget_note(part: Path) -> None:
    """Remove what was noted of a partial file that is whole now."""
    _note(part).unlink(missing_ok=True)


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    forget_note(part)


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def no_room(target: Path, error: OSError) -> EncoderError:
    """The error for what the system refuses to write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return EncoderError(
            f"{target}: expected room for the download, got a full disk; free some space and run the command "
            "again, it goes on where it stopped"
        )
    return EncoderError(
        f"{target}: cannot be written ({error.strerror or error}); choose another folder with "
        "NAPARI_CONSTRUCT_HOME"
    )
