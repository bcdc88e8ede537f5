"""A class keeps its painted value."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
from napari_construct.widgets.teach.values import PaintedValues, in_order


def table(*names: str) -> ClassTable:
    return ClassTable.from_names(names)


def test_a_renamed_class_keeps_its_value() -> None:
    values = PaintedValues(table("a", "b", "c"))
    values.follow(table("a", "gland", "c"))
    assert values.of(table("a", "gland", "c")) == {"a": 1, "gland": 2, "c": 3}


def test_no_value_of_a_removed_class_is_given_again() -> None:
    values = PaintedValues(table("a", "b", "c"))
    values.follow(table("a", "c"))
    values.follow(table("a", "c", "d"))
    assert values.of(table("a", "c", "d")) == {"a": 1, "c": 3, "d": 4}
    values.follow(table("d", "b"))
    assert values.of(table("d", "b")) == {"d": 4, "b": 2}


def test_values_become_the_order_of_the_classes() -> None:
    order = in_order({"a": 1, "c": 3, "d": 4}, ("d", "a"))
    np.testing.assert_array_equal(order[np.array([0, 1, 2, 3, 4, 255])], [0, 2, 0, 0, 1, 0])


def test_more_than_255_classes_are_refused() -> None:
    values = PaintedValues(table("a"))
    values.follow(table(*map(str, range(200))))
    others = table(*map(str, range(200, 300)))
    with pytest.raises(ConfigurationError, match="at most 255 classes"):
        values.follow(others)
