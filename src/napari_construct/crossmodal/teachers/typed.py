"""Settings of a teacher as people type them."""

from __future__ import annotations

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.foreign import quoted
from napari_construct.reading.name_lists import parse_names


def typed_foreground(text: str | None) -> tuple[int, ...] | None:
    """Numbers of the channels that are foreground, as ``0`` or ``0,1``; None of nothing.

    Raises
    ------
    ConfigurationError
        If they are no numbers.
    """
    words = parse_names(text or "")
    if not all(word.isascii() and word.isdecimal() and len(word) < 6 for word in words):
        raise ConfigurationError(
            f"foreground of the teacher: expected numbers of channels from 0, got {quoted(text)}; give them "
            "as 0 or 0,1"
        )
    return tuple(map(int, words)) or None
