from __future__ import annotations

import pytest
import torch

from napari_construct.losses.memory_bank import MemoryBank


def rows(*values: float) -> torch.Tensor:
    """Unit vectors at these angles."""
    angles = torch.tensor(values)
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_starts_empty_and_normalises() -> None:
    bank = MemoryBank(4, 2)
    assert bank.contents().shape == (0, 2)
    bank.push(5 * rows(0.1, 0.2))
    torch.testing.assert_close(bank.contents(), rows(0.1, 0.2))


def test_the_oldest_make_room() -> None:
    bank = MemoryBank(3, 2)
    bank.push(rows(0.1, 0.2))
    bank.push(rows(0.3, 0.4))
    assert len(bank) == 3
    torch.testing.assert_close(bank.contents(), rows(0.4, 0.2, 0.3))
    bank.push(rows(0.5, 0.6, 0.7, 0.8, 0.9))  # more than fit: the last three
    torch.testing.assert_close(bank.contents().sort(0).values, rows(0.7, 0.8, 0.9).sort(0).values)


def test_keeps_no_gradient_and_no_alias() -> None:
    bank = MemoryBank(2, 2)
    bank.push(rows(0.1).requires_grad_())
    contents = bank.contents()
    assert not contents.requires_grad
    contents.zero_()
    torch.testing.assert_close(bank.contents(), rows(0.1))


def test_its_state_resumes_exactly() -> None:
    bank, other = MemoryBank(3, 2), MemoryBank(3, 2)
    bank.push(rows(0.1, 0.2, 0.3, 0.4))
    other.load_state_dict(bank.state_dict())
    for each in (bank, other):
        each.push(rows(0.5))
    torch.testing.assert_close(other(), bank())


def test_a_bank_of_size_zero_keeps_nothing() -> None:
    bank = MemoryBank(0, 2)
    bank.push(rows(0.1))
    assert len(bank) == 0


def test_refuses_a_negative_size() -> None:
    with pytest.raises(ValueError, match="expected size >= 0 and width >= 1, got -1 and 2"):
        MemoryBank(-1, 2)
