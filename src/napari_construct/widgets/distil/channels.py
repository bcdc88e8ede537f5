"""Which channels a network sees: one list a role, with the names that the images have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_construct.data.channels.choose import channel_index
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.fields.controls import named
from napari_construct.widgets.fields.narrow_combo import NarrowCombo

Channel = int | str


class ChannelsField(QWidget):
    """Edits a tuple of channels, by name or position; ``get()``, ``put(value)``, ``edited`` as all fields.

    A value stays exactly as it was put until one is chosen by hand.

    Parameters
    ----------
    roles : sequence of str
        What each channel shows.
    automatic : str
        Text of the first list where the tuple is empty; without it, it never is.
    """

    edited = Signal()

    def __init__(self, roles: Sequence[str], automatic: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value: tuple[Channel, ...] = () if automatic else (0,)
        self._names: tuple[str, ...] = ()
        self._automatic = automatic
        self._entries: list[list[Channel | None]] = [[] for _ in roles]
        self._combos = [NarrowCombo(self) for _ in roles]
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(3)
        for role, combo in zip(roles, self._combos, strict=True):
            named(combo, f"{role.capitalize()} channel", f"The channel that shows {role}")
            combo.currentIndexChanged.connect(self._on_chosen)
            row.addWidget(combo, 1)
        self._show()

    def get(self) -> tuple[Channel, ...]:
        return self._value

    def put(self, value: Sequence[Channel]) -> None:
        if tuple(value) != self._value:
            self._value = tuple(value)
            self._show()
            self.edited.emit()

    def setNames(self, names: Sequence[str]) -> None:
        """Show the channels of other images; the value stays."""
        self._names = tuple(names)
        self._show()

    def wordsOf(self, value: Sequence[Channel]) -> str:
        """A value as text."""
        return ", ".join(self._said(one) for one in value) or self._automatic

    def setToolTip(self, tip: str) -> None:
        super().setToolTip(tip)
        for combo in self._combos:
            combo.setToolTip(tip)

    def _said(self, channel: Channel) -> str:
        """A channel by its name."""
        try:
            return self._names[channel_index(self._names, channel, "channel")]
        except ConfigurationError:
            return str(channel)

    def _show(self) -> None:
        for place, combo in enumerate(self._combos):
            entries: list[Channel | None] = [] if place == 0 and not self._automatic else [None]
            entries += [_entry(self._names, i) for i in range(len(self._names))]
            present = self._value[place] if place < len(self._value) else None
            chosen = self._place_of(entries, present)
            if chosen is None:
                entries.append(present)
                chosen = len(entries) - 1
            self._entries[place] = entries
            texts = [self._none(place) if entry is None else self._said(entry) for entry in entries]
            blocked = combo.blockSignals(True)
            combo.clear()
            combo.addItems(texts)
            combo.setCurrentIndex(chosen)
            combo.blockSignals(blocked)

    def _place_of(self, entries: Sequence[Channel | None], channel: Channel | None) -> int | None:
        if channel is None:
            return entries.index(None) if None in entries else None
        said = self._said(channel)
        same = (i for i, entry in enumerate(entries) if entry is not None and self._said(entry) == said)
        return next(same, None)

    def _none(self, place: int) -> str:
        return self._automatic if place == 0 else "none"

    def _on_chosen(self, *_: object) -> None:
        chosen: list[Any] = [
            entries[combo.currentIndex()] for entries, combo in zip(self._entries, self._combos, strict=True)
        ]
        value: list[Channel] = []
        for channel in chosen:
            if channel is None:
                break
            value.append(channel)
        self._value = tuple(value)
        self._show()
        self.edited.emit()


def _entry(names: Sequence[str], index: int) -> Channel:
    """A channel as settings name it: by its name where that is plain, else by its position."""
    plain = [name.casefold().strip() for name in names]
    name = plain[index]
    return names[index] if name and plain.count(name) == 1 and not name.isdecimal() else index
