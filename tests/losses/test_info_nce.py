from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_construct.losses.info_nce import ForegroundBackgroundContrast, foreground_background, info_nce


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_closed_form_of_orthogonal_keys() -> None:
    keys = torch.eye(3)
    own = torch.tensor([[True, False, False]])
    # cosines 1, 0, 0 and temperature 0.5: -log(e^2 / (e^2 + 2))
    expected = math.log(1 + 2 * math.exp(-2))
    assert float(info_nce(4 * keys[:1], 3 * keys, own, 0.5)) == pytest.approx(expected)
    bank = torch.tensor([[0.0, 0.0, 7.0]])  # one more orthogonal negative
    with_bank = math.log(1 + 3 * math.exp(-2))
    assert float(info_nce(keys[:1], keys, own, 0.5, extra_negatives=bank)) == pytest.approx(with_bank)


def test_one_positive_is_cross_entropy() -> None:
    queries, keys = F.normalize(seeded(5, 4), dim=-1), F.normalize(seeded(3, 4, seed=1), dim=-1)
    classes = torch.tensor([0, 2, 1, 1, 0])
    own = F.one_hot(classes, 3).bool()
    torch.testing.assert_close(
        info_nce(queries, keys, own, 0.2), F.cross_entropy(queries @ keys.T / 0.2, classes)
    )


def test_limits() -> None:
    queries, keys = seeded(4, 6), seeded(3, 6, seed=1)
    everything = torch.ones(4, 3, dtype=torch.bool)
    assert float(info_nce(queries, keys, everything)) == pytest.approx(0, abs=1e-12)
    one = everything.clone()
    one[:, 1:] = False
    hot = float(info_nce(queries, keys, one, 1e6))  # every key as likely as any other
    assert hot == pytest.approx(math.log(3), rel=1e-5)
    assert float(info_nce(keys[:1], keys, one[:1], 1e-3)) == pytest.approx(0, abs=1e-12)
    assert float(info_nce(queries[:0], keys, one[:0])) == 0


def test_an_empty_bank_is_none() -> None:
    queries, keys = seeded(2, 4), seeded(3, 4, seed=1)
    own = torch.tensor([[True, False, False], [False, True, False]])
    torch.testing.assert_close(
        info_nce(queries, keys, own, extra_negatives=seeded(0, 4)), info_nce(queries, keys, own)
    )


def test_temperature_must_be_positive() -> None:
    with pytest.raises(ValueError, match="expected a temperature above 0, got 0"):
        info_nce(seeded(1, 2), seeded(1, 2), torch.ones(1, 1, dtype=torch.bool), 0.0)


def test_gradcheck() -> None:
    own = torch.tensor([[True, False, True], [False, True, False]])
    bank = seeded(2, 4, seed=2)
    queries, keys = seeded(2, 4).requires_grad_(), seeded(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda q, k: info_nce(q, k, own, 0.3, extra_negatives=bank), (queries, keys)
    )


def test_background_is_pushed_from_its_own_class() -> None:
    prototypes = torch.eye(3)
    classes = torch.tensor([0])
    on_own = foreground_background(prototypes[:1], prototypes[:1], prototypes, classes, temperature=0.1)
    elsewhere = foreground_background(prototypes[:1], prototypes[1:2], prototypes, classes, temperature=0.1)
    assert float(on_own.background) == pytest.approx(
        10 - math.log(2) + math.log1p(2 * math.exp(-10)), rel=1e-5
    )
    assert float(elsewhere.background) < 1e-3
    assert float(on_own.foreground) < 1e-3


def test_several_prototypes_of_a_class_are_positives_together() -> None:
    prototypes, owners = torch.eye(4), torch.tensor([0, 0, 1, 1])
    second = foreground_background(prototypes[1:2], prototypes[3:], prototypes, torch.tensor([0]), owners)
    assert float(second.foreground + second.background) < 1e-5


def test_a_single_class_has_no_background_loss() -> None:
    losses = foreground_background(seeded(2, 4), seeded(2, 4), seeded(1, 4), torch.tensor([0, 0]))
    assert float(losses.background) == 0
    assert float(losses.foreground) == pytest.approx(0, abs=1e-12)


def test_module_feeds_its_bank_with_backgrounds_only_while_training() -> None:
    contrast = ForegroundBackgroundContrast(4, size=8)
    arguments = (seeded(2, 4).float(), seeded(2, 4, seed=1).float(), seeded(3, 4, seed=2).float())
    classes = torch.tensor([0, 2])
    first = contrast(*arguments, classes)
    assert len(contrast.bank) == 2
    second = contrast.eval()(*arguments, classes)
    assert len(contrast.bank) == 2
    assert float(second) > float(first)  # the bank's negatives count


def test_numbers_of_the_released_code(shared: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(b"memory_bank")))
    bank = torch.from_numpy(rng.standard_normal((64, 512)).astype(np.float32) / np.float32(np.sqrt(512)))
    with np.load(shared / "parity" / "construct_reference.npz") as golden:
        arrays = {name: torch.from_numpy(golden[name]) for name in golden.files}
    losses = foreground_background(
        arrays["fg_embeddings"],
        arrays["bg_embeddings"],
        arrays["text_embeddings"],
        arrays["labels"].nonzero()[:, 1],
        bank=bank,
    )
    assert float(losses.foreground) == pytest.approx(float(arrays["fg_loss"]), rel=1e-5)
    assert float(losses.background) == pytest.approx(float(arrays["bg_loss"]), rel=1e-5)
