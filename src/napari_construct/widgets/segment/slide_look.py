"""What a run over a whole slide will find and need in a folder; looked up before it is started."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_construct.data.slides.slide import Slide
from napari_construct.events import Doubt, Event, Steps
from napari_construct.exceptions import ConstructError, InputError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.own_files import is_pyramid, refuse_others
from napari_construct.inference.settings import SegmentSettings
from napari_construct.reading.names import result_stem
from napari_construct.reading.places import is_folder

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor

_LABEL_BYTES: Final = 1 / 24
"""Of a label on disk, with its coarser levels."""


@dataclass(frozen=True, slots=True, eq=False)
class LookRequest:
    """What is asked: the run that would be started now."""

    slide: Slide
    folder: Path
    stem: str
    predictor: Predictor
    settings: SegmentSettings


@dataclass(frozen=True, slots=True)
class Found:
    """What a run will do in the folder.

    Attributes
    ----------
    refused : str
        Why it cannot be started; empty if it can.
    notes : tuple of str
        What it writes, replaces and needs; a ``Doubt`` among them warns.
    since : str
        When the run began that it goes on with; empty where it begins.
    """

    refused: str = ""
    notes: tuple[str, ...] = ()
    since: str = ""


def look_steps(request: LookRequest) -> Steps[Found]:
    """Look into the folder."""
    yield Event("looking", 0, 1)
    try:
        return _found(request)
    except (ConstructError, OSError) as error:
        from napari_construct.widgets.fields.message_label import plain

        return Found(plain(error))


def stem_of(slide: Slide) -> str:
    """Start of the names of a slide's results, as the command line gives it."""
    return result_stem(slide.name)


def usual_folder(slide: Slide) -> Path:
    """A folder beside the slide or, where nothing may be written there, of the user."""
    beside = slide.path.absolute().parent
    return (beside if os.access(beside, os.W_OK) else Path.home()) / "results"


def _found(request: LookRequest) -> Found:
    from napari_construct.inference.slides.outputs import USUAL, slide_paths
    from napari_construct.inference.slides.record import run_identity

    folder, stem = request.folder, request.stem
    if refused := _unwritable(folder):
        return Found(refused)
    paths = list(slide_paths(folder, stem, USUAL).values())
    refuse_others(paths)
    files = [path.name for path in paths]
    size, needed = _size(request)
    notes: list[str] = [f"Writes {', '.join(files[:-1])} and {files[-1]}. {size}"]
    free = _free(folder)
    if free is not None and free < 1.1 * needed:
        notes.append(
            Doubt(f"Only {_bytes(free)} are free there; it may need up to {_bytes(needed)}. Free some space.")
        )
    if not is_pyramid(folder / files[0]):
        return Found(notes=tuple(notes))
    pyramid = LabelPyramid.open(folder / files[0])
    since = _time(pyramid.path / "zarr.json")
    settings = request.predictor.resolved(request.settings)
    wanted = run_identity(request.slide, request.predictor, settings)
    if pyramid.plan.about.get("slide") != wanted["slide"]:
        return Found(
            f"{files[0]} in this folder belongs to another file of the name {request.slide.name}, or to a "
            "former version of it. Choose another folder, or move it away."
        )
    same = all(pyramid.plan.about.get(key) == value for key, value in wanted.items())
    if pyramid.complete:
        how = "this model and these settings" if same else "another model or other settings"
        notes.insert(0, f"Replaces the result of {since} with {how}.")
        return Found(notes=tuple(notes))
    if same:
        notes.insert(0, f"Goes on with the run of {since}, which was stopped.")
        return Found(notes=tuple(notes), since=since)
    notes.insert(0, f"Replaces the unfinished run of {since} with another model or other settings.")
    return Found(notes=tuple(notes))


def _size(request: LookRequest) -> tuple[str, int]:
    """The labels in words, and the bytes that a run needs at most."""
    from napari_construct.inference.slides.pixels import model_pixels

    predictor, given = request.predictor, request.settings.mpp
    if given is None and request.slide.mpp is None and predictor.mpp is not None:
        raise InputError("Choose the pixel size: the file does not state it.")
    pixels, mpp = model_pixels(request.slide, predictor, given)
    rows, columns = pixels.shape
    stride = predictor.checkpoint.config.map_stride
    maps = rows * columns * (4 * len(predictor.classes) + 2) // stride**2
    labels = int(rows * columns * _LABEL_BYTES)
    at = "" if mpp is None else f" at {mpp[0] * pixels.step[0]:.3g} µm"
    said = f"{rows:,} x {columns:,} labels{at}, up to {_bytes(maps)} of maps while it runs."
    return said, maps + labels


def _unwritable(folder: Path) -> str:
    """Why a folder cannot be written to; empty if it can, as far as the system says."""
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not is_folder(there):
        return f"{there} is no folder. Choose another one."
    if not os.access(there, os.W_OK):
        return f"{there} cannot be written to. Choose another folder."
    return ""


def _free(folder: Path) -> int | None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _time(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime).astimezone().strftime("%Y-%m-%d %H:%M")


def _bytes(count: int) -> str:
    value, unit = (count / 1e9, "GB") if count >= 1e9 else (count / 1e6, "MB")
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
