"""What can be taken back, and given again."""

from __future__ import annotations

from typing import NamedTuple

from napari_construct.labelling.table import Labels


class Change(NamedTuple):
    """The labels of a patch before and after."""

    number: int
    before: Labels
    after: Labels


class History:
    """Changes in their order; a new one ends what could be given again."""

    def __init__(self) -> None:
        self._done: list[Change] = []
        self._undone: list[Change] = []

    def add(self, change: Change) -> None:
        """A change was made."""
        self._done.append(change)
        self._undone.clear()

    def last(self) -> Change | None:
        """The change that is taken back next."""
        return self._done[-1] if self._done else None

    def next(self) -> Change | None:
        """The change that is given again next."""
        return self._undone[-1] if self._undone else None

    def back(self) -> None:
        """The last change was taken back."""
        self._undone.append(self._done.pop())

    def forth(self) -> None:
        """The next change was given again."""
        self._done.append(self._undone.pop())
