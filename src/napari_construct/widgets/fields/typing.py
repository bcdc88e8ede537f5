"""What is being typed, before it is used."""

from __future__ import annotations

from qtpy.QtWidgets import QAbstractItemView, QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QWidget


def finish_typing() -> None:
    """Take the number, text or cell that is being edited, as Tab does; the focus stays there.

    A key of the dock, or a click on a system whose buttons take no focus, otherwise leaves it unread.
    """
    field = QApplication.focusWidget()
    if not isinstance(field, QLineEdit | QAbstractSpinBox | QComboBox):
        return
    table = _table_around(field)
    field.clearFocus()
    if table is not None:
        table.setFocus()  # the cell's editor closes
    elif field.isVisible() and field.isEnabled():
        field.setFocus()


def _table_around(field: QWidget) -> QAbstractItemView | None:
    around = field.parentWidget()
    while around is not None:
        if isinstance(around, QAbstractItemView):
            return around
        around = around.parentWidget()
    return None
