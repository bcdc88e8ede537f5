"""What a model was taught by, in one line; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from napari_construct.reading.foreign import harmless

TEACHING: Final = "teaching"
"""Key of the record among those of the training."""

_NAMED: Final = 6
"""Classes that are named."""

_MOST: Final = 10_000
"""Images of a record that are looked at."""


def taught_by(training: Mapping[str, Any]) -> str:
    """E.g. "30 strokes (2,462 pixels) of gland, stroma on 3 images, from lite0"; empty of other models.

    The record may come from anybody: what is not as expected is left out.
    """
    record = training.get(TEACHING)
    if not isinstance(record, Mapping):
        return ""
    listed = record.get("images")
    images = [one for one in listed[:_MOST] if _used(one)] if isinstance(listed, list) else []
    counts = [_counts(one) for one in images]
    names = list(dict.fromkeys(name for one in counts for name in one))
    strokes = sum(found[0] for one in counts for found in one.values())
    pixels = sum(found[1] for one in counts for found in one.values())
    shown = ", ".join(harmless(name, 100) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"{strokes:,} stroke{'s' * (strokes != 1)} ({pixels:,} pixels) of {shown or 'no class'}{more} on "
        f"{len(images):,} image{'s' * (len(images) != 1)}{_origin(record.get('start'))}"
    )


def _used(image: object) -> bool:
    return isinstance(image, Mapping) and image.get("used") is True


def _counts(image: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Strokes and pixels by class."""
    found = image.get("classes")
    rows = found.items() if isinstance(found, Mapping) else ()
    return {
        str(name): (_count(row.get("strokes")), _count(row.get("pixels")))
        for name, row in rows
        if isinstance(row, Mapping)
    }


def _count(found: object) -> int:
    return found if isinstance(found, int) and 0 <= found < 2**53 else 0


def _origin(start: object) -> str:
    if not isinstance(start, Mapping):
        return ""
    name = start.get("name") or start.get("encoder")
    return f", from {harmless(name, 100)}" if isinstance(name, str) else ""
