"""A whole slide as an entry of a batch: segmented out of core, beside the results of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_construct.batch.sources import Source
from napari_construct.export.own_files import is_own
from napari_construct.reading.places import is_folder
from napari_construct.results.files import result_paths

_ENDINGS = {"zarr": "_mask.ome.zarr", "overlay": "_overlay.png", "record": ".json"}


def slide_paths(folder: Path, stem: str) -> dict[str, Path]:
    """Files of a slide's result by kind, as they are always written; ``stem`` may hold folders."""
    return {kind: folder / f"{stem}{ending}" for kind, ending in _ENDINGS.items()}


def paths_of(source: Source, output: Path, kinds: Sequence[str]) -> dict[str, Path]:
    """Files of the result of a source by kind."""
    return slide_paths(output, source.stem) if source.slide else result_paths(output, source.stem, kinds)


def make_room(paths: Iterable[Path]) -> None:
    """Remove files of others that stand where a result is to be written; their owner agreed. No folder."""
    for path in paths:
        if os.path.lexists(path) and not is_folder(path) and not is_own(path):
            path.unlink()
