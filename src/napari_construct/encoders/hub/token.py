"""The hub's token: whether there is one, and which server gets it.

The token stays in the hub's own store. It is read when a request needs it, goes to the hub that the user
chose and nowhere else, and is never shown or written.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from huggingface_hub import constants, get_token

from napari_construct.encoders.hub.errors import LOGIN
from napari_construct.exceptions import EncoderError
from napari_construct.reading.foreign import passed_on, quoted, without_secrets
from napari_construct.reading.texts.text import read_text

_VARIABLES: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_LARGEST: Final = 2**16


def stored_token() -> str:
    """Whether a token is stored: "there is one", "none", or why it cannot be used.

    It is looked for in the environment and in the hub's file. The hub's client is not asked: that may
    renew an old token over the network.
    """
    found = next((os.environ[name] for name in _VARIABLES if os.environ.get(name, "").strip()), None)
    if found is None:
        if not os.path.lexists(constants.HF_TOKEN_PATH):
            return "none"
        try:
            path = Path(constants.HF_TOKEN_PATH)
            found = read_text(path, what="a token", largest=_LARGEST, error=EncoderError)
        except EncoderError as error:
            return f"unusable: {error}"
    if not found.strip():
        return "none"
    return "there is one" if _is_sendable(found.strip()) else f"unusable: {_UNSENDABLE}"


def hub_token() -> str | None:
    """The token, for a request to the hub.

    Raises
    ------
    EncoderError
        If there is one that cannot be read or sent.
    """
    try:
        token = get_token()
    except (OSError, ValueError) as error:  # a folder in its place; bytes that are no text
        raise EncoderError(
            f"{constants.HF_TOKEN_PATH}: expected a hub token, got a file that cannot be read "
            f"({passed_on(error)}); remove it and log in again with '{LOGIN}'"
        ) from error
    if token is not None and not _is_sendable(token):
        raise EncoderError(_UNSENDABLE)
    return token


def has_token() -> bool:
    """Whether the hub's store or an environment variable holds a token that can be used."""
    try:
        return hub_token() is not None
    except EncoderError:
        return False


def token_for(url: str, mirror: str | None = None) -> str | bool:
    """The token for a request, or False.

    Only the hub that the user chose (HF_ENDPOINT) gets it: the same scheme, host and port. A mirror that is
    reached without encryption gets none, unless it is this computer. The client that sends the request drops
    the token when an answer leads elsewhere.
    """
    asked, own = urlsplit(url), urlsplit(constants.ENDPOINT)
    if _origin(asked) != _origin(own):
        return False
    if mirror is not None and asked.scheme != "https" and not _is_here(asked.hostname or ""):
        return False
    return hub_token() or False


def check_address(mirror: str | None) -> None:
    """Refuse an address that none can be.

    Raises
    ------
    EncoderError
        If the mirror is no address of a web server.
    """
    if mirror is None:
        return
    try:
        parts = urlsplit(mirror)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not mirror.isascii() or not mirror.isprintable() or " " in mirror:
        raise EncoderError(
            "expected a mirror (--mirror) as a folder or an address such as https://host/path, got "
            f"{quoted(without_secrets(mirror))}; correct it"
        )


def host_of(url: str) -> str:
    """Host and port of an address, without a user's name and password."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2] or "the server"


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = url.port
    except ValueError:  # no number
        port = -1
    return url.scheme, url.hostname, port or {"https": 443, "http": 80}.get(url.scheme)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_sendable(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token and len(token) < _LARGEST


_UNSENDABLE: Final = (
    "expected a hub token of letters, digits and underscores, got one with other characters; log in again "
    f"with '{LOGIN}'"
)
