"""Class tables from files, as far as a table may change, and with one class more; its buttons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_construct.classes import ClassTable, TissueClass, palette_colour
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.fields.controls import button


def load_table(path: str, present: ClassTable | None, *, names: bool, prompts: bool) -> ClassTable:
    """The table of a file; if names may not change, the present table in the style of the file.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or knows none of the classes.
    """
    table = ClassTable.load(path)
    if names or present is None:
        return table
    return restyled(present, table, Path(path).name, prompts=prompts)


def restyled(
    table: ClassTable, other: ClassTable, name: str = "the file", *, prompts: bool = False
) -> ClassTable:
    """A model's table with colours, shown and ignored of another one; classes are matched by name.

    ``prompts`` takes the prompts over, too.

    Raises
    ------
    ConfigurationError
        If the other table knows none of the classes.
    """
    by_name = {tissue.name: tissue for tissue in other}
    if not set(by_name) & set(table.names):
        raise ConfigurationError(
            f"{name}: expected a table with some of the classes {', '.join(table.names)}, got "
            f"{', '.join(other.names)}; rename them in the file"
        )
    style = {"colour", "shown", "ignored", *(("prompt",) if prompts else ())}
    return ClassTable(
        classes=tuple(
            t.model_copy(update=by_name[t.name].model_dump(include=style)) if t.name in by_name else t
            for t in table
        )
    )


def with_one_more(table: ClassTable | None) -> ClassTable:
    """A table with another class at its end, under a free name."""
    classes = () if table is None else table.classes
    taken, number = {tissue.name for tissue in classes}, len(classes) + 1
    while f"class {number}" in taken:
        number += 1
    added = TissueClass(name=f"class {number}", colour=palette_colour(len(classes)))
    return ClassTable(classes=(*classes, added))


def button_row(parent: QWidget, *buttons: tuple[str, Callable[..., None], str]) -> QWidget:
    """Buttons side by side: text, slot and tooltip of each."""
    holder = QWidget(parent)
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    for text, slot, tip in buttons:
        row.addWidget(button(text, tip, slot, holder, name=f"{text.rstrip('.')}, class table"), 1)
    return holder
