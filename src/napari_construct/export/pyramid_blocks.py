"""A block of a label pyramid: the arrays that are written together, and their files on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_construct.exceptions import InputError
from napari_construct.export.pyramid_arrays import LABELS_GROUP
from napari_construct.export.pyramid_plan import PyramidPlan
from napari_construct.export.tiff import check_labels
from napari_construct.whole_files import replacing, sync_names


def checked_blocks(
    plan: PyramidPlan,
    top: int,
    left: int,
    labels: NDArray[Any] | None,
    maps: Mapping[str, NDArray[Any] | None],
) -> dict[str, NDArray[np.uint8]]:
    """The arrays of one shard by the groups that they belong to.

    Parameters
    ----------
    plan : PyramidPlan
        Of the pyramid.
    top, left : int
        Of the shard.
    labels : ndarray or None
        (height, width) uint8; None where all is unlabelled.
    maps : mapping of str to ndarray or None
        (k, height, width) uint8 of each of :data:`~.pyramid_plan.MAPS` that the plan asks for; None without
        labels, too.

    Raises
    ------
    InputError
        If they are not those of this shard.
    """
    classes = plan.classes
    height, width = (min(plan.shard, n - at) for n, at in zip(plan.shape, (top, left), strict=True))
    empty = labels is None
    if labels is None:
        labels = np.broadcast_to(np.uint8(0), (height, width))
    check_labels(labels, classes)
    if labels.shape != (height, width):
        raise InputError(
            f"expected the whole shard at row {top}, column {left}: {height} x {width} pixels, got "
            f"{labels.shape}; gather the tiles of a shard before writing it"
        )
    blocks = {LABELS_GROUP: labels}
    shape = (len(classes), height, width)
    for kind, found in maps.items():
        stored = kind in plan.maps
        if found is None and stored and empty:
            blocks[kind] = np.broadcast_to(np.uint8(0), shape)
            continue
        if (found is not None) != stored:
            wanted, got = ("with", "without") if stored else ("without", "with")
            raise InputError(
                f"expected a block {wanted} {kind}, as the pyramid was created, got one {got}; create it "
                f"with {kind}=True to store them"
            )
        if found is None:
            continue
        if found.shape != shape or found.dtype != np.uint8:
            raise InputError(
                f"expected {kind} {shape} uint8, got {found.shape} {found.dtype}; give one plane for each "
                "class, 255 for certain"
            )
        blocks[kind] = found
    return blocks


def put(path: Path, content: bytes) -> None:
    """Put the file of a shard to its place as a whole; without content, see that there is none.

    Raises
    ------
    OSError
        If the system refuses.
    """
    if not content:
        path.unlink(missing_ok=True)
        return
    fresh = [folder for folder in (path.parent, *path.parents[1:4]) if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in fresh:  # the names of new folders survive a power cut, too
        sync_names(folder.parent)
    with replacing(path) as part:
        part.write_bytes(content)
