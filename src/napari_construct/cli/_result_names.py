"""Names of the results of images."""

from __future__ import annotations

from pathlib import Path

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.names import folded, result_stem


def check_names(images: list[Path]) -> None:
    """Refuse images whose results would have the same names."""
    seen: dict[str, Path] = {}
    for path in images:
        other = seen.setdefault(folded(stem_of(path)), path)
        if other is not path:
            raise ConfigurationError(
                f"expected images with different names, got {other} and {path}, whose results would "
                "overwrite each other; segment them into two folders"
            )


def stem_of(path: Path) -> str:
    """How the names of an image's results begin."""
    return result_stem(path.name)
