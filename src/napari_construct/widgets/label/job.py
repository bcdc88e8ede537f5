"""The job behind Label patches; everything here runs in the worker's thread."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari_construct.events import Event, Steps
from napari_construct.widgets.label.request import CutRequest, open_plane
from napari_construct.widgets.layers import Plane


def cut_job(request: CutRequest) -> Steps[Path]:
    """Cut the patches; the folder. What a cancelled or failed job wrote goes again."""
    from napari_construct.labelling.cut import cut_steps, forget_unfinished
    from napari_construct.labelling.sources import PatchSource

    def source(given: Path | Plane) -> PatchSource | Path:
        if isinstance(given, Path):
            return given
        return PatchSource(given.name, given.path or given.name, partial(open_plane, given))

    if request.opens:
        yield Event("opening", 0, 1)
        return request.output
    done = False
    try:
        folder = yield from cut_steps(
            [source(given) for given in request.sources],
            request.output,
            request.classes,
            request.settings,
            model=request.model or None,
            device=request.device,
        )
        done = True
        return folder
    finally:
        if not done:
            forget_unfinished(request.output)
