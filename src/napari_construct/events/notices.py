"""Notices of a job: merged where several images share them, left out where they are told elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from napari_construct.events.kinds import Doubt, Notice, Result, Steps, forward

_NUMBER: Final = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class Notices:
    """Notices of a job; equal ones of several images are merged, with the number of images."""

    def __init__(self) -> None:
        self._kinds: dict[str, list[Notice]] = {}

    def add(self, notice: Notice) -> bool:
        """Add a notice; returns whether it is new or concerns no image."""
        sentence = notice.message.partition(": ")[2] if notice.image else ""
        # numbers differ between images; the sentence stays the same
        kind = self._kinds.setdefault(_NUMBER.sub("#", sentence) or notice.message, [])
        kind.append(notice)
        return len(kind) == 1 or not notice.image

    def texts(self) -> list[str]:
        """Merged notices, in order of arrival."""
        return [_text(kind) for kind in self._kinds.values()]

    def repeated(self) -> list[str]:
        """Merged notices of more than one image."""
        return [_text(kind) for kind in self._kinds.values() if _others(kind)]


def _others(kind: list[Notice]) -> int:
    """Number of images beside the first."""
    return len({notice.image for notice in kind}) - 1


def _text(kind: list[Notice]) -> str:
    more, said = _others(kind), kind[0].message
    text = said + (f" (and {more} more image{'s' if more > 1 else ''})" if more else "")
    return Doubt(text) if isinstance(said, Doubt) else text


def without(steps: Steps[Result], told: Callable[[Notice], bool]) -> Steps[Result]:
    """The same job without the notices of which ``told`` says that they are told elsewhere."""
    return forward(steps, lambda e: () if isinstance(e, Notice) and told(e) else (e,))


def merged(steps: Steps[Result]) -> Steps[Result]:
    """The same job, which says nothing twice.

    Notices that concern no image come when they are new. Those of images come at the end, merged, with the
    number of images.
    """
    told: set[str] = set()
    of_images = Notices()

    def is_told(notice: Notice) -> bool:
        if notice.image:
            of_images.add(notice)
            return True
        before = notice.message in told
        told.add(notice.message)
        return before

    result = yield from without(steps, is_told)
    for text in of_images.texts():
        yield Notice("notices", 0, 0, text)
    return result
