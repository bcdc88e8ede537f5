"""The orientation tag of TIFF 6.0 (274): where the first row and the first column of a picture lie."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Orientation(NamedTuple):
    """How stored rows and columns become shown ones: first transposed, then turned round."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def shown_shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the picture that is shown."""
        return (width, height) if self.transpose else (height, width)

    def stored_part(self, rows: slice, columns: slice, height: int, width: int) -> tuple[slice, slice]:
        """Stored rows and columns of a part of the shown picture; ``height`` and ``width`` are stored."""
        shown_height, shown_width = self.shown_shape(height, width)
        if self.flip_rows:
            rows = slice(shown_height - rows.stop, shown_height - rows.start)
        if self.flip_columns:
            columns = slice(shown_width - columns.stop, shown_width - columns.start)
        return (columns, rows) if self.transpose else (rows, columns)

    def show(self, array: NDArray[Any]) -> NDArray[Any]:
        """The shown picture of stored pixels (h, w) or (h, w, c)."""
        if self.transpose:
            array = np.swapaxes(array, 0, 1)
        return array[:: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]


_TAG: Final = 274
_ORIENTATIONS: Final = {
    2: Orientation(flip_columns=True),
    3: Orientation(flip_rows=True, flip_columns=True),
    4: Orientation(flip_rows=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, flip_columns=True),
    7: Orientation(transpose=True, flip_rows=True, flip_columns=True),
    8: Orientation(transpose=True, flip_rows=True),
}


def orientation_of(page: Any) -> Orientation:
    """The orientation of a page; as stored where the tag is missing or says nothing."""
    value = page.tags.valueof(_TAG)
    return _ORIENTATIONS.get(value, Orientation()) if isinstance(value, int) else Orientation()
