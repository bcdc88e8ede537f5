"""A whole slide as an entry of a batch: segmented out of core, beside the results of images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_construct.batch.sources import Source
from napari_construct.export.own_files import is_own
from napari_construct.inference.slides.outputs import USUAL, slide_paths
from napari_construct.reading.places import is_folder
from napari_construct.results.files import result_paths


def slide_outputs(kinds: Sequence[str]) -> tuple[str, ...]:
    """What a slide gets, where images get these kinds: its usual files, and such maps as images have."""
    return (*USUAL, *(kind for kind in ("cams", "ood") if kind in kinds))


def paths_of(source: Source, output: Path, kinds: Sequence[str]) -> dict[str, Path]:
    """Files of the result of a source by kind."""
    if source.slide:
        return slide_paths(output, source.stem, slide_outputs(kinds))
    return result_paths(output, source.stem, kinds)


def make_room(paths: Iterable[Path]) -> None:
    """Remove files of others that stand where a result is to be written; their owner agreed. No folder."""
    for path in paths:
        if os.path.lexists(path) and not is_folder(path) and not is_own(path):
            path.unlink()
