"""The time left, in words."""

from __future__ import annotations

import pytest

from napari_construct.events.duration import in_words, left_in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (200.0, "3 min 20 s"),
        (1200.0, "20 min"),
        (3700.0, "1 h 1 min"),
    ],
)
def test_in_words(seconds, words) -> None:
    assert in_words(seconds) == words


def test_unknown_and_nothing_left() -> None:
    assert left_in_words(None) == "estimating the time"
    assert left_in_words(0.3) == "nearly done"
    assert left_in_words(80.0) == "about 1 min 20 s left"
