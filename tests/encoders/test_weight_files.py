from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_construct.encoders.weight_files import check_names, check_state, read_state
from napari_construct.exceptions import EncoderError

STATE = {"a.weight": torch.ones(2, 3), "b.count": torch.tensor(4)}


def test_reads_safetensors_and_torch_files_alike(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "w.bin")
    save_file(STATE, tmp_path / "without_suffix")
    save_file(STATE, tmp_path / "W.SAFETENSORS")
    torch.save(STATE, tmp_path / "other.safetensor")
    for name in ("w.safetensors", "w.bin", "without_suffix", "W.SAFETENSORS", "other.safetensor"):
        state = read_state(tmp_path / name)
        torch.testing.assert_close(state, STATE)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_unwraps_and_drops_the_prefix_of_parallel_training(tmp_path: Path, key: str) -> None:
    torch.save({"epoch": 3, key: {f"module.{k}": v for k, v in STATE.items()}}, tmp_path / "w.pth")
    torch.testing.assert_close(read_state(tmp_path / "w.pth"), STATE)


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2, dtype=torch.float16), "n": torch.tensor([1])}, tmp_path / "w.bin")
    state = read_state(tmp_path / "w.bin")
    assert state["a"].dtype == torch.float32
    assert state["n"].dtype == torch.int64


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, ("attacked",))


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Attack()}, tmp_path / "w.pth")
    with pytest.raises(EncoderError, match=r"w\.pth: expected named tensors"):
        read_state(tmp_path / "w.pth")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("name", ["w.bin", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights", pickle.dumps({"a": 1}, protocol=2)])
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EncoderError, match=rf"{name}: expected"):
        read_state(tmp_path / name)


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1000)}, tmp_path / "w.bin")
    whole = (tmp_path / "w.bin").read_bytes()
    (tmp_path / "w.bin").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EncoderError, match=r"w\.bin: expected weights .* download it again"):
        read_state(tmp_path / "w.bin")


def test_files_of_before_version_1_6_are_read(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE}, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    torch.testing.assert_close(read_state(tmp_path / "w.pth"), STATE)
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EncoderError, match=r"w\.pth: expected a complete PyTorch file"):
        read_state(tmp_path / "w.pth")


def header(fields: object) -> bytes:
    text = json.dumps(fields).encode()
    return len(text).to_bytes(8, "little") + text


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        header({f"t{i}": {**ONE, "shape": [0], "data_offsets": [0, 0]} for i in range(30_000)}),
        (2**40).to_bytes(8, "little") + b"{}",
        header({"a": {**ONE, "shape": [2**40], "data_offsets": [0, 2**42]}}),
        header({"a": {**ONE, "shape": [-1]}}) + bytes(4),
        header({"a": {**ONE, "dtype": "F8_NEW"}}) + bytes(4),
        header({"a": ONE, "b": ONE}) + bytes(4),
        header({"a": ONE}) + bytes(8),
        header([1]),
        header({"a": 1}),
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (30).to_bytes(8, "little") + b'{"a":1,"a":2}'.ljust(30),
    ],
    ids=["many", "long", "large", "negative", "type", "overlap", "rest", "list", "number", "deep", "twice"],
)
def test_headers_are_bounded(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(EncoderError, match=r"w\.safetensors: expected weights") as caught:
        read_state(tmp_path / "w.safetensors")
    assert len(str(caught.value)) < 500


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
@pytest.mark.parametrize("name", ["w.safetensors", "w.bin"])
def test_pipes_are_not_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(EncoderError, match="got a pipe"):
        read_state(tmp_path / name)


def test_weights_are_checked_without_reading_them(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2**24)}, tmp_path / "w.bin")
    tracemalloc.start()
    check_state(tmp_path / "w.bin")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    (tmp_path / "w.bin").write_bytes((tmp_path / "w.bin").read_bytes()[:-100])
    with pytest.raises(EncoderError, match=r"w\.bin: expected weights"):
        check_state(tmp_path / "w.bin")


def test_expanded_tensors_take_no_memory(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1).half().expand(2**36)}, tmp_path / "w.bin")
    with pytest.raises(EncoderError, match="larger than its bytes"):
        read_state(tmp_path / "w.bin")


def test_absent_and_other_content(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="found nothing there; check the path"):
        read_state(tmp_path / "absent.bin")
    torch.save([torch.ones(1)], tmp_path / "list.bin")
    with pytest.raises(EncoderError, match=r"list\.bin: expected named tensors"):
        read_state(tmp_path / "list.bin")


def test_names_and_shapes_are_compared() -> None:
    check_names(None, STATE, STATE, "X")
    with pytest.raises(EncoderError, match=r"f: expected the weights of X, got a file without a\.weight"):
        check_names("f", {"b.count": STATE["b.count"]}, STATE, "X")
    with pytest.raises(EncoderError, match="with the unknown c and 1 more"):
        check_names(None, {**STATE, "c": STATE["b.count"], "d": STATE["b.count"]}, STATE, "X")
    with pytest.raises(EncoderError, match=r"expected a\.weight of shape \(2, 3\) for X, got \(3, 2\)"):
        check_names(None, {**STATE, "a.weight": torch.ones(3, 2)}, STATE, "X")
    with pytest.raises(EncoderError, match=r"expected numbers in a\.weight of X, got NaN"):
        check_names(None, {**STATE, "a.weight": torch.full((2, 3), torch.nan)}, STATE, "X")
