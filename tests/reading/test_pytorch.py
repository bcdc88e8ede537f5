"""Files of ``torch.save`` that were made to harm: they end with one sentence, in bounded time and memory."""

from __future__ import annotations

import os
import pickle
import struct
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from napari_construct.exceptions import CheckpointError
from napari_construct.reading.pytorch.read import (
    PATIENCE,
    Inert,
    MappedFile,
    StoredTensor,
    plain_values,
    read_pytorch,
)


def zipped(path: Path, code: bytes, storage: bytes = b"\0" * 4) -> Path:
    """A file as torch.save lays it out, with any pickle in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", code)
        archive.writestr("x/data/0", storage)
        archive.writestr("x/version", b"3\n")
    return path


def tensor(
    count: int = 1, size: tuple[int, ...] = (1,), stride: tuple[int, ...] = (1,), offset: int = 0
) -> bytes:
    """The opcodes of one float32 tensor."""
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000"
        b"X\x03\0\0\0cpu" + _int(count) + b"tQ" + _int(offset) + _ints(size) + _ints(stride)
        + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def _int(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def _ints(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(_int, values)) + b"t"


def nested_tuple(depth: int) -> bytes:
    return b"\x80\x02}" + b")" + b"\x85" * depth + b"Ns."


def aliases(levels: int) -> bytes:
    """A list of two equal lists of two equal lists ...: 2**levels values in a few bytes."""
    return b"\x80\x02]q\0" + b"".join(
        b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(levels)
    ) + b"."  # fmt: skip


def aliases_as_key(levels: int) -> bytes:
    return b"\x80\x02})" + b"2\x86" * levels + b"Ns."


HOSTILE = {
    "a nested tuple as key": nested_tuple(2_000_000),
    "a tuple of aliases as key": aliases_as_key(60),
    "a bytearray of any size": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\0\0\0\0\0\x10\x85R.",
    "a number to keep under": b"\x80\x02]r\xff\xff\xff\x7f.",
    "a number to keep under, in text": b"\x80\x02]p2000000000\n.",
    "a lying length": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"x.",
    "a tensor of few bytes and any size": tensor(1, (700_000_000,), (0,)) + b".",
    "a tensor of any size": tensor(2**40, (2**40,), (1,)) + b".",
    "a tensor with a negative place": tensor(1, (1,), (1,), -8) + b".",
    "a tensor without end": tensor(1, (2**62, 2**62), (1, 1)) + b".",
    "deep lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_end_in_bounded_time_and_memory(name: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.pth", HOSTILE[name])
    start = time.monotonic()
    try:
        content, _ = read_pytorch(path)
    except CheckpointError as error:
        assert len(str(error)) < 500  # noqa: PT017
    else:
        plain_values(content)
        if isinstance(content, StoredTensor):
            with pytest.raises(CheckpointError, match="larger than its bytes"):
                content.load()
    assert time.monotonic() - start < PATIENCE + 5


def test_aliases_of_aliases_are_counted(tmp_path: Path) -> None:
    wide: Any = 1
    for _ in range(4):
        wide = [wide] * 200
    torch.save({"config": wide}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="more than 200000 values"):
        read_pytorch(tmp_path / "x.pth")
    content, _ = read_pytorch(zipped(tmp_path / "y.pth", aliases(200)))
    assert plain_values(content) is not None  # cut at a depth, not followed to its end


@pytest.mark.parametrize(
    "value", [10**5000, "x" * 10**6, 2**64, -(2**70)], ids=["digits", "text", "int", "neg"]
)
def test_values_that_are_no_settings_are_left_out(value: Any, tmp_path: Path) -> None:
    torch.save({"odd": value, "lr": 0.5}, tmp_path / "x.pth")
    content, _ = read_pytorch(tmp_path / "x.pth")
    assert isinstance(content["odd"], Inert)
    assert plain_values(content) == {"lr": 0.5}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_pipes_and_folders_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(CheckpointError, match="got a pipe"):
        read_pytorch(tmp_path / "pipe.pth")
    with pytest.raises(CheckpointError, match="got a folder"):
        read_pytorch(tmp_path)


def test_nothing_beside_the_file_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that reads takes modules neither from the folder of the day nor from the environment."""
    for name in ("pickle", "json", "zipfile", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pth")
    torch.testing.assert_close(read_pytorch(tmp_path / "x.pth")[0]["a"].load(), torch.ones(2))
    assert not (tmp_path / "run").exists()


def test_mapped_tensors_are_those_that_are_loaded(tmp_path: Path) -> None:
    state = {
        "a": torch.arange(12.0).view(3, 4).T,
        "b": torch.tensor(3),
        "c": torch.empty(0, 2),
        "d": torch.ones(3).half(),
    }
    torch.save(state, tmp_path / "x.pth")
    content, _ = read_pytorch(tmp_path / "x.pth")
    whole = MappedFile(tmp_path / "x.pth")
    torch.testing.assert_close({k: whole.tensor(v) for k, v in content.items()}, state)
    torch.testing.assert_close({k: v.load() for k, v in content.items()}, state)


def test_a_changed_byte_of_a_tensor_is_found(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(64)}, tmp_path / "x.pth")
    stored = read_pytorch(tmp_path / "x.pth")[0]["a"]
    data = bytearray((tmp_path / "x.pth").read_bytes())
    data[stored.start + 5] ^= 1
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(CheckpointError, match="other bytes than its checksum"):
        read_pytorch(tmp_path / "x.pth")[0]["a"].load()
    with pytest.raises(CheckpointError, match="other bytes than its checksum"):
        MappedFile(tmp_path / "x.pth").tensor(stored)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
@example(pickle.dumps({"a": [1, (2, {3})]}))
@example(b"")
def test_any_pickle_gives_a_content_or_our_error(tmp_path: Path, code: bytes) -> None:
    threads = threading.active_count()
    try:
        plain_values(read_pytorch(zipped(tmp_path / "x.pth", code))[0])
    except CheckpointError as error:
        assert "x.pth: expected a complete PyTorch file" in str(error)  # noqa: PT017
    assert threading.active_count() == threads
