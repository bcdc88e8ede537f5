"""Names of files as people see, compare and write them.

Linux keeps any bytes as a name: Python holds those that are no UTF-8 as lone surrogates, which no text file
can store. macOS splits letters from their accents, other systems join them. A name may hold a line break, or
codes that move a terminal's cursor.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

from napari_construct.reading.foreign import cut

if TYPE_CHECKING:
    from napari_construct.types import (
        PathLike,  # loads numpy, which the help of the command line does without
    )

LONGEST_STEM: Final = 232
"""Bytes of the longest start of a result's name: ``_p99999_cams.ome.tif`` after it still fits into the
255 that file systems allow."""

_LONGEST: Final = 150
"""Characters of one name in a list of names."""

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
# controls of ASCII and Latin-1, line and paragraph separators, overrides of the direction of writing
_HARMFUL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(name: PathLike) -> str:
    """A name as text for one line of a terminal, file or window: ``Pr%E4parat.png``.

    Bytes that are no UTF-8, control characters and overrides of the writing direction are written as in web
    addresses; :func:`found_as` finds the file again. Other names stay as they are.
    """
    return _HARMFUL.sub(_percent, os.fspath(name))


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: what is left of names that are no UTF-8 is written as by :func:`shown`."""
    return _SURROGATES.sub(_percent, text)


def _percent(found: re.Match[str]) -> str:
    character = found[0]
    # Python's place for a single byte that is no UTF-8
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", errors))


def normal(name: str) -> str:
    """A name with composed letters (Unicode's form NFC): names that look equal compare equal."""
    return normalize("NFC", name)


def same_name(one: str, other: str) -> bool:
    """Whether two names are equal to the eye."""
    return normal(one) == normal(other)


def folded(name: str) -> str:
    """What systems that ignore case, as those of Windows and macOS do, take for the same name."""
    return normal(normal(name).casefold())


def found_as(text: str) -> Path:
    """The file that is :func:`shown` as ``text``, in any normal form; ``Path(text)`` if there is none."""
    path = Path(text)
    if "\0" in text or os.path.lexists(path):
        return path
    place = Path(path.anchor)
    for part in path.parts[1 if path.anchor else 0 :]:
        step = place / part
        if not os.path.lexists(step):
            try:
                alike = [found for found in place.iterdir() if same_name(shown(found.name), part)]
            except OSError:
                return path
            if not alike:
                return path
            step = min(alike)
        place = step
    return place


def result_stem(name: str) -> str:
    """How the names of an image's results begin.

    The name without suffixes (``.ome.tif`` are two), written by :func:`shown`, and shortened where the
    results' own endings would not fit any more. Folders before it stay, written in the same way.

    Parameters
    ----------
    name : str
        Name of the image, or its path relative to a folder.

    Returns
    -------
    str
        With forward slashes; equal for equal names in every run.
    """
    return "/".join(map(shortened, _parts(name)))


def is_shortened(name: str) -> bool:
    """Whether :func:`result_stem` shortens a name."""
    return any(shortened(part) != part for part in _parts(name))


def _parts(name: str) -> list[str]:
    path = PurePath(name)
    stem = path.stem
    if stem.lower().endswith(".ome") and len(stem) > len(".ome"):
        stem = stem[: -len(".ome")]
    return [shown(part) for part in (*path.parts[:-1], stem)]


def shortened(name: str, longest: int = LONGEST_STEM) -> str:
    """A name of at most ``longest`` bytes: the start, and eight digits of the hash of the whole name."""
    raw = name.encode("utf-8", "surrogateescape")
    if len(raw) <= longest:
        return name
    ending = f"-{hashlib.sha256(raw).hexdigest()[:8]}"
    return raw[: longest - len(ending)].decode("utf-8", "ignore") + ending


def named(names: Sequence[str], count: int = 5) -> str:
    """The first names, :func:`shown` and none of them endless, and how many more there are."""
    more = len(names) - count
    first = ", ".join(cut(shown(name), _LONGEST) for name in names[:count])
    return first + (f" and {more} more" if more > 0 else "")
