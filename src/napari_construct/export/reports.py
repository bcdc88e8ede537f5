"""Recognise reports, tables and galleries that commands wrote: only those are replaced without asking."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.reading.places import place_of
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import json_or_none

REPORT_FORMAT: Final = "napari-construct report"

_LONGEST: Final = 2**26
_HEAD: Final = 4096
_HTML: Final = ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">', "<title>Evaluation</title>")
_JSON: Final = f'{{\n  "format": "{REPORT_FORMAT}"'
_MARKDOWN: Final = re.compile(r"# Evaluation\n\n(Model|\d+ models) |## Ablation")
_EARLIER: Final = tuple(
    frozenset(keys.split())
    for keys in (
        "results failed",
        "output items stacks",
        "checkpoint classes metrics history",
        "checkpoint metrics training",
        "checkpoint calibration calibration_f1",
        "encoders models your_catalogue",
        "prototype patches failed",
        "model settings input prototypes decides",
        "seeds variants record",
    )
)
"""The keys of what earlier versions wrote, without a format."""
_EARLIER_SCORES: Final = frozenset(
    {"predicted", "oracle", "models", "images", "failures", "notices", "record"}
)


def marked(content: Mapping[str, Any]) -> dict[str, Any]:
    """A report's content with the format by which :func:`is_own_report` knows it."""
    return {"format": REPORT_FORMAT, **content}


def is_own_report(path: Path) -> bool:
    """Whether a command wrote a JSON, HTML or Markdown file, whatever its name; if unreadable, not."""
    try:
        with open_regular(path, "a report") as stream:
            start = stream.read(_HEAD)
            rest = stream.read(_LONGEST) if start.startswith(b"{") else b""
    except (OSError, InputError):
        return False
    head = start.decode("utf-8", "replace")
    # a report of many images is too long to be read for this
    if all(part in head for part in _HTML) or _MARKDOWN.match(head) or head.startswith(_JSON):
        return True
    content = json_or_none(start + rest)
    if not isinstance(content, dict):
        return False
    keys = content.keys()
    return content.get("format") == REPORT_FORMAT or keys in _EARLIER or keys >= _EARLIER_SCORES


def refuse_other_reports(targets: Iterable[Path]) -> None:
    """Refuse to replace a file that is no report of ours. Called before the work begins.

    Raises
    ------
    ConfigurationError
        If there is such a file; the first one is named.
    """
    for path in targets:
        if os.path.lexists(path) and not is_own_report(path):
            raise ConfigurationError(
                f"{path}: expected a free name or an earlier report of napari-construct, got a file that is "
                "none; choose another name, or move it away"
            )


def refuse_inputs(targets: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse to write over what is read in the same run, also through links; nothing allows that.

    Raises
    ------
    ConfigurationError
        If a target is an input; it is named.
    """
    read = {place: path for path in inputs if (place := place_of(path)) is not None}
    for target in targets:
        path = read.get(place) if (place := place_of(target)) is not None else None
        if path is not None:
            raise ConfigurationError(
                f"{target}: expected an output that is none of the inputs, got {path} itself; choose another "
                "name or output folder"
            )
