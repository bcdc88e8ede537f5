"""Names of files and classes, compared as they look."""

from __future__ import annotations

import unicodedata


def normal(name: str) -> str:
    """A name with composed letters (NFC): macOS and others write "ü" as "u" and two dots."""
    return unicodedata.normalize("NFC", name)
