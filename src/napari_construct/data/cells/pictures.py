"""Images of a folder before masks are looked for: a file each, or one file for each channel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_construct.reading.names import normal
from napari_construct.types import PathLike

_ENDINGS: Final = re.compile(
    r"[_-](?:cp_masks?|nuclei_masks?|masks?|labels?|cells?|instances|seg|gt)$", re.IGNORECASE
)
"""How the name of a mask that lies beside its image ends."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image.

    Attributes
    ----------
    name : str
        Without suffix, and without channel where each is a file.
    files : tuple of Path
        The file; or one for each channel, in the order of the channels.
    channels : tuple of str
        Names of the channels where each is a file; empty where the one file says them.
    """

    name: str
    files: tuple[Path, ...]
    channels: tuple[str, ...] = ()

    @property
    def stems(self) -> tuple[str, ...]:
        """Names that a mask may have: that of the image, and those of its files."""
        return tuple(dict.fromkeys((self.name, *map(stem_of, self.files))))


def picture_of(path: Path) -> Picture:
    """A file that is an image."""
    return Picture(stem_of(path), (path,))


def stem_of(path: PathLike) -> str:
    """Name of an image without its suffix."""
    return normal(Path(path).stem.removesuffix(".ome"))


def masked_name(stem: str) -> str | None:
    """Name of the image to which a mask's name belongs; None of a name that is none of a mask."""
    ending = _ENDINGS.search(stem)
    return stem[: ending.start()] if ending is not None and ending.start() else None
