"""Micrometres per pixel: spellings of units and numbers, and the choice among what a file states."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from napari_construct.events import Doubt

PLAUSIBLE_MPP: Final = (0.02, 20.0)
"""Micrometres per pixel outside this range are a screen's or a printer's resolution, not a microscope's."""

_SQUARE: Final = 0.01
"""Relative difference of columns and rows up to which pixels count as square."""

_CONFLICT: Final = 0.05
"""Relative difference of two statements from which the user should know of both."""

_PREFIXES: Final = {
    "p": 1e-6,
    "n": 1e-3,
    "μ": 1.0,
    "u": 1.0,
    "m": 1e3,
    "c": 1e4,
    "d": 1e5,
    "": 1e6,
}
_LONG_PREFIXES: Final = {
    "pico": 1e-6, "nano": 1e-3, "micro": 1.0, "milli": 1e3, "centi": 1e4, "deci": 1e5, "": 1e6,
}  # fmt: skip
MICROMETRES: Final = {
    **{f"{prefix}m": factor for prefix, factor in _PREFIXES.items()},
    **{
        f"{prefix}{metre}": factor
        for prefix, factor in _LONG_PREFIXES.items()
        for metre in ("meter", "meters", "metre", "metres")
    },
    **dict.fromkeys(("micron", "microns", "micro", "μ", "?m", "\ufffdm"), 1.0),  # the sign may be lost
    **dict.fromkeys(("å", "angstrom", "angstroms", "ångström"), 1e-4),
    **dict.fromkeys(("in", "inch", "inches", '"'), 25400.0),
    **dict.fromkeys(("pt", "point", "points"), 25400.0 / 72),
    **dict.fromkeys(("thou", "mil", "mils"), 25.4),
}
"""Micrometres of a unit, by its name after :func:`micrometres_of` has unified its spelling."""

NUMBER: Final = r"[+-]?(?:\d{1,40}(?:[.,]\d{1,40})?|[.,]\d{1,40})(?:[eE][+-]?\d{1,3})?"
"""Pattern of a number with a decimal point or comma; it cannot take long on any text."""


class PixelSize(NamedTuple):
    """Micrometres per pixel that a file states, None without, and what the user should know of it.

    ``sides`` are height and width of a pixel, ``mpp`` is their mean.
    """

    mpp: float | None
    notices: tuple[str, ...] = ()
    sides: tuple[float, float] | None = None


class Stated(NamedTuple):
    """One statement of a file: micrometres per pixel along columns and rows, and where it stands."""

    x: float | None
    y: float | None
    where: str


def plausible(mpp: float | None) -> float | None:
    """``mpp`` where a microscope could have made it, else None."""
    if mpp is None or not PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]:
        return None
    return mpp


def micrometres_of(unit: str) -> float | None:
    """Micrometres of a unit of length in any spelling; None for pixels and what is no length.

    XML entities, ImageJ's escapes, both micro signs of Unicode, and a micro sign that was read in a wrong
    encoding are understood.
    """
    text = html.unescape(unit[:80])
    text = re.sub(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1] or m[2], 16)), text)
    text = text.replace("Âµ", "µ").replace("Î¼", "μ")  # UTF-8 read as Latin-1
    text = unicodedata.normalize("NFKC", text).strip().strip(".").lower()
    text = re.sub(r"\s*(?:/|per)\s*(?:px|pix|pixel)s?$", "", text)
    return MICROMETRES.get(text)


def number(text: Any) -> float | None:
    """A finite number as people write it: ``0.4990``, ``0,4990``, ``2.5e-1``; None otherwise."""
    if isinstance(text, bool):
        return None
    if isinstance(text, int | float):
        return _finite(text)
    words = html.unescape(str(text)[:200]).strip().strip("\"'").strip()
    return _finite(words.replace(",", ".")) if re.fullmatch(NUMBER, words, re.ASCII) else None


def _finite(value: str | float) -> float | None:
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def length(value: Any, unit: str | None, default: str = "µm") -> float | None:
    """Micrometres of a number with its unit."""
    size, factor = number(value), micrometres_of(unit if unit and unit.strip() else default)
    return None if size is None or factor is None or size <= 0 else size * factor


def per_unit(pixels: Any, micrometres: float | None) -> float | None:
    """Micrometres per pixel of so many pixels in so many micrometres."""
    try:
        count = float(pixels)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    return micrometres / count if micrometres and count > 0 and math.isfinite(count) else None


def chosen(stated: Iterable[Stated | None], short: str, *, both: bool = False) -> PixelSize:
    """The first plausible statement, and notices where others contradict it or pixels are not square.

    Parameters
    ----------
    stated : iterable of Stated or None
        The most explicit first.
    short : str
        What notices call the file.
    both : bool
        Whether both sides of a pixel are used, not their mean.

    Returns
    -------
    PixelSize
        Of pixels that are not square, the geometric mean of both sides: areas are then right.
    """
    found = [one for one in stated if one is not None and plausible(_mean(one)) is not None]
    if not found:
        return PixelSize(None)
    first, mpp = found[0], _mean(found[0])
    across, down = first.x, first.y
    notices = []
    if across and down and abs(across / down - 1) > _SQUARE:
        used = "" if both else f"; {mpp:.4g} um per pixel is used"
        notices.append(f"{short}: pixels are {across:.4g} um wide and {down:.4g} um high{used}")
    for other in found[1:]:
        contradicting = _mean(other)
        if mpp and contradicting and abs(contradicting / mpp - 1) > _CONFLICT:
            said = (
                f"{short}: states {mpp:.4g} um per pixel ({first.where}) and {contradicting:.4g} "
                f"({other.where}); {mpp:.4g} is used, give the pixel size if it is wrong "
                "(--mpp, in Python mpp)"
            )
            notices.append(Doubt(said))
            break
    either = down or across
    return PixelSize(mpp, tuple(notices), (down or either, across or either) if either else None)


def _mean(stated: Stated) -> float | None:
    sides = [side for side in (stated.x, stated.y) if side]
    if len(sides) == 2 and abs(sides[0] / sides[1] - 1) <= _SQUARE:
        return sides[0]
    return math.prod(sides) ** (1 / len(sides)) if sides else None


def from_dpi(dpi: Any, where: str = "resolution") -> Stated | None:
    """Pixels per inch of columns and rows, as Pillow's ``info["dpi"]``."""
    try:
        across, down = (per_unit(side, 25400.0) for side in dpi)
    except (TypeError, ValueError):
        return None
    return Stated(across, down, where)
