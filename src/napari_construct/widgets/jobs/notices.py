"""What a job need not say, because its dock says it already."""

from __future__ import annotations

from napari_construct.events import Result, SizeAssumed, Steps, without


def without_size(steps: Steps[Result]) -> Steps[Result]:
    """The same steps without the notice that the pixel size is unknown: the dock asks for it."""
    return without(steps, lambda notice: isinstance(notice.message, SizeAssumed))
