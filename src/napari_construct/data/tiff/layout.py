"""What the axes of an image in a TIFF mean: rows, columns, colour, and planes of a stack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_construct.data.limits import MAX_CHANNELS, MIN_SIDE
from napari_construct.exceptions import InputError

_COLOUR: Final = "SC"
_COLOUR_SAMPLES: Final = (3, 4)
_RGB, _YCBCR = 2, 6
_UNNAMED: Final = "IQ"
"""How tifffile calls an axis of which a file says nothing: pages, and other numbers."""

MAY_BE_COLOURS: Final = (
    "if the planes are red, green and blue, save them as one RGB image (Fiji: Image > Color > Stack to RGB; "
    "Python: tifffile.imwrite(new, numpy.moveaxis(tifffile.imread(old), 0, -1), photometric='rgb'))"
)


@dataclass(frozen=True, slots=True)
class Layout:
    """The axes of a series.

    Attributes
    ----------
    axes : str
        A letter for each axis: Y rows, X columns, S or C colour; all others count planes.
    shape : tuple of int
        Length of each axis.
    rows_as_pages : bool
        Whether each row of an RGB picture was written as a page of its own, w x 3 pixels large: libraries do
        so with an array (h, w, 3) that nobody called RGB.
    """

    axes: str
    shape: tuple[int, ...]
    rows_as_pages: bool = False

    def _length(self, letter: str) -> int:
        return math.prod(n for a, n in zip(self.axes, self.shape, strict=True) if a == letter)

    @property
    def height(self) -> int:
        return self._length("Y") if "Y" in self.axes else 0

    @property
    def width(self) -> int:
        return self._length("X") if "X" in self.axes else 0

    @property
    def channels(self) -> int:
        """Samples of a pixel."""
        return self._length("S") * self._length("C")

    @property
    def colour_axis(self) -> str:
        """``S``, ``C``, or empty for one sample."""
        return next((a for a, n in zip(self.axes, self.shape, strict=True) if a in _COLOUR and n > 1), "")

    @property
    def planes(self) -> tuple[int, ...]:
        """Lengths of the axes that count planes, those of length one left out."""
        pairs = zip(self.axes, self.shape, strict=True)
        return tuple(n for a, n in pairs if a not in "YX" + _COLOUR and n > 1)

    @property
    def may_be_colours(self) -> bool:
        """Whether the planes may be red, green, blue, and alpha, of one picture."""
        return not self.colour_axis and self.planes in {(n,) for n in _COLOUR_SAMPLES}


def layout_of(series: Any) -> Layout:
    """The axes of a series of tifffile."""
    axes, shape = str(series.axes), tuple(int(n) for n in series.shape)
    longer = [(a, n) for a, n in zip(axes, shape, strict=True) if a in "YX" or n > 1]
    names, sizes = "".join(a for a, _ in longer), tuple(n for _, n in longer)
    if (
        names.endswith("YX")
        and len(sizes) >= 3
        and sizes[-1] in _COLOUR_SAMPLES
        and min(sizes[-3:-1]) >= MIN_SIDE
        and not any(a in _COLOUR for a in names)
    ):
        return Layout(names[:-3] + "YXS", sizes, rows_as_pages=True)
    return Layout(axes, shape)


def channel_layout_of(series: Any) -> Layout:
    """The axes of a series of tifffile whose samples, or pages without a meaning, are channels.

    Axes of length one are left out, except rows and columns. The channels' axis is called S where they are
    the samples of a pixel, C otherwise.
    """
    pairs = [(a, int(n)) for a, n in zip(str(series.axes), series.shape, strict=True)]
    longer = [(a, n) for a, n in pairs if a in "YX" or n > 1]
    names, sizes = "".join(a for a, _ in longer), tuple(n for _, n in longer)
    if len(names) == 3 and names.endswith("YX") and names[0] in _UNNAMED:
        if sizes[2] < MIN_SIDE <= min(sizes[:2]):
            return Layout("YXS", sizes, rows_as_pages=True)
        return Layout("CYX", sizes)
    return Layout(names, sizes)


def check_channel_axes(path: Path, layout: Layout, axes: str, *, stack: bool = False) -> None:
    """Refuse stacks, and axes that are no image's; ``axes`` are those of the file, for the error.

    With ``stack`` a plane of it is wanted, and it is not refused.

    Raises
    ------
    InputError
        With what to save instead.
    """
    if not layout.height or not layout.width or layout.axes.count("Y") > 1 or layout.axes.count("X") > 1:
        raise InputError(
            f"{path}: expected rows and columns, got axes {axes} of shape {layout.shape}; save one plane as "
            "its own file"
        )
    if (layout.planes and not stack) or all(a in layout.axes for a in _COLOUR):
        raise InputError(
            f"{path}: expected one plane of channels (rows, columns and channels), got axes {layout.axes} of "
            f"shape {layout.shape}; save one plane as its own file, or, if the planes are channels, say so "
            "(Fiji: Image > Hyperstacks > Re-order Hyperstack)"
        )
    if layout.channels > MAX_CHANNELS:
        raise InputError(
            f"{path}: expected at most {MAX_CHANNELS} channels, got {layout.channels} pages or samples; "
            "save one plane of a stack as its own file"
        )


def check_colour_axes(path: Path, layout: Layout, photometric: int) -> None:
    """Refuse images that are neither grey nor RGB, and axes that are no image's.

    Raises
    ------
    InputError
        With what to save instead.
    """
    if not layout.height or not layout.width or layout.axes.count("Y") > 1 or layout.axes.count("X") > 1:
        raise InputError(
            f"{path}: expected rows and columns, got axes {layout.axes} of shape {layout.shape}; save one "
            "plane as its own file"
        )
    both = all(layout.axes.count(a) and layout.shape[layout.axes.index(a)] > 1 for a in _COLOUR)
    sizes = {a: layout.shape[layout.axes.index(a)] for a in _COLOUR if a in layout.axes}
    many = sizes.get("S", 1) > 4 and photometric not in (_RGB, _YCBCR)
    if both or many or sizes.get("C", 1) not in (1, 3):
        channels = layout.channels if both or many else sizes["C"]
        raise InputError(
            f"{path}: expected 1 channel, RGB or RGBA, got {channels} channels; save one channel, or "
            "three as RGB"
        )


def check_single(path: Path, layout: Layout) -> None:
    """Refuse a stack where one plane is expected.

    Raises
    ------
    InputError
        With what to do, also where the planes may be colours.
    """
    if layout.planes:
        colours = f"; {MAY_BE_COLOURS}" if layout.may_be_colours else ""
        raise InputError(
            f"{path}: expected one plane (rows, columns and colour), got axes {layout.axes} of shape "
            f"{layout.shape}; save one plane of the stack as its own file, or segment all planes with batch"
            f"{colours}"
        )
