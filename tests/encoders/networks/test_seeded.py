"""Seeds count, whatever other threads draw."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.networks.tiny import TinyEncoder


def test_networks_made_side_by_side_are_those_made_alone() -> None:
    alone = encoder_hash(TinyEncoder())
    with ThreadPoolExecutor(4) as pool:
        hashes = set(pool.map(lambda _: encoder_hash(TinyEncoder()), range(60)))
    assert hashes == {alone}


def test_the_generator_goes_on_as_if_nothing_had_been_drawn() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded(5):
        torch.rand(7)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
