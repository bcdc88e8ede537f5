"""What the hub's refusals mean: one sentence and the next step each."""

from __future__ import annotations

from typing import Any, Final

from huggingface_hub import errors

from napari_construct.encoders.entries import EncoderEntry

TRANSPORT: Final[type[Exception]] = errors.HTTPError  # type: ignore[attr-defined]
"""Base of the hub client's errors, whichever HTTP library it uses."""

FAILURES: Final = (TRANSPORT, OSError, errors.OfflineModeIsEnabled, errors.EntryNotFoundError)
"""What asking the hub may raise."""

LOGIN: Final = "hf auth login"
"""Command of huggingface_hub that keeps a token in its own store."""


def sentence(error: Exception, entry: EncoderEntry, mirror: str | None, *, token: bool) -> str:
    """What happened to a download, and what to do.

    Parameters
    ----------
    error : Exception
        As the hub's client raised it.
    entry : EncoderEntry
        What was asked for.
    mirror : str or None
        Address that was asked, if not the hub's own.
    token : bool
        Whether the user has a token, whichever it is.
    """
    response: Any = getattr(error, "response", None)
    if isinstance(error, errors.OfflineModeIsEnabled):
        happened = (
            "expected a connection to the hub, got offline mode (HF_HUB_OFFLINE is set); unset it, or use "
            "--mirror FOLDER"
        )
    elif response is None:
        happened = (
            f"expected an answer from {mirror or 'the hub'}, got no connection or a broken one; check the "
            f"network and {_retry(entry)} (it goes on where it stopped), or use --mirror"
        )
    else:
        happened = _answered(response, entry, token=token)
    return f"{entry.id}: {happened}"


def _answered(response: Any, entry: EncoderEntry, *, token: bool) -> str:
    status, said = response.status_code, str(response.headers.get("X-Error-Message") or "").lower()
    if status == 401 or (status == 403 and not token):
        return _unauthorised(entry, said) if token else _anonymous(entry)
    if status == 403:
        return _forbidden(entry, said)
    if status == 404:
        return (
            f"expected its files at {entry.repository} (revision {entry.revision}), got none there (404); "
            f"look at {entry.source}, or update napari-construct"
        )
    if status == 429:
        wait = response.headers.get("Retry-After")
        when = f"{wait} s" if wait and wait.isdigit() else "a few minutes"
        hint = "" if token else f", or log in ({LOGIN}), which allows more"
        return f"expected the file, got 'too many requests' (429); wait {when} and {_retry(entry)}{hint}"
    if status >= 500:
        return (
            f"expected the file, got a fault of the server ({status}); wait a few minutes and {_retry(entry)}"
        )
    return f"expected the file, got a refusal ({status}); look at {entry.source}, then {_retry(entry)}"


def _anonymous(entry: EncoderEntry) -> str:
    if entry.gated:
        return (
            f"expected a hub token, got none; ask for access at {entry.source}, log in with '{LOGIN}', then "
            f"{_retry(entry)}"
        )
    return (
        f"expected a public repository, got one that asks who you are; log in with '{LOGIN}', then "
        f"{_retry(entry)}"
    )


def _unauthorised(entry: EncoderEntry, said: str) -> str:
    if "invalid" in said or "expired" in said or not entry.gated:
        return (
            f"expected a valid hub token, got one that is expired or revoked; log in again with '{LOGIN}', "
            f"then {_retry(entry)}"
        )
    return f"expected access, got none for your token; log in again with '{LOGIN}', then {_retry(entry)}"


def _forbidden(entry: EncoderEntry, said: str) -> str:
    if "awaiting" in said or "pending" in said:
        return (
            "expected access, got a request that its authors have not answered yet; wait for their e-mail, "
            f"then {_retry(entry)}"
        )
    if "reject" in said or "revoked" in said:
        return (
            "expected access, got a request that its authors rejected or withdrew; write to them "
            f"({entry.source}), or choose another encoder"
        )
    if "fine-grained" in said or "scope" in said or "permission" in said:
        return (
            "expected a token that may read gated repositories, got one that may not; allow it at "
            f"https://huggingface.co/settings/tokens, then {_retry(entry)}"
        )
    return (
        f"expected access, got none for this account; ask for it at {entry.source} (an institutional "
        f"e-mail address helps), and when it is granted {_retry(entry)}"
    )


def _retry(entry: EncoderEntry) -> str:
    return f"run 'napari-construct models download {entry.id}' again"
