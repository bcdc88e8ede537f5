"""Augmented views that are drawn once, so that their frozen features can be kept.

Every patch has ``views_per_patch`` views. Views are drawn in blocks of :data:`BLOCK` patches, as a step
draws those of a batch: stain swaps and mosaics take their partners from the block. So mosaics are part of a
view: a patch has the same strips of the same partners throughout a run, and what changes from epoch to
epoch is which of its views is seen. Everything is a function of the seed and of the patches' order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.randomness import generator
from napari_construct.training.views.augmentation import augment, centre_view
from napari_construct.training.views.mosaic import Strips, draw_strips
from napari_construct.training.views.patches import PatchStore

BLOCK: Final = 16
"""Patches whose views are drawn and encoded together."""


class FixedViews:
    """The views of a run, by number of view and index of patch.

    Parameters
    ----------
    patches : PatchStore
        The images.
    hashes : sequence of str
        Of the images' files.
    config : TrainingConfig
        Seed, augmentation and number of views.
    """

    def __init__(self, patches: PatchStore, hashes: Sequence[str], config: TrainingConfig) -> None:
        self.patches, self.hashes, self.config = patches, tuple(hashes), config
        self.blocks: list[tuple[int, list[int]]] = []
        """View number and patches of every block."""
        self._home: dict[tuple[int, int], tuple[int, int]] = {}
        self._strips: list[Strips] = []
        for view in range(config.views_per_patch):
            order = torch.randperm(len(patches), generator=generator(config.seed, "view order", view))
            for members in order.split(BLOCK):  # type: ignore[no-untyped-call]
                block = len(self.blocks)
                self._home |= {(view, patch): (block, row) for row, patch in enumerate(members.tolist())}
                draw = generator(config.seed, "view mosaic", block)
                self._strips.append(draw_strips(len(members), config.augmentation.mosaic, draw))
                self.blocks.append((view, members.tolist()))
        about = {
            "augmentation": config.augmentation.model_dump(mode="json"),
            "seed": config.seed,
            "view": asdict(patches.view),
        }
        self._about = json.dumps(about, sort_keys=True)

    def home(self, view: int, patch: int) -> tuple[int, int]:
        """Block of a view, and its row there."""
        return self._home[view, patch]

    def keys(self, block: int) -> list[str]:
        """What identifies each view of a block: the block's images, and how they are drawn."""
        view, members = self.blocks[block]
        images = ",".join(self.hashes[patch] for patch in members)
        return [
            hashlib.sha256(f"{self._about}|{block}|{view}|{row}|{images}".encode()).hexdigest()
            for row in range(len(members))
        ]

    def images(self, block: int, device: torch.device) -> Float[Tensor, "b 3 s s"]:
        """The views of a block, in its order."""
        view, (_, members) = self.patches.view, self.blocks[block]
        seed = self.config.seed
        patches = self.patches.batch(members, generator(seed, "view cut", block)).to(device)
        draw = generator(seed, "view augmentation", block)
        images = augment(
            patches, self.config.augmentation, window=view.window, size=view.size, generator=draw
        )
        strips = self._strips[block]
        pasted = strips.masks(view.size, view.size).to(device)
        return torch.where(pasted[:, None], images[strips.partner.to(device)], images)

    def strips(self, views: Sequence[tuple[int, int]]) -> tuple[Bool[Tensor, "b s s"], list[int]]:
        """Masks of the strips of some views, by view and patch, and the patches that strips come from."""
        homes = [self._home[view] for view in views]
        rows = [(self._strips[block], row, self.blocks[block][1]) for block, row in homes]
        partners = [members[int(strips.partner[row])] for strips, row, members in rows]
        chosen = Strips(
            torch.tensor(partners),
            torch.stack([strips.size[row] for strips, row, _ in rows]),
            torch.stack([strips.side[row] for strips, row, _ in rows]),
        )
        side = self.patches.view.size
        return chosen.masks(side, side), partners


class CentreViews:
    """Patches as calibration sees them, without augmentation.

    Parameters
    ----------
    patches : PatchStore
        The images.
    hashes : sequence of str
        Of the images' files.
    """

    def __init__(self, patches: PatchStore, hashes: Sequence[str]) -> None:
        self.patches, self.hashes = patches, tuple(hashes)
        self._about = json.dumps(asdict(patches.view), sort_keys=True)

    def keys(self, indices: Sequence[int]) -> list[str]:
        """What identifies the view of each patch."""
        return [
            hashlib.sha256(f"centre|{self._about}|{self.hashes[i]}".encode()).hexdigest() for i in indices
        ]

    def images(self, indices: Sequence[int], device: torch.device) -> Float[Tensor, "b 3 s s"]:
        """The central squares of patches."""
        view = self.patches.view
        return centre_view(self.patches.batch(indices).to(device), window=view.window, size=view.size)
