"""Drawings as SVG text, for pages that must need nothing but themselves."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


class Drawing:
    """A canvas with its origin at the top left; lengths in pixels.

    Parameters
    ----------
    width, height : float
        Of the canvas; shown smaller where the page is narrower.
    label : str
        Description for screen readers.
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height, self.label = width, height, label
        self._parts: list[str] = []

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        hint: str = "",
        edge: str = "none",
    ) -> None:
        """A filled rectangle; ``hint`` is shown under the mouse."""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0.0))}" height="{_n(max(height, 0.0))}" '
            f'fill="{fill}" stroke="{edge}">{title}</rect>'
        )

    def line(
        self, a: Point, b: Point, stroke: str = "#222", width: float = 1.0, *, dashed: bool = False
    ) -> None:
        """A straight line."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._parts.append(
            f'<line x1="{_n(a[0])}" y1="{_n(a[1])}" x2="{_n(b[0])}" y2="{_n(b[1])}" stroke="{stroke}" '
            f'stroke-width="{_n(width)}"{dash}/>'
        )

    def polyline(self, points: Sequence[Point], stroke: str, width: float = 2.0) -> None:
        """Straight lines from point to point."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{_n(width)}"/>'
        )

    def circle(self, centre: Point, radius: float, fill: str, *, hint: str = "") -> None:
        """A disc."""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self._parts.append(
            f'<circle cx="{_n(centre[0])}" cy="{_n(centre[1])}" r="{_n(radius)}" '
            f'fill="{fill}">{title}</circle>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: Anchor = "start",
        size: float = 12.0,
        fill: str = "#222",
        turned: bool = False,
    ) -> None:
        """Words on the line ``y``; turned ones run upwards."""
        turn = f' transform="rotate(-90 {_n(x)} {_n(y)})"' if turned else ""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{_n(size)}" '
            f'fill="{fill}"{turn}>{escape(words)}</text>'
        )

    def markup(self) -> str:
        """The drawing as an element of a page."""
        return (
            f'<svg viewBox="0 0 {_n(self.width)} {_n(self.height)}" width="{_n(self.width)}" '
            f'height="{_n(self.height)}" role="img" aria-label="{escape(self.label)}" '
            f'font-family="system-ui, sans-serif">{"".join(self._parts)}</svg>'
        )


def shortened(words: str, most: int) -> str:
    """At most ``most`` characters; a longer text ends in an ellipsis."""
    return words if len(words) <= most else words[: most - 1] + "…"


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
