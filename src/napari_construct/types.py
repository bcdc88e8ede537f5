"""Array aliases shared by every room: numpy at the door, tensors inside.

Dimension letters are the same everywhere: b batch, k classes, c channels,
n tokens, h rows, w columns.
"""

from __future__ import annotations

from os import PathLike as _PathLike
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

PathLike: TypeAlias = str | _PathLike[str]

RGBImage: TypeAlias = npt.NDArray[np.uint8]
"""An image as people hold it: (h, w, 3) uint8 RGB, 0 to 255."""

LabelImage: TypeAlias = npt.NDArray[np.uint8]
"""(h, w) uint8; 0 is unlabelled or background, ``i + 1`` is the i-th class of the class table."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""A float32 array; the docstring that uses it gives axes and range."""
