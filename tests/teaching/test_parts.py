"""Cells, the fit, and the honest score, each against what is known to be right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_construct.events import run
from napari_construct.exceptions import InputError
from napari_construct.models.network.taught import Seen
from napari_construct.teaching.cells import painted_cells
from napari_construct.teaching.crops import ImageCells, ImageSheets, centres_of, cut_crops
from napari_construct.teaching.deeper import fit_temperature
from napari_construct.teaching.features import cell_features
from napari_construct.teaching.fit import Rows, fit_linear
from napari_construct.teaching.held_out import held_out_score, strokes_of
from napari_construct.teaching.memory import SeenTiles
from napari_construct.teaching.strokes import Strokes
from napari_construct.training.views.partial_masks import UNKNOWN


def rows(n: int = 200, k: int = 2, seed: int = 0) -> Rows:
    random = torch.Generator().manual_seed(seed)
    targets = torch.randint(k, (n,), generator=random)
    features = 3 * torch.randn(n, 6, generator=random) + 10
    features[:, 0] += 8 * targets
    return Rows(features, torch.zeros(n, k), targets)


def test_painted_pixels_vote_for_their_cell() -> None:
    painted = np.zeros((16, 16), dtype=np.uint8)
    painted[0, :3], painted[1, 0] = 1, 2  # three against one
    painted[5, 12] = 2  # a single pixel counts
    cells = painted_cells(painted, (16, 16), 4)
    assert sorted(zip(cells.rows, cells.columns, cells.values, strict=True)) == [(0, 0, 1), (1, 3, 2)]
    halved = painted_cells(painted, (8, 8), 4)  # a thin stroke stays when the image shrinks
    assert sorted(zip(halved.rows, halved.columns, halved.values, strict=True)) == [(0, 0, 1), (0, 1, 2)]
    doubled = painted_cells(painted, (32, 32), 4)
    assert (2, 6, 2) in set(zip(doubled.rows, doubled.columns, doubled.values, strict=True))
    assert len(painted_cells(np.zeros((16, 16), np.uint8), (16, 16), 4)) == 0


def test_strokes_are_parts_that_touch() -> None:
    painted = np.zeros((32, 32), dtype=np.uint8)
    painted[2:4, 2:20] = 1
    painted[4:6, 20:28] = 1  # touches at a corner
    painted[20:22, 2:20] = 1
    painted[6:8, 2:20] = 2
    cells = painted_cells(painted, (32, 32), 4)
    numbers = strokes_of(painted, cells, (32, 32), 4)
    assert len(set(numbers)) == 3
    by_place = dict(zip(zip(cells.rows, cells.columns, strict=True), numbers, strict=True))
    assert by_place[0, 1] == by_place[1, 6] != by_place[5, 1]


def test_the_fit_is_at_the_minimum() -> None:
    """Its gradient, by autograd and in the loss as it is described, is zero."""
    data = rows()
    weight, bias = fit_linear(data, strength=0.1)
    spread = data.features.std(0, correction=0) + 1e-3
    w = (weight * spread[:, None]).double().requires_grad_()
    b = (bias + data.features.mean(0) @ weight).double().requires_grad_()
    x = ((data.features - data.features.mean(0)) / spread).double()
    per_class = [
        F.cross_entropy((x @ w + b)[data.targets == i], data.targets[data.targets == i]) for i in (0, 1)
    ]
    loss = sum(per_class) / 2 + 0.1 * w.square().sum()
    loss.backward()
    assert float(w.grad.abs().max()) < 1e-3  # type: ignore[union-attr]
    assert float(b.grad.abs().max()) < 1e-3  # type: ignore[union-attr]
    found = (data.features @ weight + bias).argmax(1)
    assert (found == data.targets).float().mean() > 0.85


def test_classes_have_the_same_say_however_much_was_painted() -> None:
    data = rows()
    few = torch.nonzero((data.targets == 0) | (torch.arange(200) < 40))[:, 0]
    twice = Rows(
        torch.cat([data.features[few], data.features[few][data.targets[few] == 0]]),
        torch.zeros(len(few) + int((data.targets[few] == 0).sum()), 2),
        torch.cat([data.targets[few], data.targets[few][data.targets[few] == 0]]),
    )
    a, b = fit_linear(data.part(few), strength=10.0), fit_linear(twice, strength=10.0)
    grey = torch.full((1, 6), 10.0) + torch.tensor([4.0, 0, 0, 0, 0, 0])
    p = [torch.softmax(grey @ w + c, 1)[0, 0] for w, c in (a, b)]
    assert abs(float(p[0] - p[1])) < 0.03


def test_what_was_not_painted_stays_with_the_base() -> None:
    data = rows(k=3)
    base = torch.tensor([[2.0, 0.0, -2.0]]).repeat(200, 1)
    targets = torch.where(torch.arange(200) < 100, torch.full((200,), 1), torch.full((200,), -1))
    weight, bias = fit_linear(Rows(data.features, base, targets), strength=0.1, background=0.5, known=3)
    assert not weight[:, [0, 2]].any()
    assert not bias[[0, 2]].any()
    assert bool(weight[:, 1].any())


def test_the_gradient_beside_a_base_is_that_of_the_loss() -> None:
    """With two known classes and a new one, at the minimum of the loss as it is described."""
    data, k = rows(k=3, seed=1), 3
    random = torch.Generator().manual_seed(2)
    base = torch.cat([torch.randn(200, 2, generator=random).log_softmax(1), torch.zeros(200, 1)], 1)
    targets = torch.where(torch.arange(200) < 120, data.targets, torch.full((200,), -1))
    weight, bias = fit_linear(Rows(data.features, base, targets), strength=0.05, background=2.0, known=2)
    mean, spread = data.features.mean(0), data.features.std(0, correction=0) + 1e-3
    w = (weight * spread[:, None]).double().requires_grad_()
    b = (bias + mean @ weight).double().requires_grad_()
    logits = base.double() + ((data.features - mean) / spread).double() @ w + b
    quiet = targets < 0
    loss = sum(F.cross_entropy(logits[targets == i], targets[targets == i]) for i in range(k)) / k
    alone = logits[quiet][:, :2].log_softmax(1)
    kept = -(base[quiet][:, :2].double().softmax(1) * alone).sum(1).mean()
    new = -logits[quiet].log_softmax(1)[:, :2].logsumexp(1).mean()
    loss = loss + 2.0 * (kept + 0.1 * new) + 0.05 * (w.square().sum() + b.square().sum())
    loss.backward()
    assert float(w.grad.abs().max()) < 1e-3  # type: ignore[union-attr]
    assert float(b.grad.abs().max()) < 1e-3  # type: ignore[union-attr]


def test_features_of_cells_are_those_of_enlarged_levels(region: tuple[np.ndarray, np.ndarray]) -> None:
    from napari_construct.inference.activation.prepared_image import PreparedImage
    from napari_construct.inference.activation.tiling import plan_tiles

    image = region[0][:96, :128]
    plan = plan_tiles((96, 128), 512, 64, 32)
    prepared = PreparedImage(image, (96, 128), plan, (), None)
    random = torch.Generator().manual_seed(0)
    levels = tuple(torch.randn(1, 2, 24 >> i, 32 >> i, generator=random) for i in range(3))
    at = np.array([0, 3, 23]), np.array([0, 17, 31])
    found = run(cell_features(prepared, *at, 4, lambda _: Seen(levels, levels[0])))
    whole = torch.cat(
        [F.interpolate(level, (24, 32), mode="bilinear", align_corners=False)[0] for level in levels]
    )
    torch.testing.assert_close(found.features, whole[:, at[0], at[1]].T, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.base, levels[0][0, :, at[0], at[1]].T, rtol=1e-4, atol=1e-4)


def test_whole_strokes_are_left_out() -> None:
    """Cells of a stroke are copies of each other: who saw one of them would know all."""
    random = torch.Generator().manual_seed(0)
    strokes = torch.arange(40).repeat_interleave(5)
    targets = torch.arange(40).remainder(2).repeat_interleave(5)
    noise = torch.randn(40, 60, generator=random).repeat_interleave(5, 0)  # says nothing of the class
    data = Rows(noise, torch.zeros(200, 2), targets)

    def fit(part: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        return fit_linear(part, strength=1e-4)

    weight, bias = fit(data)
    assert float(((noise @ weight + bias).argmax(1) == targets).float().mean()) == 1.0
    score = run(held_out_score(data, strokes, ("a", "b"), fit))
    assert score.balanced_accuracy is not None
    assert 0.25 < score.balanced_accuracy < 0.75
    assert [(one.strokes, one.cells) for one in score.classes] == [(20, 100), (20, 100)]


def test_a_class_with_one_stroke_has_no_score() -> None:
    data = rows()
    strokes = torch.where(data.targets == 0, torch.zeros(200, dtype=torch.long), torch.arange(200) + 1)
    score = run(held_out_score(data, strokes, ("a", "b"), lambda part: fit_linear(part, strength=0.1)))
    assert score.classes[0].recall is None
    assert score.classes[1].recall is not None
    assert score.balanced_accuracy is None


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    kept = SeenTiles(limit=4 * 100 * 3)
    tiles = [torch.full((1, 3, 2, 2), float(i)) for i in range(5)]
    for tile in tiles:
        kept.put(tile, Seen((torch.zeros(1, 1, 10, 10),), None))
        kept.get(tiles[0])
    assert len(kept) == 3
    assert kept.size == 1200
    assert kept.get(tiles[0]) is not None
    assert kept.get(tiles[1]) is None
    kept.put(tiles[1], Seen((torch.zeros(1, 1, 100, 100),), None))
    assert kept.get(tiles[1]) is None


def test_crops_lie_around_strokes_and_say_nothing_beside_them() -> None:
    painted = np.zeros((200, 200), dtype=np.uint8)
    painted[100:104, 20:180] = 1
    cells = painted_cells(painted, (200, 200), 4)
    centres = centres_of(cells, 4, 32)
    assert len(centres) == 6
    assert set(centres[:, 0]) == {102}
    classes = np.full((50, 50), UNKNOWN, dtype=np.uint8)
    classes[cells.rows, cells.columns] = 0
    image = np.repeat(np.arange(200, dtype=np.uint8)[:, None, None], 200, 1).repeat(3, 2)
    store, images, masks = cut_crops([ImageCells(image, classes, centres)], 64, 4, 0.5, 0)
    assert images.shape == (6, 112, 112, 3)
    assert store.view.window == 80
    assert set(np.unique(masks)) == {0, UNKNOWN}
    assert (images[masks == 0][:, 0] // 4 == 25).all()


def test_sheets_are_tiles_of_images() -> None:
    images = [np.full((40, 700, 3), 50, np.uint8), np.full((600, 600, 3), 200, np.uint8)]
    sheets = ImageSheets(images, 0, 32)
    assert sheets.sheet(0).shape == (1, 3, 64, 512)
    assert sheets.sheet(1).shape == (1, 3, 512, 512)
    assert float(sheets.sheet(1).mean()) == pytest.approx(200 / 255)
    torch.testing.assert_close(sheets.sheet(3), sheets.sheet(3))


def test_the_temperature_is_that_of_the_least_loss() -> None:
    random = torch.Generator().manual_seed(0)
    true = torch.randn(5000, 3, generator=random) * 2
    truth = torch.multinomial(true.softmax(1), 1, generator=random)[:, 0]
    temperature, accuracy = fit_temperature(true * 3, truth)
    assert temperature == pytest.approx(3, rel=0.1)
    assert 0.4 < accuracy < 0.95


@pytest.mark.parametrize(
    ("image", "painted", "mpp", "said"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), None, "an RGB image"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), None, "of the image's size"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), -1.0, "per pixel above 0"),
    ],
)
def test_strokes_that_cannot_be_are_refused(
    image: np.ndarray, painted: np.ndarray, mpp: float | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        Strokes("a", image, painted, mpp)
