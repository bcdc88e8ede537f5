"""A job in napari's activity dock."""

from __future__ import annotations

import io
from typing import Final

from napari.utils import progress

STEPS: Final = 1000
"""Length of every bar."""


class Activity:
    """One bar in napari's activity dock, made when it is first needed; it may outlive its widget.

    napari's bars process events whenever they are made or changed. The next progress, the end of the job or
    the end of the window may therefore come while :meth:`show` runs.
    """

    def __init__(self) -> None:
        self._bar: progress | None = None
        self._inside = False
        self._wanted = False

    def show(self, stage: str, value: int) -> None:
        """Show the progress of a stage, 0 to ``STEPS``."""
        if self._inside:
            return
        self._inside = self._wanted = True
        if self._bar is None:
            # without a file tqdm also writes to the terminal
            self._bar = progress(total=STEPS, desc=stage, file=io.StringIO())
        if self._wanted and self._bar.desc != f"{stage}: ":
            self._bar.set_description(stage)
        if self._wanted:
            self._bar.update(value - self._bar.n)
        self._inside = False
        if not self._wanted:
            self.close()

    def close(self, *_: object) -> None:
        """Remove the bar, if there is one."""
        self._wanted = False
        if not self._inside and self._bar is not None:
            self._bar.close()
            self._bar = None
