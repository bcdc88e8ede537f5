"""What an archive says of itself, read from its head without torch and without its tensors."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from napari_construct.exceptions import ConstructError
from napari_construct.reading.foreign import harmless
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import parse_json
from napari_construct.reading.zip_directory import check_directory

MANIFEST: Final = "manifest.json"
MAX_MANIFEST: Final = 16 * 2**20
"""Name and largest size in bytes of the JSON."""

CHECKPOINT: Final = "napari-construct checkpoint"
"""The "format" of the head of a checkpoint."""

CHANNELS: Final = "channels"
"""The "network" of a model for channels of fluorescence."""

UNREADABLE: Final = (
    ConstructError,
    OSError,
    zipfile.BadZipFile,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
)
"""What reading the head of a damaged file may raise."""


def read_head(path: Path, kind: str) -> dict[str, Any]:
    """The JSON of an archive whose members lie in its file as a whole.

    Parameters
    ----------
    path : Path
        A checkpoint, or the state of a training run.
    kind : str
        What it must be, its "format".

    Raises
    ------
    ValueError
        If it is damaged, or of another kind; files that are no archive raise others of :data:`UNREADABLE`.
    """
    with open_regular(path, "a checkpoint") as stream:
        room = check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            entry = archive.getinfo(MANIFEST)
            if entry.file_size > MAX_MANIFEST or sum(e.file_size for e in archive.infolist()) > room:
                raise ValueError("it is damaged")
            found = parse_json(archive.read(entry), MANIFEST)
    if not isinstance(found, dict) or found.get("format") != kind:
        raise ValueError(f"it is no {kind}")
    return found


def is_for_channels(manifest: Mapping[str, Any]) -> bool:
    """Whether a checkpoint says that it is a model for channels of fluorescence."""
    config = manifest.get("config")
    return isinstance(config, dict) and config.get("network") == CHANNELS


def channel_names(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels of such a model, as a file says; at most 20, each cut."""
    names = manifest["config"].get("channels")
    found = names[:20] if isinstance(names, list) else []
    return tuple(harmless(name, 100) for name in found if isinstance(name, str)) or ("unknown",)
