"""Finds the training and validation data of a folder, in a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from napari_construct.data.class_order import MaskOrder, masks_order_steps
from napari_construct.data.dataset_check import DatasetReport, check_steps
from napari_construct.data.image_level import ImageLevelDataset, detect_format, load_dataset
from napari_construct.data.labels.folder_names import split_of
from napari_construct.data.labels.no_classes import UnsureClassesError
from napari_construct.data.masks import find_pairs, holds_masks
from napari_construct.data.stated_mpp import StatedMpp, stated_mpp
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConstructError
from napari_construct.reading.places import files_in, is_folder

FORMATS: Final = {
    "folders": "One folder per class",
    "names": "Labels in file names (BCSS)",
    "table": "Labels in a table",
}


@dataclass(frozen=True, slots=True, eq=False)
class DataFound(Event):
    """A recognised dataset; its files were not read yet.

    Attributes
    ----------
    dataset : ImageLevelDataset or None
        The patches.
    form : str
        Key of :data:`FORMATS`.
    mpp : StatedMpp or None
        The pixel size that they state.
    """

    dataset: ImageLevelDataset | None = None
    form: str = "folders"
    mpp: StatedMpp | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ValidationFound(Event):
    """The validation data in ``words``; ``wrong`` if they cannot be used."""

    words: str = ""
    wrong: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OrderFound(Event):
    """The masks of the validation data seem to number the classes otherwise.

    Attributes
    ----------
    found : MaskOrder or None
        Their order.
    names : tuple of str
        The classes as the patches number them.
    """

    found: MaskOrder | None = None
    names: tuple[str, ...] = ()


def look_steps(
    data: Path,
    class_names: tuple[str, ...] | None = None,
    val: Path | None = None,
    form_before: str = "folders",
) -> Steps[DatasetReport]:
    """Recognise the format, list the patches, check the validation data, then decode every patch once.

    At last, compare the order of the classes in masks with that of the patches.

    Yields
    ------
    DataFound, ValidationFound
        Once, before any file is read.
    Event
        Stage "check", one per file.
    OrderFound
        If the masks are surely in another order.

    Raises
    ------
    DatasetError
        If there is nothing to train on.
    """
    yield Event("checking the patches", 0, 1)
    form = detect_format(data)
    dataset = _dataset(data, class_names, form, form_before)
    mpp = stated_mpp(dataset.paths, data)
    yield DataFound("checking the patches", 1, 1, dataset=dataset, form=form, mpp=mpp)
    if val is not None:
        validation = _validation_found(val, dataset)
        yield validation
    report = yield from check_steps(dataset)
    if val is not None and not validation.wrong and holds_masks(val) and report.ok:
        order = yield from masks_order_steps(dataset, list(find_pairs(val, inside=("",))))
        if order is not None:
            yield OrderFound("checking the masks", 1, 1, found=order, names=dataset.class_names)
    return report


def split_folders(folder: Path) -> tuple[Path, Path | None]:
    """Training and validation data of a folder with both; else the folder itself and None.

    Whatever their spelling: ``train`` beside ``val`` as in BCSS-WSSS, ``1.training`` beside ``2.validation``.
    """
    found: dict[str | None, list[Path]] = {}
    for path in files_in(folder):
        if is_folder(path):
            found.setdefault(split_of(path.name), []).append(path)
    train, val = found.get("train", []), found.get("val", [])
    if len(train) != 1:
        return folder, None
    return train[0], val[0] if len(val) == 1 else None


def validation_data(val: Path | None, dataset: ImageLevelDataset) -> ImageLevelDataset | Path | None:
    """A folder for images with masks; a dataset for patches with labels."""
    if val is None or holds_masks(val):
        return val
    return load_dataset(val, class_names=dataset.class_names)


def _dataset(
    data: Path, class_names: tuple[str, ...] | None, form: str, form_before: str
) -> ImageLevelDataset:
    """The dataset with these classes if they fit; else with its own class names."""
    try:
        dataset = load_dataset(data)
    except UnsureClassesError as unsure:  # the user sees them as classes, and why they may be none
        dataset = load_dataset(data, class_names=unsure.names)
        dataset = replace(dataset, notices=(str(unsure), *dataset.notices))
    if class_names is None or not fits(class_names, dataset, form, form_before):
        return dataset
    return load_dataset(data, class_names=class_names)


def fits(class_names: tuple[str, ...], dataset: ImageLevelDataset, form: str, form_before: str) -> bool:
    """Whether a class table fits a dataset; its order, and names that are in no file, are then kept."""
    if form == "names":
        return form_before == form and len(class_names) == len(dataset.class_names)
    return sorted(class_names) == sorted(dataset.class_names)


def _validation_found(val: Path, dataset: ImageLevelDataset) -> ValidationFound:
    stage = "checking the validation data"
    try:
        found = validation_data(val, dataset)
        if isinstance(found, Path):
            pairs = find_pairs(found, inside=("",))
            words = f"{len(pairs)} images with masks: scored by mIoU"
            return ValidationFound(stage, 1, 1, words="; ".join((words, *pairs.notices)))
    except ConstructError as error:
        return ValidationFound(stage, 1, 1, words=str(error), wrong=True)
    return ValidationFound(stage, 1, 1, words=f"{len(found or ())} patches: scored by F1 of class presence")
