from __future__ import annotations

from typing import Any

import pytest

from napari_construct.data.channels.choose import channel_index, channel_indices
from napari_construct.exceptions import ConfigurationError

NAMES = ("DAPI", "CD4", "CD45", "Pan-Keratin", "7")


@pytest.mark.parametrize(
    ("which", "index"),
    [(0, 0), (4, 4), ("dapi", 0), (" CD4 ", 1), ("cd45", 2), ("keratin", 3), ("7", 4), ("2", 2), ("pan", 3)],
)
def test_by_position_and_name(which: int | str, index: int) -> None:
    assert channel_index(NAMES, which, "nuclear channel") == index


@pytest.mark.parametrize("which", [5, -1, "CD8", "", "12", True])
def test_what_is_none_lists_those_there_are(which: Any) -> None:
    listing = "expected one of the channels 0 DAPI, 1 CD4, 2 CD45, 3 Pan-Keratin, 4 7, got"
    with pytest.raises(ConfigurationError, match=rf"^nuclear channel: {listing}"):
        channel_index(NAMES, which, "nuclear channel")


def test_ambiguous_names() -> None:
    with pytest.raises(ConfigurationError, match=r"got 'cd', which is 2 of them \(1, 2\); give its number"):
        channel_index(NAMES, "cd", "x")
    with pytest.raises(ConfigurationError, match="2 of them"):
        channel_index(("a", "A"), "a", "x")
    assert channel_index(("a", "A"), 1, "x") == 1


def test_several() -> None:
    assert channel_indices(NAMES, ["keratin", 0], "channels") == (3, 0)
    with pytest.raises(ConfigurationError, match="expected every channel once"):
        channel_indices(NAMES, ["DAPI", 0], "channels")
    for nothing in ([], "DAPI"):
        with pytest.raises(ConfigurationError, match="expected names or numbers of channels"):
            channel_indices(NAMES, nothing, "channels")
