"""Imports that every training run needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from napari_construct.widgets.jobs.imports import importing


@contextmanager
def training_libraries() -> Iterator[None]:
    """Import what a run's curves need, and what torch imports for its first optimiser.

    Inside, the job imports what is its own.
    """
    with importing():
        import torch

        yield
        from napari_construct.widgets.parts import plots  # noqa: F401 - this is the purpose

        torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
