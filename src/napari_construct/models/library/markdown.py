"""Markdown of model cards: foreign texts without Markdown or HTML in them, numbers, tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from napari_construct.reading.foreign import harmless

LONGEST_TEXT: Final = 2000
"""Characters of a text of a checkpoint or catalogue."""

_MARKS: Final = re.compile(r"[\\`*_{}\[\]<>#|~!]")


def front_matter(licence: str, tags: str) -> str:
    """What the hub reads: the licence as its author chose, and tags."""
    # a text in quotation marks cannot end the front matter or add to it
    shown = (
        licence.lower()
        if re.fullmatch(r"[\w.+-]{1,100}", licence)
        else json.dumps(harmless(licence)).replace("<", "\\u003c")
    )
    return (
        "---\n"
        f"license: {shown}\n"
        "library_name: napari-construct\n"
        "pipeline_tag: image-segmentation\n"
        f"tags: [{tags}]\n"
        "---\n"
    )


def numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Numbers and short texts of a nested mapping; long lists are left out."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from numbers(value, f"{name}: ")
        elif isinstance(value, float):
            yield text(name), f"{value:.4g}"
        elif isinstance(value, bool | int | str) and len(str(value)) <= 200:
            yield text(name), text(str(value))
        elif isinstance(value, list | tuple) and len(value) <= 16 and not any(map(_nested, value)):
            texts = (f"{v:.4g}" if isinstance(v, float) else text(str(v)) for v in value)
            yield text(name), ", ".join(texts)


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def table(rows: Iterator[tuple[str, str]]) -> str:
    """Two columns without titles."""
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows)])


def text(foreign: str) -> str:
    """A name or text that a checkpoint or catalogue holds, on one line and without Markdown or HTML in it."""
    plain = harmless(" ".join(foreign.split()), LONGEST_TEXT)
    return _MARKS.sub(r"\\\g<0>", plain).replace("&", "&amp;")


def code(foreign: str) -> str:
    """Foreign text as code."""
    return f"`{harmless(foreign, LONGEST_TEXT).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def address(source: str) -> str:
    """An address without what would end the link."""
    return re.sub(r"[\s<>|\[\]()`]", "", harmless(source, LONGEST_TEXT))
