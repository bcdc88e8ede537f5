"""Image-level labels in file names, as BCSS-WSSS writes them.

``TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500+12[1101].png`` says that of four classes the
first, the second and the fourth occur in the patch (Han et al. 2022, Medical Image Analysis 80).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_construct.classes import MAX_CLASSES
from napari_construct.exceptions import DatasetError
from napari_construct.reading.foreign import harmless

BCSS_CLASSES: Final = ("TUM", "STR", "LYM", "NEC")
"""Tumour, stroma, lymphocytic infiltrate, necrosis: the order of the published labels."""

_LABELS = re.compile(r"\[([01]+)\]$")


def parse_labels(name: str) -> tuple[int, ...] | None:
    """The 0/1 labels at the end of a file's stem (``x[10].png`` -> (1, 0)); None without labels."""
    found = _LABELS.search(Path(name).stem)
    return tuple(int(digit) for digit in found[1]) if found else None


def labels_from_names(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Labels (n, k) uint8 of files named in BCSS's way.

    Raises
    ------
    DatasetError
        If a name has no labels, or names differ in the number of labels; the files are named.
    """
    parsed = {path: parse_labels(path.name) for path in paths}
    without = [path.name for path, labels in parsed.items() if labels is None]
    if without:
        raise DatasetError(
            f"{paths[0].parent}: expected labels such as [1010] at the end of every name, got none in "
            f"{named(without)}; rename or remove the file(s), or sort the patches into one folder per class"
        )
    rows = {path: labels for path, labels in parsed.items() if labels is not None}
    lengths = Counter(len(labels) for labels in rows.values())
    usual, _ = lengths.most_common(1)[0]
    odd = [path.name for path, labels in rows.items() if len(labels) != usual]
    if odd:
        raise DatasetError(
            f"{paths[0].parent}: expected {usual} labels in every name as in most of them, got another "
            f"number in {named(odd)}; correct or remove the file(s)"
        )
    if usual > MAX_CLASSES:
        raise DatasetError(
            f"{paths[0].parent}: expected at most {MAX_CLASSES} classes, got {usual}; check the names"
        )
    return np.array(list(rows.values()), dtype=np.uint8)


def named(names: Sequence[str], most: int = 5) -> str:
    """The first few names and how many more there are."""
    more = len(names) - most
    return ", ".join(harmless(name, 150) for name in names[:most]) + (f" and {more} more" if more > 0 else "")
