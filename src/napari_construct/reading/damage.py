"""How a damaged file is reported."""

from __future__ import annotations

from pathlib import Path

from napari_construct.exceptions import InputError


def damaged(path: Path, reason: object) -> InputError:
    """The error for an image file that ends early, does not decode, or claims what it cannot hold."""
    detail = " ".join(str(reason).split())[:200] or type(reason).__name__
    return InputError(
        f"{path}: expected a complete image, the file is damaged or truncated ({detail}); get it again"
    )
