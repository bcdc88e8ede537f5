"""Cells of mixed patches that the averaged network names, and what training makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Event, StepDone, run
from napari_construct.training.config.config import AugmentationConfig, TrainingConfig
from napari_construct.training.loop.pseudo_labels import pseudo_label_rounds_due, pseudo_label_steps
from napari_construct.training.loop.train import train_steps
from napari_construct.training.objective.part_logits import cell_logits
from napari_construct.training.processes import Processes
from napari_construct.training.views.batch import TrainingBatch
from napari_construct.training.views.batches import DrawnBatches
from napari_construct.training.views.partial_masks import UNKNOWN, at_cells, at_pixels
from napari_construct.training.views.patches import PatchStore, PatchView
from napari_construct.training.views.sampling import Sampler

SIDE = 32
RED, BLUE = (200, 20, 20), (20, 20, 200)


class ColourNetwork(nn.Module):
    """Logits by colour: class 0 is red, class 1 blue, class 2 green; cells of 4 pixels."""

    def __init__(self, slope: float = 20.0) -> None:
        super().__init__()
        self.slope = slope
        self.calls: list[bool] = []

    def forward(self, images: Tensor) -> Any:
        self.calls.append(self.training)
        cam = self.slope * nn.functional.avg_pool2d(images[:, [0, 2, 1]], 4)
        return type("Output", (), {"cam": cam})()


def store(images: list[np.ndarray], window: float = SIDE) -> PatchStore:
    view = PatchView((SIDE, SIDE), 1.0, float(window), int(window), None, keeps_scale=False)
    return PatchStore([Path(f"{i}.png") for i in range(len(images))], view, images)


def halves() -> np.ndarray:
    """Red above, blue below, with a thin red line at the left: no two mirror images alike."""
    image = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
    image[: SIDE // 2], image[SIDE // 2 :], image[:, :4] = RED, BLUE, RED
    return image


def named(slope: float = 20.0, confidence: float = 0.7, window: float = SIDE) -> Tensor:
    labels = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 1]])
    network = ColourNetwork(slope)
    network.train()
    steps = pseudo_label_steps(
        network,
        store([halves()] * 3, window),
        labels,
        confidence,
        torch.device("cpu"),
        batch_size=1,
    )
    events: list[Event] = []
    found: Tensor = run(steps, events.append)
    assert [(e.done, e.total) for e in events] == [(1, 2), (2, 2)]
    assert network.training
    assert not any(network.calls)
    return found


def test_cells_of_mixed_patches_are_named_where_the_network_is_sure() -> None:
    found = named()
    assert found.shape == (3, 8, 8)
    assert (found[0] == UNKNOWN).all()  # one class: nothing to find out
    truth = torch.ones(8, 8, dtype=torch.uint8)
    truth[:4], truth[:, 0] = 0, 0
    assert torch.equal(found[1], truth)
    # blue is not allowed here, and red is surer than green only where there is red
    assert torch.equal(found[2] == 0, truth == 0)
    assert (found[2][truth == 1] == UNKNOWN).all()


def test_rounds_are_spread_over_the_rest_of_the_run() -> None:
    rounds = [pseudo_label_rounds_due(step, 100, 0.4, 3) for step in range(101)]
    assert [rounds.index(n) for n in range(4)] == [0, 40, 60, 80]
    assert max(rounds) == 3


def test_nothing_is_named_without_confidence() -> None:
    assert (named(slope=0.1) == UNKNOWN).all()


def test_a_view_smaller_than_the_patch_leaves_its_border_open() -> None:
    found = named(window=16)
    view = PatchView((SIDE, SIDE), 1.0, 16.0, 16, None, keeps_scale=False)
    masks = at_pixels(found, view)
    inside = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    inside[8:24, 8:24] = True
    assert (masks[1][~inside] == UNKNOWN).all()
    assert (masks[1][8:16, 8:24] == 0).all()
    assert (masks[1][16:24, 8:24] == 1).all()


def test_cells_come_back_from_pixels() -> None:
    found = named()
    view = PatchView((SIDE, SIDE), 1.0, float(SIDE), SIDE, None, keeps_scale=False)
    assert torch.equal(at_cells(at_pixels(found, view), (8, 8)), found)


def test_a_named_cell_is_of_its_class_alone() -> None:
    images, labels = torch.zeros(2, 3, SIDE, SIDE), torch.tensor([[1.0, 1, 0], [0, 1, 0]])
    masks = torch.full((2, SIDE, SIDE), UNKNOWN, dtype=torch.uint8)
    masks[0, :16, :16] = 1
    _, told = cell_logits(torch.zeros(2, 3, 4, 4), TrainingBatch(images, labels, pseudo_labels=masks))
    told = told.reshape(2, 4, 4, 3)
    assert (told[0, :2, :2] == torch.tensor([0.0, 1, 0])).all()
    assert (told[0, 2:] == labels[0]).all()
    assert (told[1] == labels[1]).all()


def test_masks_follow_their_views_and_strips() -> None:
    labels = torch.tensor([[1.0, 1, 0]] * 4)
    found = named()[1][None].expand(4, -1, -1).contiguous()
    config = TrainingConfig(
        batch_size=4, augmentation=AugmentationConfig.none().model_copy(
            update={"flips": True, "rotations": True, "crop_area": (0.4, 1.0), "mosaic": 0.5}
        )
    )  # fmt: skip
    batches = DrawnBatches(
        store([halves()] * 4), labels, Sampler(0, 4, 4), config, torch.device("cpu"), Processes()
    )
    batches.pseudo_labels = found
    for step in range(5):
        batch = batches.batch(step)
        assert batch.pseudo_labels is not None
        assert batch.images is not None
        assert batch.pasted is not None
        red = batch.images[:, 0] > batch.images[:, 2]
        agreement = (red == (batch.pseudo_labels == 0)).float().mean()
        assert agreement > 0.95  # all but the borders, where colours are interpolated
        assert not torch.equal(batch.pseudo_labels[0], batch.pseudo_labels[1])


@pytest.fixture
def mixed(camelyon: Path, tmp_path: Path) -> ImageLevelDataset:
    """Real patches of either class, and halves of both joined."""
    folder = tmp_path / "patches"
    folder.mkdir()
    by_class = [sorted((camelyon / "train" / c).iterdir()) for c in ("tumour", "lymphoid")]
    for n, pair in enumerate(list(zip(*by_class, strict=False))[:4]):
        images = [np.asarray(Image.open(path).convert("RGB")) for path in pair]
        joined = images[0].copy()
        joined[:, joined.shape[1] // 2 :] = images[1][:, joined.shape[1] // 2 :]
        for image, tag in ((images[0], "10"), (images[1], "01"), (joined, "11")):
            Image.fromarray(image).save(folder / f"p{n}[{tag}].png")
    return load_dataset(folder)


@pytest.mark.parametrize("stopped_after", [3, 4, 7])
def test_resume_across_the_naming_is_exact(
    mixed: ImageLevelDataset, tiny_config: TrainingConfig, tmp_path: Path, stopped_after: int
) -> None:
    config = tiny_config.changed(
        label_target="cells", epochs=2, average_from=0.2, pseudo_labels_from=0.5,
        pseudo_label_confidence=0.5,
    )  # fmt: skip

    def follow(**kwargs: Any) -> tuple[Any, list[Event]]:
        events: list[Event] = []
        return run(
            train_steps(mixed, config, teacher=TinyEncoder(seed=4), device="cpu", **kwargs), events.append
        ), events

    whole, events = follow()
    assert any(e.stage == "pseudo labels" for e in events)
    losses = [dict(e.losses) for e in events if isinstance(e, StepDone)]
    steps = train_steps(mixed, config, teacher=TinyEncoder(seed=4), device="cpu", output=tmp_path / "o")
    before: list[dict[str, float]] = []
    for event in steps:
        if isinstance(event, StepDone):
            before.append(dict(event.losses))
            if len(before) == stopped_after:
                break
    steps.close()
    resumed, after = follow(output=tmp_path / "o", resume=True)
    # four steps an epoch: cells are named after the fourth, before the fifth
    assert any(e.stage == "pseudo labels" for e in after) == (stopped_after < 4)
    assert before + [dict(e.losses) for e in after if isinstance(e, StepDone)] == losses
    for name, value in whole.head_state.items():
        torch.testing.assert_close(value, resumed.head_state[name], rtol=0, atol=0)
    without = run(
        train_steps(mixed, config.changed(pseudo_labels_from=None), teacher=TinyEncoder(seed=4), device="cpu")
    )
    assert any(not torch.equal(v, without.head_state[n]) for n, v in whole.head_state.items())


def test_nothing_is_named_where_every_patch_has_one_class(
    patches: ImageLevelDataset, tiny_config: TrainingConfig
) -> None:
    config = tiny_config.changed(label_target="cells", epochs=1, pseudo_labels_from=0.1)
    events: list[Event] = []
    run(train_steps(patches, config, teacher=TinyEncoder(seed=4), device="cpu"), events.append)
    assert not any(e.stage == "pseudo labels" for e in events)
