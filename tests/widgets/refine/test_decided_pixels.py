"""Decisions and strokes in one layer, in any order, undone and redone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_construct.widgets.refine.decided_pixels import DecidedPixels
from napari_construct.widgets.refine.job import Change

pytestmark = pytest.mark.gui

SIDE = 5


def change(layer: Labels, labels: np.ndarray) -> Change:
    """What a decision for the first plane of a layer has to change in it."""
    rows, columns = np.nonzero(layer.data[0] != labels)
    return Change((np.zeros_like(rows), rows, columns), labels[rows, columns])


def decided() -> tuple[Labels, DecidedPixels]:
    layer = Labels(np.ones((2, SIDE, SIDE), np.uint8))
    return layer, DecidedPixels(layer, {(i,): np.ones((SIDE, SIDE), np.uint8) for i in range(2)})


def decisions() -> st.SearchStrategy[tuple[str, np.ndarray]]:
    pixels = st.lists(st.integers(0, 2), min_size=SIDE**2, max_size=SIDE**2)
    return pixels.map(lambda p: ("decide", np.array(p, np.uint8).reshape(SIDE, SIDE)))


def previews() -> st.SearchStrategy[tuple[str, np.ndarray]]:
    return decisions().map(lambda act: ("preview", act[1]))


def strokes() -> st.SearchStrategy[tuple[str, tuple[int, int, int]]]:
    """With labels that no decision gives."""
    place = st.integers(0, SIDE - 1)
    return st.tuples(st.sampled_from(["paint", "fill"]), st.tuples(place, place, st.integers(3, 4)))


@settings(max_examples=200, deadline=None)
@given(
    acts=st.lists(
        decisions()
        | previews()
        | strokes()
        | st.sampled_from([("undo", None), ("redo", None), ("drop", None)]),
        max_size=12,
    ),
    last=decisions(),
)
def test_decisions_and_strokes_in_any_order(acts, last) -> None:
    """Every undo brings back what was on view and what was decided; strokes outlast decisions.

    The state goes with what was decided. A preview is shown until the next act and leaves nothing behind.
    """
    layer, pixels = decided()
    # on view, decided last, and the number of the decision
    states = [(layer.data[0].copy(), layer.data[0].copy(), 0)]
    redo = []
    told: list[int] = []
    pixels.followed.connect(lambda at, state: told.append(state))
    for number, (name, what) in enumerate([*acts, last], start=1):
        data, labels, state = states[-1]
        told.clear()
        if name == "preview":
            pixels.preview(change(layer, what))
            np.testing.assert_array_equal(layer.data[0], np.where(data == labels, what, data))
            np.testing.assert_array_equal(pixels.painted((0,)), data != labels)
            pixels.dropPreview()
            new = states[-1]
        elif name == "drop":
            pixels.dropPreview()
            new = states[-1]
        elif name == "decide":
            free = data == labels
            if number % 2:  # as the part on view comes before the whole
                half = np.where(np.arange(SIDE) < SIDE // 2, what, labels)
                pixels.preview(change(layer, np.where(free, half, data)))
            pixels.write(change(layer, what), state, number)
            new = np.where(free, what, data), np.where(free, what, labels), number
        elif name in ("paint", "fill"):
            row, column, label = what
            getattr(layer, name)((0, row, column), label)
            new = layer.data[0].copy(), labels, state
        elif name == "undo":
            layer.undo()
            if len(states) > 1:
                redo.append(states.pop())
            assert told == ([states[-1][2]] if states[-1][2] != state else [])
            continue
        else:
            layer.redo()
            if redo:
                states.append(redo.pop())
            assert told == ([states[-1][2]] if states[-1][2] != state else [])
            continue
        if (new[0] != data).any():
            states.append(new)
            redo.clear()
        np.testing.assert_array_equal(layer.data[0], states[-1][0])
        np.testing.assert_array_equal(pixels.painted((0,)), states[-1][0] != states[-1][1])
    assert (layer.data[1] == 1).all()


def test_a_stroke_while_it_is_decided_stays() -> None:
    layer, pixels = decided()
    late = change(layer, np.full((SIDE, SIDE), 2, np.uint8))
    layer.brush_size = 1
    layer.paint((0, 2, 2), 3)
    pixels.write(late)
    assert pixels.painted((0,)).sum() == 1
    assert layer.data[0, 2, 2] == 3
    assert (layer.data[0] == 2).sum() == SIDE**2 - 1


def test_a_layer_that_is_gone_takes_nothing() -> None:
    layer, pixels = decided()
    late = change(layer, np.full((SIDE, SIDE), 2, np.uint8))
    del layer
    pixels.write(late)
    pixels.preview(late)
    assert not pixels.painted((0,)).any()


def test_a_decision_that_is_redone_is_not_taken_for_an_earlier_one_undone() -> None:
    """Redoing the second change gives the first one's pixels the labels from before it."""
    layer, pixels = decided()
    for places in ([(4, 4)], [(4, 3)]):
        labels = np.ones((SIDE, SIDE), np.uint8)
        labels[tuple(zip(*places, strict=True))] = 2
        pixels.write(change(layer, labels))
    layer.undo()
    layer.redo()
    pixels.write(change(layer, np.zeros((SIDE, SIDE), np.uint8)))
    assert (layer.data[0] == 0).all()
