"""The state of the catalogue's encoders on this computer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_construct.encoders.catalogue.lookup import HUB, bundled_entries, entries, find_entry
from napari_construct.encoders.entries import EncoderEntry
from napari_construct.encoders.folders import weights_folder
from napari_construct.encoders.hub.store import located
from napari_construct.exceptions import EncoderError

State = Literal["bundled", "installed", "available", "gated"]


@dataclass(frozen=True, slots=True)
class EncoderStatus:
    """An entry and its state on this computer.

    Attributes
    ----------
    entry : EncoderEntry
        The entry.
    state : str
        "bundled" comes with this package or needs no weights; "installed" is on this computer;
        "available" can be downloaded; "gated" needs access first.
    location : Path or None
        File or folder of the weights.
    size : int or None
        Bytes on disk, or approximate bytes of the download.
    """

    entry: EncoderEntry
    state: State
    location: Path | None
    size: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **self.entry.model_dump(mode="json"),
            "text": self.entry.text,
            "state": self.state,
            "location": None if self.location is None else str(self.location),
            "bytes": self.size,
        }


def status_of(entry: EncoderEntry) -> EncoderStatus:
    """State of one encoder."""
    found = located(entry)
    if found is not None:
        return EncoderStatus(entry, "installed", found.weights, found.size)
    if not entry.files and not entry.family:
        return EncoderStatus(entry, "bundled", None, entry.size)
    return EncoderStatus(entry, "gated" if entry.gated else "available", None, entry.size)


def overview(some: Sequence[EncoderEntry] | None = None) -> tuple[EncoderStatus, ...]:
    """State of all encoders, with installed members of families, or of some.

    Raises
    ------
    EncoderError
        If the user's catalogue is invalid.
    """
    chosen = (*entries(), *members_here()) if some is None else some
    return tuple(status_of(entry) for entry in chosen if not entry.hidden)


def readable_overview() -> tuple[tuple[EncoderStatus, ...], str]:
    """As :func:`overview`, without the user's catalogue if that is invalid; with the error."""
    try:
        return overview(), ""
    except EncoderError as error:
        return overview(bundled_entries()), str(error)


def members_here() -> tuple[EncoderEntry, ...]:
    """Installed encoders of hub repositories without an own entry.

    Those that this package downloaded, and open_clip models in the hub's cache.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = _matching(Path(HF_HUB_CACHE), "models--*--*/snapshots/*/open_clip_config.json")
    names = [path.name for path in _matching(weights_folder(), "*--hf-hub--*--*")]
    names += [f"open_clip--hf-hub--{path.parents[2].name.removeprefix('models--')}" for path in cached]
    every = entries()
    families = {entry.id for entry in every if entry.family}
    taken = {entry.repository for entry in every}
    found: dict[str, EncoderEntry] = {}
    for name in names:
        family, owner, repository = re.split("--hf-hub--|--", name, maxsplit=2)
        # the hub allows no "--" in a name
        if f"{family}:" in families and "--" not in repository and f"{owner}/{repository}" not in taken:
            member = find_entry(f"{family}:{HUB}{owner}/{repository}")
            if located(member) is not None:
                found[member.id] = member
    return tuple(found.values())


def _matching(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:  # no permission: what cannot be looked at is not here
        return []


def size_text(size: int | None) -> str:
    """Bytes for people, in units of a thousand as the hub counts: "599 MB"."""
    if size is None:
        return "unknown"
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            value = size / factor
            return f"{value:.2f} {unit}" if unit == "GB" else f"{value:.0f} {unit}"
    return f"{size} B" if size else "none"
