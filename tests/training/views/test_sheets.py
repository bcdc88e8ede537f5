from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_construct.training.views.patches import PatchStore, PatchView
from napari_construct.training.views.sheets import SHEETS, SIDE, Sheets


def store(count: int, side: int, *, window: float | None = None, size: int | None = None) -> PatchStore:
    """Patches of one value each, which is their index."""
    view = PatchView((side, side), 1.0, float(window or side), size or side, 0.5, True)
    kept = [np.full((side, side, 3), number % 256, dtype=np.uint8) for number in range(count)]
    return PatchStore([Path(f"{number}.png") for number in range(count)], view, kept)


def shown(sheet: torch.Tensor) -> set[int]:
    return set((sheet * 255).round().int().unique().tolist())


def both(count: int) -> np.ndarray:
    """Labels of patches that have the first or the second class in turn."""
    return np.eye(2, dtype=np.uint8)[np.arange(count) % 2]


def test_patches_fill_a_tile() -> None:
    sheets = Sheets(store(200, 64), both(200), None, 0)
    (sheet,) = sheets.sheet(0)
    assert sheet.shape == (3, SIDE, SIDE)
    whole = sheet.reshape(3, 8, 64, 8, 64)
    assert torch.equal(whole, whole[:, :, :1, :, :1].expand_as(whole))  # patches as they are, uncut
    assert len(shown(sheet)) > 32
    assert torch.equal(sheet, sheets.sheet(0)[0])
    assert not torch.equal(sheet, sheets.sheet(1)[0])


@pytest.mark.parametrize(
    ("side", "window", "size", "expected"),
    [
        (112, 112, 112, 448),  # four of them
        (112, 64, 64, 448),  # views show a part, sheets all
        (64, 64, 128, 512),  # enlarged as views are
        (300, 300, 300, 288),  # one, to a multiple of 32
        (700, 700, 700, 512),  # a part of one
    ],
)
def test_sides(side: int, window: float, size: int, expected: int) -> None:
    sheet = Sheets(store(4, side, window=window, size=size), both(4), None, 0, multiple=32).sheet(0)
    assert sheet.shape == (1, 3, expected, expected)


def test_a_sheet_shows_one_slide_that_varies() -> None:
    labels = both(30)
    labels[20:] = (1, 0)
    groups = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    sheets = Sheets(store(30, 64), labels, groups, 0)
    assert [shown(sheets.sheet(number)) <= set(range(10)) for number in range(2)] == [True, False]
    assert shown(sheets.sheet(1)) <= set(range(10, 20))  # the last slide has one class only


def test_slides_of_one_class_each_are_mixed() -> None:
    labels = np.repeat(np.eye(2, dtype=np.uint8), 10, axis=0)
    sheet = Sheets(store(20, 64), labels, ["a"] * 10 + ["b"] * 10, 0).sheet(0)
    assert min(shown(sheet)) < 10 <= max(shown(sheet))


def test_few_patches_need_few_sheets() -> None:
    assert len(Sheets(store(16, 64), both(16), None, 0)) == 1
    assert len(Sheets(store(160, 64), both(160), None, 0)) == 10
    many = Sheets(store(400, 64), both(400), None, 0)
    assert (len(many), many.area) == (SHEETS, SHEETS * 64)
