"""Statistics of batch normalisation that are those of images, for a head that was trained on views."""

from __future__ import annotations

from functools import partial

import torch

from napari_construct.events import Steps
from napari_construct.models.network.unet import PixelNetwork
from napari_construct.training.loop.averaging import estimate_norms, in_eval_mode
from napari_construct.training.loop.precision import autocast
from napari_construct.training.views.sheets import SheetSource

STAGE = "statistics"


def image_statistics(
    model: PixelNetwork, sheets: SheetSource, device: torch.device, dtype: torch.dtype | None = None
) -> Steps[None]:
    """Take the head's statistics anew, from sheets; the encoder keeps its own.

    Parameters
    ----------
    model : ConstructNet or UNet
        On its device; its mode is kept.
    sheets : SheetSource
        What images look like.
    device : torch.device
        Device of the model.
    dtype : torch.dtype, optional
        Precision of the passes; float32 by default.

    Yields
    ------
    Event
        Stage "statistics", after every sheet.
    """

    def look(number: int) -> None:
        with autocast(dtype, device):
            model(sheets.sheet(number).to(device))

    with in_eval_mode(model.encoder):
        yield from estimate_norms(model.head, [partial(look, n) for n in range(len(sheets))], STAGE)
