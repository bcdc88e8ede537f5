"""``napari-construct app``: start napari after importing torch; other commands open results in napari.

Only ``widgets`` may import napari, so that everything else works without it. These commands therefore start
napari as a program: ``app`` runs its module in this process, the others start a separate process.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from napari_construct.exceptions import ConstructError


def app(
    files: Annotated[list[Path] | None, typer.Argument(help="Images to open.")] = None,
) -> None:
    """Start napari with the widget ConStruct.

    torch is imported before Qt: on Windows, torch may fail to load its libraries after Qt.
    """
    reason = why_no_viewer()
    if reason:
        raise ConstructError(f"cannot open napari: {reason}")
    import runpy

    import torch  # noqa: F401 - see above

    sys.argv = ["napari", *map(str, files or ()), "--with", "napari-construct", "ConStruct"]
    runpy.run_module("napari", run_name="__main__", alter_sys=True)


def open_result(record: Path, image: Path) -> None:
    """Open an image and the results of a record in a separate napari process, and wait until it ends."""
    command = [sys.executable, "-m", "napari_construct.widgets.files.view_result", str(record), str(image)]
    subprocess.run(command, check=False)  # noqa: S603 - our own module


def why_no_viewer() -> str:
    """Why napari cannot be opened here, and what to do; empty if it can be opened."""
    if importlib.util.find_spec("napari") is None:
        return 'napari is not installed; pip install "napari-construct[all]"'
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        return "there is no display; run it on a desktop or under Xvfb"
    return ""
