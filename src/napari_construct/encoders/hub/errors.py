"""Sentences for errors of the hub, each with the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from huggingface_hub import errors

from napari_construct.encoders.entries import EncoderEntry
from napari_construct.reading.foreign import without_secrets

TRANSPORT: Final[type[Exception]] = errors.HTTPError  # type: ignore[attr-defined]
"""Base of the hub client's errors, whichever HTTP library it uses."""

FAILURES: Final = (TRANSPORT, OSError, errors.OfflineModeIsEnabled, errors.EntryNotFoundError)
"""What asking the hub may raise."""

WRONG_ANSWERS: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What the hub's client raises for an answer that is not the hub's: a login page, another service's JSON."""

LOGIN: Final = "hf auth login"
"""Command of huggingface_hub that keeps a token in its own store."""


@dataclass(frozen=True, slots=True)
class HubRequest:
    """A request to the hub, for error messages.

    Attributes
    ----------
    name : str
        Name of the encoder or repository.
    repository, revision : str
        Repository and revision of the files.
    source : str
        Web page.
    gated : bool
        Whether access must be requested.
    again : str
        How to retry: "run '...' again".
    """

    name: str
    repository: str
    revision: str
    source: str
    gated: bool
    again: str


def hub_request(entry: EncoderEntry) -> HubRequest:
    """The request of downloading an encoder."""
    return HubRequest(
        name=entry.id,
        repository=entry.repository or "",
        revision=entry.revision,
        source=entry.source,
        gated=entry.gated,
        again=f"run 'napari-construct models download {entry.id}' again",
    )


def sentence(error: Exception, asked: HubRequest, mirror: str | None, *, token: bool) -> str:
    """Error message of a failed download, with a remedy.

    Parameters
    ----------
    error : Exception
        Error of the hub's client.
    asked : HubRequest
        The request.
    mirror : str or None
        Address of the mirror, if any.
    token : bool
        Whether the user has a token.
    """
    response: Any = getattr(error, "response", None)
    server = without_secrets(mirror or "the hub")
    if isinstance(error, errors.OfflineModeIsEnabled):
        happened = (
            "expected a connection to the hub, got offline mode (HF_HUB_OFFLINE is set); unset it, or use "
            "a mirror (--mirror FOLDER)"
        )
    elif response is None and isinstance(error, WRONG_ANSWERS) and not isinstance(error, OSError):
        happened = (
            f"expected the hub's answer from {server}, got something else "
            f"({type(error).__name__}); open a page in the browser (the network may ask for a login first), "
            f"check the mirror (--mirror), and {asked.again}"
        )
    elif response is None:
        happened = (
            f"expected an answer from {server}, got no connection or a broken one; check the network and"
            f" {asked.again} (it goes on where it stopped), or use a mirror (--mirror)"
        )
    else:
        happened = _answered(response, asked, token=token)
    return f"{asked.name}: {happened}"


def _answered(response: Any, asked: HubRequest, *, token: bool) -> str:
    status, said = response.status_code, str(response.headers.get("X-Error-Message") or "").lower()
    if status == 401 or (status == 403 and not token):
        return _unauthorised(asked, said) if token else _anonymous(asked)
    if status == 403:
        return _forbidden(asked, said)
    if status == 404:
        return (
            f"expected its files at {asked.repository} (revision {asked.revision}), got none there (404); "
            f"look at {asked.source}, or update napari-construct"
        )
    if status == 429:
        wait = response.headers.get("Retry-After")
        when = f"{wait} s" if wait and wait.isdigit() else "a few minutes"
        hint = "" if token else f", or log in ({LOGIN}), which allows more"
        return f"expected the file, got 'too many requests' (429); wait {when} and {asked.again}{hint}"
    if status >= 500:
        return f"expected the file, got a server error ({status}); wait a few minutes and {asked.again}"
    return f"expected the file, got a refusal ({status}); look at {asked.source}, then {asked.again}"


def _anonymous(asked: HubRequest) -> str:
    if asked.gated:
        return (
            f"expected a hub token, got none; ask for access at {asked.source}, log in with '{LOGIN}', then "
            f"{asked.again}"
        )
    return (
        f"expected a public repository, got one that needs a login; log in with '{LOGIN}', then {asked.again}"
    )


def _unauthorised(asked: HubRequest, said: str) -> str:
    if "invalid" in said or "expired" in said or not asked.gated:
        return (
            f"expected a valid hub token, got one that is expired or revoked; log in again with '{LOGIN}', "
            f"then {asked.again}"
        )
    return f"expected access, got none for your token; log in again with '{LOGIN}', then {asked.again}"


def _forbidden(asked: HubRequest, said: str) -> str:
    if "awaiting" in said or "pending" in said:
        return (
            "expected access, got a request that its authors have not answered yet; wait for their e-mail, "
            f"then {asked.again}"
        )
    if "reject" in said or "revoked" in said:
        return (
            "expected access, got a request that its authors rejected or withdrew; write to them "
            f"({asked.source}), or choose another encoder"
        )
    if "fine-grained" in said or "scope" in said or "permission" in said:
        return (
            "expected a token that may read gated repositories, got one that may not; allow it at "
            f"https://huggingface.co/settings/tokens, then {asked.again}"
        )
    return (
        f"expected access, got none for this account; ask for it at {asked.source} (an institutional "
        f"e-mail address helps), and when it is granted {asked.again}"
    )
