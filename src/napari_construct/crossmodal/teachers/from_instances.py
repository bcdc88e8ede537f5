"""Foreground and boundary of instances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import relabel_sequential

from napari_construct.crossmodal.protocol import TeacherOutput
from napari_construct.losses.boundary_band import border_map
from napari_construct.types import FloatArray


def output_of(labels: NDArray[Any], foreground: FloatArray | None = None) -> TeacherOutput:
    """What instances say.

    Parameters
    ----------
    labels : ndarray
        (h, w) integers, 0 is background; renumbered from 1 without gaps.
    foreground : ndarray, optional
        (h, w) float32 in [0, 1]; by default 1 inside of cells.
    """
    # a copy: the library takes no arrays that are read-only
    numbered = relabel_sequential(np.array(labels))[0]  # type: ignore[no-untyped-call]
    instances = np.ascontiguousarray(numbered, dtype=np.int32)
    if foreground is None:
        foreground = (instances > 0).astype(np.float32)
    return TeacherOutput(foreground, border_map(instances), instances)
