"""Statistics of batch normalisation are those of images as they are segmented."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_construct.crossmodal.config import NO_KD, DistilConfig
from napari_construct.crossmodal.distil import distil
from napari_construct.crossmodal.loop.items import ItemStore
from napari_construct.crossmodal.loop.norm_statistics import SIDE, parts_as_segmented
from napari_construct.crossmodal.phantom import PhantomDataset
from napari_construct.crossmodal.views.prepared import network_view
from napari_construct.models.checkpoints.channel_checkpoint import build_from_channel_checkpoint


def items(shape: tuple[int, int], count: int = 3) -> ItemStore:
    return ItemStore(PhantomDataset(count, shape), None, DistilConfig(terms=NO_KD))


@pytest.mark.parametrize(
    ("shape", "side"), [((300, 70), (256, 64)), ((20, 40), (32, 32)), ((256, 512), (256, 256))]
)
def test_parts_are_as_large_as_images_and_the_network_allow(
    shape: tuple[int, int], side: tuple[int, int]
) -> None:
    batches = parts_as_segmented(items(shape), 0)
    assert sum(len(batch) for batch in batches) == 12
    for batch in batches:
        assert batch.shape[1:] == (1, *side)
        assert batch.dtype == torch.float32


def test_parts_are_pixels_of_the_images_and_follow_from_the_seed() -> None:
    store = items((SIDE, SIDE), 1)
    first, again = parts_as_segmented(store, 3), parts_as_segmented(store, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(first[0][0], store[0].image.float())


def test_a_student_is_normalised_as_on_whole_images() -> None:
    """In eval mode a whole training image gives nearly what its own statistics give."""
    dataset = PhantomDataset(4, (SIDE, SIDE))
    config = DistilConfig(
        student="mobilenet_v3",
        terms=NO_KD,
        steps=12,
        patch=32,
        batch_size=4,
        validations=1,
        average_from=None,
    )
    net = build_from_channel_checkpoint(distil(dataset, None, config))
    views = [network_view(dataset.load(i).image, config, "image") for i in range(4)]
    images = torch.from_numpy(np.stack(views))
    with torch.inference_mode():
        stored = net.eval()(images).foreground
        own = net.train()(images).foreground
    assert float((stored - own).abs().mean() / own.std()) < 0.1
