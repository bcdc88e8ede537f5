"""Dashes, of which napari draws the outlines that a labels layer's tools show."""

from __future__ import annotations

from contextlib import suppress
from functools import cache


@cache
def make_dashes() -> None:
    """Have vispy compute its patterns, which it keeps; to be called in the worker's thread.

    It takes a tenth of a second, and would come when the first labels layer of all is added.
    """
    with suppress(ImportError):  # of a vispy that keeps them elsewhere
        from vispy.visuals.line.dash_atlas import DashAtlas

        DashAtlas()
