"""Channels by role, and the pictures that networks made for photographs expect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_construct.crossmodal.protocol import TeacherView
from napari_construct.exceptions import InputError
from napari_construct.types import FloatArray

RED_GREEN_BLUE = (None, "membrane", "nuclear")
"""Nuclear blue, membrane green, as the field shows them; TissueNet's and CellSAM's order."""


def channel_of(view: TeacherView, role: str) -> FloatArray | None:
    """(h, w) of a role; None where the image has no such channel."""
    return view.channels[view.roles.index(role)] if role in view.roles else None


def needed_channel(view: TeacherView, role: str, teacher: str) -> FloatArray:
    """(h, w) of a role.

    Raises
    ------
    InputError
        If the image has no such channel.
    """
    found = channel_of(view, role)
    if found is None:
        raise InputError(
            f"{view.name}: expected a {role} channel for {teacher}, got {', '.join(view.roles) or 'none'}; "
            f"say which channel is the {role} one"
        )
    return found


def picture_of(view: TeacherView, order: tuple[str | None, ...], teacher: str) -> FloatArray:
    """(h, w, c) float32 in [0, 1]: roles in an order, zeros where there is none.

    Raises
    ------
    InputError
        If the image has none of these roles.
    """
    found = [None if role is None else channel_of(view, role) for role in order]
    if all(channel is None for channel in found):
        wanted = " or ".join(role for role in order if role is not None)
        raise InputError(
            f"{view.name}: expected a channel of the role {wanted} for {teacher}, got "
            f"{', '.join(view.roles) or 'none'}; say which channel is which"
        )
    empty = np.zeros(view.channels.shape[1:], np.float32)
    return np.stack([empty if channel is None else channel for channel in found], axis=-1)


def rgb_of(view: TeacherView, teacher: str) -> NDArray[np.uint8]:
    """(h, w, 3) uint8: membrane green, nuclear blue."""
    picture = picture_of(view, RED_GREEN_BLUE, teacher)
    return np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
