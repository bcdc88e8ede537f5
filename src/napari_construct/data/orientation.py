"""The orientation that EXIF and TIFF 6.0 state (tag 274): where the first row and the first column lie."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

TAG: Final = 274


class Orientation(NamedTuple):
    """How stored rows and columns become shown ones: first transposed, then turned round."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    words: str = ""

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

    def notice(self, short: str) -> tuple[str, ...]:
        """What was done to a picture; nothing where it is stored as it is shown."""
        if not self.words:
            return ()
        return (f"{short}: {self.words}, as its orientation tag states and viewers show it",)


_ORIENTATIONS: Final = {
    2: Orientation(flip_columns=True, words="mirrored left to right"),
    3: Orientation(flip_rows=True, flip_columns=True, words="turned by 180 degrees"),
    4: Orientation(flip_rows=True, words="mirrored top to bottom"),
    5: Orientation(transpose=True, words="mirrored at its diagonal"),
    6: Orientation(transpose=True, flip_columns=True, words="turned by 90 degrees clockwise"),
    7: Orientation(transpose=True, flip_rows=True, flip_columns=True, words="mirrored at its other diagonal"),
    8: Orientation(transpose=True, flip_rows=True, words="turned by 90 degrees anticlockwise"),
}


def orientation_of(value: object) -> Orientation:
    """The orientation that a value of the tag means; as stored where it is missing or says nothing."""
    return _ORIENTATIONS.get(value, Orientation()) if isinstance(value, int) else Orientation()


def upright(array: NDArray[Any], value: object, short: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Pixels (h, w) or (h, w, c) as viewers show them, and a notice where they are stored otherwise."""
    orientation = orientation_of(value)
    return np.ascontiguousarray(orientation.show(array)), orientation.notice(short)
