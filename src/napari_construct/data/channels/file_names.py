"""Which channel the name of a file or a folder says, where each channel is a file of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from napari_construct.data.channels.stains import MEMBRANE_STAINS, NUCLEAR_STAINS, shows
from napari_construct.reading.name_lists import parse_names
from napari_construct.reading.names import normal

_OTHER_STAINS: Final = (
    *("gfp", "yfp", "cfp", "bfp", "rfp", "mcherry", "tdtomato", "fitc", "tritc", "cy[2357]", "alexa"),
    *("texas[-_ ]?red", "txred", "phalloidin", "tubulin", "vimentin", "collagen", "laminin", "mitotracker"),
    *("lysotracker", "pan[-_ ]?ck", "ck", "cd", "ki[-_ ]?67", "brightfield"),
    *("(?:[en][-_ ]?)?cadherin", "(?:(?:beta|b)[-_ ]?)?catenin"),
)
_UNCLEAR: Final = ("h3", "na/k", "cadherin", "catenin")
"""Stains that are also names of wells, cannot be in a name, or are written below with what precedes them."""

_STAIN: Final = "|".join(
    (*(word for word in (*NUCLEAR_STAINS, *MEMBRANE_STAINS) if word not in _UNCLEAR), *_OTHER_STAINS)
)
_STAINED: Final = re.compile(_STAIN, re.IGNORECASE)  # "ch3" holds "h3", which is none of these
_NUMBERED: Final = re.compile(r"(?:channel|chan|ch)\d{1,2}|(?<!.)C\d(?=-)", re.IGNORECASE)
"""Numbers of channels; the last form is that of ImageJ's split channels. ``_c1`` may be a case, a column."""

_WORD: Final = re.compile(
    rf"(?<![^\W_])(?:{_NUMBERED.pattern}|(?:(?:ch|c|w)\d)?(?:{_STAIN})\d*)(?![^\W_])", re.IGNORECASE
)
NONE: Final = "none"
"""Typed in the place of names where every file is an image."""

_SEPARATORS: Final = " _-.,+"


@dataclass(frozen=True, slots=True)
class NamedChannel:
    """A name, and the channel in it.

    Attributes
    ----------
    before, word, after : str
        What the name is made of. Names of the channels of one image differ in ``word`` alone.
    """

    before: str
    word: str
    after: str

    @property
    def key(self) -> tuple[str, str]:
        """Equal for the channels of one image."""
        return self.before, self.after

    @property
    def channel(self) -> str:
        """The channel, to compare."""
        return self.word.casefold()

    @property
    def image(self) -> str:
        """The name without the channel; empty where it is the channel alone."""
        before, after = self.before.rstrip(_SEPARATORS), self.after.lstrip(_SEPARATORS)
        joint = self.before[len(before) :] or self.after[: len(self.after) - len(after)]
        return joint.join((before, after)) if before and after else before or after

    def named(self, word: str) -> str:
        """The same name of another channel."""
        return f"{self.before}{word}{self.after}"


def named_channel(name: str, words: Sequence[str] | None = None) -> NamedChannel | None:
    """The channel in a name without its suffix; None if there is none.

    Parameters
    ----------
    name : str
        Such as ``image1_DAPI``.
    words : sequence of str, optional
        What channels are called: the last one in the name counts, where it stands between separators, at an
        end, or where letters and digits meet (``D03f00d1`` holds ``d1``). By default stains and markers of
        the field, also as ``w1DAPI``, and numbers as ``ch0`` or in front ``C1-``; they must stand between
        separators or at an end.
    """
    name = normal(name)
    if words is None:
        found = list(_WORD.finditer(name))
    else:
        found = [m for word in words for m in _between(word).finditer(name)]
    if not found:
        return None
    last = max(found, key=lambda m: (m.end(), len(m[0])))
    return NamedChannel(name[: last.start()], last[0], name[last.end() :])


def in_order(words: Sequence[str]) -> tuple[str, ...]:
    """Channels in the order that networks expect: nuclei, membranes, then others by name and number."""

    def place(word: str) -> tuple[int, list[tuple[int, str]]]:
        known = (NUCLEAR_STAINS, MEMBRANE_STAINS) if _STAINED.search(word) else ()
        role = next((i for i, stains in enumerate(known) if shows(word, stains)), 2)
        parts = re.findall(r"\d+|\D+", word.casefold())
        return role, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    return tuple(sorted(words, key=place))


def _between(word: str) -> re.Pattern[str]:
    """A word where neither letters nor digits run on."""
    word = normal(word)

    def edge(character: str, look: str) -> str:
        if character.isdecimal():
            return rf"(?{look}\d)"
        return rf"(?{look}[^\W\d_])" if character.isalpha() else ""

    return re.compile(edge(word[0], "<!") + re.escape(word) + edge(word[-1], "!"), re.IGNORECASE)


def typed_channel_files(text: str | None) -> tuple[str, ...] | None:
    """The argument ``channel_files`` of ``open_cells`` from a line of text: ``a,b``, ``none``, or nothing.

    Raises
    ------
    ConfigurationError
        If a quote is not closed.
    """
    if text is None or not text.strip():
        return None
    return () if text.strip().casefold() == NONE else parse_names(text)
