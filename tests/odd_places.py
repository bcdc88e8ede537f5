"""What may lie where a file is expected, and is none."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, kind: str) -> Path:
    """Make a folder, pipe, dangling link, loop of links, device or empty file; nothing of other kinds."""
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "dangling":
        path.symlink_to(path.parent / "nothing")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "empty":
        path.touch()
    return path
