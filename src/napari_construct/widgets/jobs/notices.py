"""What a job need not say, because its dock says it already."""

from __future__ import annotations

from napari_construct.events import Event, Notice, Result, SizeAssumed, Steps, forward


def without_size(steps: Steps[Result]) -> Steps[Result]:
    """The same steps without the notice that the pixel size is unknown: the dock asks for it."""

    def take(event: Event) -> tuple[Event, ...]:
        said = isinstance(event, Notice) and isinstance(event.message, SizeAssumed)
        return () if said else (event,)

    return forward(steps, take)
