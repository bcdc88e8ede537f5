"""Agreement on which classes occur in images: tables of image-level labels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.label_table import LabelTable, read_table
from napari_construct.evaluation.agreement.matching import Matched, alike, match_classes
from napari_construct.evaluation.agreement.settings import AgreementSettings
from napari_construct.exceptions import DatasetError, InputError
from napari_construct.reading.names import folded, named


class Presence(NamedTuple):
    """Counts of images.

    Attributes
    ----------
    matched : Matched
        Of the columns.
    tables : ndarray
        (n, k, 2, 2) int64: for each image and class that both have, 1 at (in the first, in the second); 0
        absent, 1 present.
    images : tuple of str
        The n that both have.
    notices : tuple of str
        What is in one of them alone.
    """

    matched: Matched
    tables: NDArray[np.int64]
    images: tuple[str, ...]
    notices: tuple[str, ...]


def compare_tables(first: Path, second: Path, settings: AgreementSettings) -> Presence:
    """Pair the rows of two tables by path, or by the files' names where no path is the same.

    Raises
    ------
    DatasetError
        If a table cannot be read.
    InputError
        If they have no image or no class in common.
    """
    one_table, other_table = (_read(path) for path in (first, second))
    classes, names, labels = one_table.class_names, one_table.names, one_table.labels
    others, other_names, other_labels = other_table.class_names, other_table.names, other_table.labels
    matched = match_classes(classes, others, settings.match, settings.leave_out)
    places, other_places = _pairs(names, other_names)
    if not places or not matched.both:
        lacks = "class" if places else "image"
        raise InputError(
            f"{first} and {second}: expected tables with a {lacks} in common, got "
            f"{named(classes if places else names)} and {named(others if places else other_names)}"
            + ("; name which is which (--match)" if places else "; check the column path")
        )
    one, two = (
        _joined(values[rows], numbers, matched.both)
        for values, rows, numbers in (
            (labels, places, matched.first),
            (other_labels, other_places, matched.second),
        )
    )
    tables = np.zeros((*one.shape, 2, 2), np.int64)
    image, column = np.indices(one.shape)
    tables[image, column, one, two] = 1
    notices = [
        f"{path.name}: {text}"
        for path, table in ((first, one_table), (second, other_table))
        for text in table.notices
    ]
    for path, all_names, used in ((first, names, places), (second, other_names, other_places)):
        alone = [name for i, name in enumerate(all_names) if i not in set(used)]
        if alone:
            notices.append(f"{path.name}: {len(alone)} image(s) only there are left out: {named(alone)}")
    return Presence(matched, tables, tuple(names[i] for i in places), tuple(notices))


def _read(table: Path) -> LabelTable:
    found = read_table(table, files=False)
    twice = [name for name, count in Counter(found.names).items() if count > 1]
    if twice:
        raise DatasetError(
            f"{table}: expected every image once, got {named(twice)} more often; remove the copies"
        )
    return found


def _pairs(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[list[int], list[int]]:
    for key in (
        folded,
        lambda name: alike(PurePosixPath(name).name),
        lambda name: alike(PurePosixPath(name).stem),
    ):
        keys, others = [key(name) for name in first], [key(name) for name in second]
        if len(set(keys)) < len(keys) or len(set(others)) < len(others):
            continue
        places = {one: i for i, one in enumerate(others)}
        shared = [i for i, one in enumerate(keys) if one in places]
        if shared:
            return shared, [places[keys[i]] for i in shared]
    return [], []


def _joined(labels: NDArray[np.uint8], numbers: NDArray[np.intp], k: int) -> NDArray[np.intp]:
    """(n, k): columns that are one class are present where one of them is."""
    found = np.zeros((len(labels), k), np.intp)
    for column, number in enumerate(numbers.tolist()):
        if 0 <= number < k:
            found[:, number] |= labels[:, column] > 0
    return found
