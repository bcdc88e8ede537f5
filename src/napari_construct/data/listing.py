"""Image files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_construct.types import PathLike

IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".svs"})
"""Suffixes under which folders are searched; a single file is judged by its first bytes instead."""


def list_images(folder: PathLike, *, recursive: bool = False) -> tuple[Path, ...]:
    """Files in ``folder`` with an image's suffix, sorted by name; hidden files are left out."""
    folder = Path(folder)
    found = folder.rglob("*") if recursive else folder.glob("*")
    return tuple(
        sorted(
            (
                p
                for p in found
                if p.suffix.lower() in IMAGE_SUFFIXES
                and not any(part.startswith(".") for part in p.relative_to(folder).parts)
                and p.is_file()
            ),
            key=lambda p: p.relative_to(folder).as_posix(),
        )
    )
