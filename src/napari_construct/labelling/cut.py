"""Cut patches into a folder, to be labelled there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from napari_construct.classes import ClassTable
from napari_construct.data.labels.labelled_folder import ABOUT, is_labelled_folder
from napari_construct.events import Doubt, Event, Notice, Progress, Steps, run
from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.atomic import atomic
from napari_construct.export.locks import FOLDER_LOCK, locked_folder
from napari_construct.labelling.choose import Chosen, chosen_steps
from napari_construct.labelling.description import (
    CONTEXT,
    PATCHES,
    CutPatch,
    Description,
    check_classes,
    read_description,
)
from napari_construct.labelling.order import presence_steps
from napari_construct.labelling.settings import CutSettings
from napari_construct.labelling.sources import Opened, PatchSource, sources_of
from napari_construct.labelling.table import LabelsFile
from napari_construct.reading.marks import HIDDEN
from napari_construct.reading.names import named, result_stem, shortened
from napari_construct.reading.places import files_in, is_folder
from napari_construct.types import PathLike, RGBImage

if TYPE_CHECKING:
    from napari_construct.inference.activation.predictor import Predictor
    from napari_construct.inference.zero_shot.settings import ZeroShotSettings

AROUND: Final = 3
"""Sides of a patch that the picture of its surroundings shows."""

_CONTEXT_SIDE: Final = 384
_STEM: Final = 60
"""Bytes of the source's name in a patch's."""


def cut_patches(
    sources: Any,
    output: PathLike,
    classes: ClassTable | Sequence[str],
    settings: CutSettings | None = None,
    *,
    model: PathLike | ZeroShotSettings | Predictor | None = None,
    device: str = "auto",
    progress: Progress = None,
    **changes: Any,
) -> Path:
    """Cut patches to label, chosen so that they differ.

    Parameters
    ----------
    sources : path, array, or several
        Images, slides and folders of them; arrays as :func:`~napari_construct.segment` takes them. Only
        tissue is cut.
    output : str or path
        Folder to write, which must be new or empty: patches as PNG, ``labels.csv`` with a row for each and no
        labels yet, ``labelling.json``.
    classes : ClassTable or sequence of str
        The classes that will be labelled.
    settings : CutSettings, optional
        The defaults otherwise.
    model : str, path, ZeroShotSettings or Predictor, optional
        A model whose guesses the patches can be ordered by.
    device : str
        Of the encoder that looks at the patches, and of the model.
    progress : bool or callable, optional
        True shows bars on standard error; a callable gets each event.
    **changes
        Fields of :class:`CutSettings`, for example ``count=200``.

    Returns
    -------
    Path
        The folder; :class:`~napari_construct.LabelSession` labels it, and training reads it.

    Raises
    ------
    ConfigurationError
        If there is nothing to cut, settings or classes cannot be used, or the folder holds files of others or
        patches that were cut before.
    InputError
        If an image cannot be read while its patches are written.

    Examples
    --------
    >>> from napari_construct import cut_patches
    >>> folder = cut_patches(["slide.svs"], "patches", ["tumour", "stroma"], count=50)  # doctest: +SKIP
    """
    settings = (settings or CutSettings()).changed(**changes) if changes else settings or CutSettings()
    several = list(sources) if isinstance(sources, list | tuple | set) else [sources]
    return run(cut_steps(several, Path(output), classes, settings, model=model, device=device), progress)


def cut_steps(
    sources: Iterable[Any],
    output: Path,
    classes: ClassTable | Sequence[str],
    settings: CutSettings | None = None,
    *,
    model: PathLike | ZeroShotSettings | Predictor | None = None,
    device: str = "auto",
) -> Steps[Path]:
    """As :func:`cut_patches`, as a job.

    Yields
    ------
    Event
        Stages "finding tissue", "looking at patches", "cutting patches".
    """
    settings = settings or CutSettings()
    table = classes if isinstance(classes, ClassTable) else ClassTable.from_names(tuple(classes))
    check_classes(table)
    check_free(output)
    found, notices = sources_of(sources)
    for text in notices:
        yield Notice("finding tissue", 0, len(found), text)
    chosen = yield from chosen_steps(found, settings, device)
    if len(chosen) < settings.count:
        said = f"the images have {len(chosen)} patches with tissue, fewer than the {settings.count} wanted"
        yield Notice("looking at patches", 1, 1, said if settings.whole else Doubt(said))
    predictor = None
    if model is not None:
        from napari_construct.inference.loading import predictor_of  # loads torch

        yield Event("loading the model", 0, 1)
        predictor = predictor_of(model, None if device == "auto" else device)
    with locked_folder(output):
        check_free(output)  # nobody came first
        yield from _write_steps(output, found, chosen, table, settings, predictor)
    return output


def check_free(output: Path) -> None:
    """Refuse a folder in which something would be replaced. A cut that was killed is none of it.

    Raises
    ------
    ConfigurationError
        If it holds files, or patches that were cut before.
    """
    if is_labelled_folder(output):
        described = read_description(output)
        if described.complete:
            raise ConfigurationError(
                f"{output}: expected a new folder, got one that {len(described.patches)} patches were cut "
                "into already; label these, or choose another folder"
            )
        ours = {ABOUT, PATCHES, CONTEXT}
        _refuse_others(output, ours)
        for inside, own in ((PATCHES, "file"), (CONTEXT, "context")):
            names = {getattr(patch, own) for patch in described.patches}
            _refuse_others(output / inside, names)
        return
    if os.path.lexists(output) and not is_folder(output):
        raise ConfigurationError(f"{output}: expected a folder, got a file; choose another name")
    _refuse_others(output, set())


def _refuse_others(folder: Path, ours: set[str]) -> None:
    hidden = (HIDDEN, FOLDER_LOCK)
    others = [p.name for p in files_in(folder) if p.name not in ours and not p.name.startswith(hidden)]
    if others:
        raise ConfigurationError(
            f"{folder}: expected a new or an empty folder for patches, got one with {named(others)}; choose "
            "another"
        )


def _write_steps(
    output: Path,
    sources: Sequence[PatchSource],
    chosen: Sequence[Chosen],
    classes: ClassTable,
    settings: CutSettings,
    predictor: Predictor | None,
) -> Steps[None]:
    """Write description, patches, surroundings and table; the description says at last that all is there."""
    stage, total = "cutting patches", len(chosen)
    patches = [_patch(i, sources[one.source], one, settings) for i, one in enumerate(chosen)]
    guessed = () if predictor is None else predictor.classes.names
    about = Description(
        complete=False,
        classes=classes,
        patches=tuple(patches),
        model="" if predictor is None else predictor.name,
        guessed=guessed,
        settings=settings.model_dump(mode="json"),
    )
    about.write(output)  # first: what follows is ours
    done = 0
    for number in sorted({one.source for one in chosen}):
        source = sources[number]
        with source.opened(settings.image_mpp) as opened:
            for i in [i for i, one in enumerate(chosen) if one.source == number]:
                event = Event(stage, done, total, source.name)
                yield event
                one, patch = chosen[i], patches[i]
                pixels = _read(opened, one)
                _save(output / PATCHES / patch.file, pixels, patch.mpp)
                if patch.context:
                    _save(output / CONTEXT / patch.context, _around(opened, one), None)
                if predictor is not None:
                    steps = presence_steps(pixels, predictor, mpp=patch.mpp, name=patch.file, event=event)
                    guess = yield from steps
                    patches[i] = patch.changed(guess=guess)
                done += 1
    LabelsFile(output, classes, patches).write([None] * total)
    about.model_copy(update={"complete": True, "patches": tuple(patches)}).write(output)
    yield Event(stage, total, total)


def _patch(number: int, source: PatchSource, one: Chosen, settings: CutSettings) -> CutPatch:
    stem = shortened(Path(result_stem(source.name.replace("/", "_"))).name, _STEM)
    name = f"{number + 1:04d}_{stem}"
    if not settings.whole:
        name += f"_r{one.row}_c{one.column}"
    return CutPatch(
        file=f"{name}.png",
        group=source.name[:4096],
        source=source.place[:4096],
        row=one.row,
        column=one.column,
        height=one.square.height,
        width=one.square.width,
        mpp=one.square.mpp,
        context="" if settings.whole else f"{name}.jpg",
    )


def _read(opened: Opened, one: Chosen) -> RGBImage:
    square = one.square
    return opened.read(one.row, one.column, square.height, square.width, square.shape)


def _around(opened: Opened, one: Chosen) -> RGBImage:
    """The patch in the middle of three by three of its size, at a lower resolution."""
    height, width = one.square.height, one.square.width
    side = min(_CONTEXT_SIDE, AROUND * max(one.square.shape))
    return opened.read(one.row - height, one.column - width, AROUND * height, AROUND * width, (side, side))


def _save(path: Path, pixels: RGBImage, mpp: float | None) -> None:
    """Write PNG, with its pixel size where it is known, or JPEG."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    with atomic(path) as temporary:
        if path.suffix == ".png":
            size = {} if mpp is None else {"dpi": (25400 / mpp,) * 2}
            picture.save(temporary, format="PNG", **size)
        else:
            picture.save(temporary, format="JPEG", quality=85)


def forget_unfinished(output: Path) -> None:
    """Remove what a cut left that was cancelled: its own files, and the folder where it is empty then."""
    with suppress(ConstructError, OSError):
        if not is_labelled_folder(output):
            return
        described = read_description(output)
        if described.complete:
            return
        for inside, own in ((PATCHES, "file"), (CONTEXT, "context")):
            for patch in described.patches:
                if name := getattr(patch, own):
                    (output / inside / name).unlink(missing_ok=True)
            with suppress(OSError):
                (output / inside).rmdir()
        (output / ABOUT).unlink(missing_ok=True)
        output.rmdir()
