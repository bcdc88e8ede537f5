"""Elements of XML in descriptions of TIFF files, found by patterns of bounded length.

No parser runs: entities cannot attack it, and broken XML still says what it says.
"""

from __future__ import annotations

import html
import re
from typing import Final

LONGEST: Final = 4_000_000
"""Characters of a description that are searched."""

ATTRIBUTES: Final = r"""((?:\s+[\w:.-]{1,60}\s*=\s*(?:"[^"<]{0,400}"|'[^'<]{0,400}')){0,60})"""
"""Pattern of the attributes of an element."""


def elements(names: str, xml: str) -> list[tuple[str, dict[str, str]]]:
    """Name and attributes of the elements of these names (``Pixels|Channel``), in their order."""
    pattern = rf"<(?:\w{{1,20}}:)?({names}){ATTRIBUTES}\s*/?>"
    return [(name, _attributes(part)) for name, part in re.findall(pattern, xml)]


def attributes_of(name: str, xml: str) -> list[dict[str, str]]:
    """Attributes of the elements of one name, in their order."""
    return [attributes for _, attributes in elements(name, xml)]


def text_of(name: str, xml: str) -> str:
    """Text within the first element of a name; empty where there is none."""
    found = re.search(rf"<(?:\w{{1,20}}:)?{name}>([^<]{{0,{LONGEST}}})</", xml[:LONGEST])
    return "" if found is None else html.unescape(found[1])


def _attributes(text: str) -> dict[str, str]:
    found = re.findall(r"""([\w:.-]{1,60})\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""", text)
    return {key: html.unescape(double or single) for key, double, single in found}
