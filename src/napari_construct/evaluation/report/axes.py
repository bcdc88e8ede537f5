"""Bars and axes that the plots of reports share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from napari_construct.classes import OKABE_ITO
from napari_construct.evaluation.report.svg import Drawing

BEFORE: Final = OKABE_ITO[0]
AFTER: Final = OKABE_ITO[4]
"""Orange and blue."""

LEFT: Final = 56.0
TOP: Final = 34.0
HEIGHT: Final = 220.0
"""The box of a plot in pixels: its left and upper edge, its height."""


def scale(d: Drawing, title: str, width: float | None = None) -> None:
    """Lines from 0 to 100 % behind bars."""
    right = d.width - 10 if width is None else LEFT + width
    for i in range(0, 101, 20):
        y = TOP + HEIGHT * (1 - i / 100)
        d.line((LEFT, y), (right, y), "#E4E4E4" if i else "#222")
        d.text(LEFT - 6, y + 4, str(i), anchor="end", size=11.0)
    d.text(14.0, TOP + HEIGHT / 2, title, anchor="middle", turned=True)


def draw_bar(
    d: Drawing,
    x: float,
    width: float,
    value: float | None,
    ends: Sequence[float] | None,
    colour: str,
    hint: str,
) -> None:
    """A bar of a share from 0 to 1 with its interval; a dash where there is none."""
    if value is None:
        d.text(x + width / 2, TOP + HEIGHT - 4, "-", anchor="middle", fill="#666")
        return
    d.rect(x, TOP + HEIGHT * (1 - value), width, HEIGHT * value, colour, hint=hint)
    if ends is not None:
        low, high = (TOP + HEIGHT * (1 - end) for end in ends)
        middle = x + width / 2
        d.line((middle, low), (middle, high), "#222", 1.5)
        for y in (low, high):
            d.line((middle - 4, y), (middle + 4, y), "#222", 1.5)


def legend(d: Drawing, entries: Sequence[tuple[str, str]]) -> None:
    """Words with their colours, above the plot."""
    x = LEFT
    for words, colour in entries:
        d.rect(x, 6.0, 12.0, 12.0, colour)
        d.text(x + 17, 16.0, words)
        x += 34 + 6.6 * len(words)
