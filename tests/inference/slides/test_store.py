from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_construct.exceptions import InputError
from napari_construct.inference.slides.store import MapShape, NetworkStore

SHAPES = {"logits": MapShape((2, 100, 50), np.float32), "tissue": MapShape((1, 100, 50), np.uint8)}


def test_rows_are_kept_and_gone_on_with(tmp_path: Path) -> None:
    store = NetworkStore(tmp_path / "maps", {"model": "a"}, SHAPES)
    rows = np.random.default_rng(0).normal(size=(2, 10, 50)).astype(np.float32)
    store.write("logits", 20, rows)
    store.mark(3)
    again = NetworkStore(tmp_path / "maps", {"model": "a"}, SHAPES)
    assert again.done == 3
    np.testing.assert_array_equal(again.map("logits")[:, 20:30], rows)
    assert not again.map("logits")[:, 30:].any()


def test_another_model_begins_anew(tmp_path: Path) -> None:
    store = NetworkStore(tmp_path, {"model": "a"}, SHAPES)
    store.write("tissue", 0, np.ones((1, 5, 50), np.uint8))
    store.mark(1)
    other = NetworkStore(tmp_path, {"model": "b"}, SHAPES)
    assert other.done == 0
    assert not other.map("tissue").any()


def test_glass_takes_no_space(tmp_path: Path) -> None:
    shapes = {"logits": MapShape((2, 10_000, 10_000), np.float32)}
    store = NetworkStore(tmp_path, {}, shapes)
    store.write("logits", 0, np.zeros((2, 128, 10_000), np.float32))
    store.mark(1)
    held = (tmp_path / "logits.raw").stat()
    assert held.st_size == 800_000_000
    assert held.st_blocks * 512 < 1_000_000


def test_a_cut_file_is_named(tmp_path: Path) -> None:
    NetworkStore(tmp_path, {}, SHAPES)
    (tmp_path / "logits.raw").write_bytes(b"short")
    with pytest.raises(InputError, match=r"logits\.raw: expected 40000 bytes, got 5"):
        NetworkStore(tmp_path, {}, SHAPES)


def test_damaged_progress_begins_anew(tmp_path: Path) -> None:
    NetworkStore(tmp_path, {}, SHAPES).mark(4)
    (tmp_path / "progress.json").write_text("{", encoding="utf-8")
    assert NetworkStore(tmp_path, {}, SHAPES).done == 0
