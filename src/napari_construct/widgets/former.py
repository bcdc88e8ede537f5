"""Modules that have moved: their names of before still lead to the same objects, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(before: str, now: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module whose content lies elsewhere.

    Parameters
    ----------
    before, now : str
        Full name of the module, and of the one that holds its content.

    Returns
    -------
    callable
        Gives the object of a name, and warns with a ``DeprecationWarning`` that names the new place.
    """

    def found(name: str) -> Any:
        if name.startswith("__"):  # Python asks for these itself
            raise AttributeError(f"module {before!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(now), name)
        except AttributeError as error:
            raise AttributeError(f"module {before!r} has no attribute {name!r}") from error
        warnings.warn(
            f"{before}.{name} has moved: import {name} from {now}", DeprecationWarning, stacklevel=2
        )
        return value

    return found
