"""Image-level labels in file names, as published datasets write them.

BCSS-WSSS: ``TCGA-A1-A0SK-DX1_xmin45749_ymin25055_MPP-0.2500+12[1101].png`` says that of four classes the
first, the second and the fourth occur in the patch (Han et al. 2022, Medical Image Analysis 80).
LUAD-HistoSeg (of the same authors) writes ``...-[1 0 0 1].png``; WSSS4LUAD (Han et al. 2022,
arXiv:2204.06455) ``...-[1, 0, 1].png``. A suffix after a space or one of ``_ - . (`` does not count:
``...[1101]_flipped.png``.
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
from napari_construct.reading.names import named

_ONE: Final = r"([01])(?:\.0*(?=[\s,;\]]))?"  # also 1. and 1.0, as NumPy prints floats
_LABELS: Final = re.compile(
    rf"\[\s*({_ONE}(?:[\s,;_-]*{_ONE})*[\s,;]*\])(?=$|[ _.(-])".replace("([01])", "[01]"), re.ASCII
)


def parse_labels(name: str) -> tuple[int, ...] | None:
    """The 0/1 labels in a file's name (``x[10].png`` -> (1, 0)), the last if there are several; or None."""
    found = _LABELS.findall(Path(name).stem)
    return tuple(int(digit) for digit in re.findall(_ONE, found[-1])) if found else None


def labels_from_names(paths: Sequence[Path]) -> NDArray[np.uint8]:
    """Labels (n, k) uint8 of files with labels in their names.

    Raises
    ------
    DatasetError
        If a name has no labels, or names differ in the number of labels; the files are named.
    """
    parsed = {path: parse_labels(path.name) for path in paths}
    without = [path.name for path, labels in parsed.items() if labels is None]
    if without:
        raise DatasetError(
            f"{paths[0].parent}: expected labels such as [1010] or [1, 0, 1, 0] in every name, got none in "
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
