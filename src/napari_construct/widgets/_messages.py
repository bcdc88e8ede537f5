"""What a person reads when something went wrong, and what they can send to a developer."""

from __future__ import annotations

import platform
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from napari_construct.exceptions import ConstructError

_REPORTED: Final = ("napari-construct", "napari", "torch", "numpy", "qtpy", "superqt")


class JobError(ConstructError):
    """A job that failed with an error its own code did not foresee.

    Deliberately no ``RuntimeError``: superqt's thread worker swallows those.
    """


def plain(error: BaseException) -> str:
    """One or two sentences about an error, without a traceback."""
    if isinstance(error, ConstructError):
        return str(error)
    if type(error).__name__ == "OutOfMemoryError":  # torch's, without importing torch
        return "The device ran out of memory. Choose smaller tiles, average fewer views, or run on the CPU."
    if isinstance(error, MemoryError):
        return "The computer ran out of memory. Choose smaller tiles or a smaller image."
    text = str(error).strip() or "no further explanation"
    return f"An unforeseen failure ({type(error).__name__}): {text}. Press Copy details to report it."


def diagnostics(error: BaseException | None) -> str:
    """Versions, platform and traceback as text for a bug report; no file contents, no environment."""
    lines = [f"{name} {_version(name)}" for name in _REPORTED]
    lines.append(f"Python {platform.python_version()} on {platform.platform()}")
    if error is not None:
        lines += ["", "".join(traceback.format_exception(error)).rstrip()]
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed" if name not in sys.modules else "of unknown version"
