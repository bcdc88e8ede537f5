"""A class has one colour: that which the user gave its name, or first saw it in, whatever the model."""

from __future__ import annotations

import numpy as np
import pytest

from napari_construct.classes import OKABE_ITO, ClassTable, TissueClass
from napari_construct.widgets.layers import labels_layer
from napari_construct.widgets.parts.class_colours import dress, give_colours, in_known_colours
from napari_construct.widgets.parts.preferences import Preferences

pytestmark = pytest.mark.gui


def table(**colours: str) -> ClassTable:
    return ClassTable(classes=tuple(TissueClass(name=n, colour=c) for n, c in colours.items()))


def test_a_class_keeps_the_colour_it_was_first_seen_in() -> None:
    first = table(tumour="#E69F00", stroma="#56B4E9")
    assert in_known_colours(first) == first
    second = in_known_colours(table(stroma="#E69F00", Tumour="#56B4E9"))
    assert [t.colour for t in second] == ["#56B4E9", "#E69F00"]


def test_the_colour_that_the_user_gave_wins_and_stays() -> None:
    first = in_known_colours(table(tumour="#E69F00"))
    give_colours(first, table(tumour="#FF0000"))
    assert in_known_colours(table(tumour="#00FF00"))[0].colour == "#FF0000"
    again = in_known_colours(table(tumour="#00FF00"), Preferences(palette="Okabe-Ito"))
    assert again[0].colour == "#FF0000"


def test_a_class_whose_colour_is_taken_gets_a_free_one_in_this_table_only() -> None:
    in_known_colours(table(tumour="#E69F00"))
    in_known_colours(table(stroma="#E69F00"))
    both = in_known_colours(table(stroma="#123456", tumour="#654321"))
    colours = {t.name: t.colour for t in both}
    assert len(set(colours.values())) == 2
    assert "#E69F00" in colours.values()
    assert set(colours.values()) <= set(OKABE_ITO)
    assert in_known_colours(table(tumour="#654321"))[0].colour == "#E69F00"


def test_more_classes_than_colours() -> None:
    many = ClassTable.from_names([f"class {i}" for i in range(20)])
    assert in_known_colours(many) == in_known_colours(in_known_colours(many))


def test_the_results_of_every_dock_get_these_colours() -> None:
    give_colours(table(tumour="#E69F00"), table(tumour="#FF0000"))
    layer = labels_layer(
        np.ones((4, 4), np.uint8), table(tumour="#E69F00", stroma="#56B4E9"), "a", features=None, record={}
    )
    dress(layer)
    np.testing.assert_allclose(layer.get_color(1), (1, 0, 0, 1))
