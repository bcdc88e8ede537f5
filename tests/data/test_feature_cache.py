"""Features on disk: whole or absent, bounded, shared by processes, proof against a kill."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from napari_construct.data.feature_cache import FeatureCache, default_folder
from napari_construct.exceptions import ConstructError


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def features(seed: int = 0, size: int = 500) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"a": torch.randn(1, size, generator=generator), "b": torch.randn(1, 2, 3, generator=generator)}


def file_of(cache: FeatureCache, name: str) -> Path:
    (path,) = [p for p in cache.folder.rglob("*.safetensors") if p.parent.name + p.stem == name]
    return path


def test_features_come_back_rounded_to_half_precision(tmp_path: Path) -> None:
    cache, given = FeatureCache(tmp_path, 10**6), features()
    assert cache.get(key(1)) is None
    stored = cache.put(key(1), given)
    found = FeatureCache(tmp_path, 10**6).get(key(1))
    assert found is not None
    assert key(1) in cache
    for name, value in given.items():
        torch.testing.assert_close(found[name], value.half().float(), rtol=0, atol=0)
        torch.testing.assert_close(found[name], stored[name], rtol=0, atol=0)


def test_values_beyond_half_precision_stay_exact(tmp_path: Path) -> None:
    cache, large = FeatureCache(tmp_path, 10**6), {"a": torch.tensor([1e6, 1.0001])}
    cache.put(key(1), large)
    found = cache.get(key(1))
    assert found is not None
    torch.testing.assert_close(found["a"], large["a"], rtol=0, atol=0)


@pytest.mark.parametrize("damage", ["truncated", "empty", "bit", "other"])
def test_a_damaged_file_counts_as_absent_and_goes(tmp_path: Path, damage: str) -> None:
    cache = FeatureCache(tmp_path, 10**6)
    cache.put(key(1), features())
    path = file_of(cache, key(1))
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[-10] ^= 4
    path.write_bytes(
        {"truncated": data[:-100], "empty": b"", "bit": data, "other": b"not features" * 9}[damage]
    )
    assert cache.get(key(1)) is None
    assert not path.exists()
    cache.put(key(1), features())
    assert cache.get(key(1)) is not None


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 10_000)  # eight files of about 1.2 kB
    for number in range(8):
        cache.put(key(number), features(number))
        os.utime(file_of(cache, key(number)), (number, number))
    assert cache.get(key(0)) is not None, "used again just now"
    for number in range(8, 11):
        cache.put(key(number), features(number))
    assert cache.size() <= 10_000
    assert key(0) in cache
    assert key(1) not in cache
    assert key(10) in cache


def test_features_larger_than_the_cache_are_not_kept(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path, 1000)
    stored = cache.put(key(1), features(size=5000))
    assert stored["a"].shape == (1, 5000)
    assert cache.size() == 0


def test_keys_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        FeatureCache(tmp_path, 10).get("../../etc/passwd")
    with pytest.raises(ValueError, match="at least 1 byte"):
        FeatureCache(tmp_path, 0)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConstructError, match=r"file/.*cache_folder"):
        FeatureCache(tmp_path / "file", 10**6).put(key(1), features())


def test_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "napari-construct" / "features"


def test_a_file_cut_short_after_it_was_read_changes_nothing(tmp_path: Path) -> None:
    """Mapped into memory, the features would be gone, and the process with them."""
    cache = FeatureCache(tmp_path, 10**6)
    given = {"a": torch.full((1, 4096), 1e6)}  # beyond half precision: no copy is made by rounding
    cache.put(key(1), given)
    found = cache.get(key(1))
    assert found is not None
    os.truncate(file_of(cache, key(1)), 0)
    assert float(found["a"].sum()) == 4096e6
    assert cache.get(key(1)) is None


@pytest.mark.parametrize("what", ["header", "no checksum", "deep", "folder", "pipe", "huge header"])
def test_whatever_is_wrong_with_a_file_it_counts_as_absent(tmp_path: Path, what: str) -> None:
    cache = FeatureCache(tmp_path, 10**6)
    cache.put(key(1), features())
    path = file_of(cache, key(1))
    data = path.read_bytes()
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        deep = b"[" * 100_000
        path.write_bytes(
            {
                "header": data[:8] + b"\xff" + data[9:],
                "no checksum": data.replace(b"crc32", b"crc33"),
                "deep": len(deep).to_bytes(8, "little") + deep,
                "huge header": (2**62).to_bytes(8, "little") + data[8:],
            }[what]
        )
    assert cache.get(key(1)) is None
    assert cache.put(key(1), features()).keys() == {"a", "b"}


def test_a_folder_removed_during_a_run_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FeatureCache(tmp_path / "cache", 3000)
    cache.put(key(1), features())
    shutil.rmtree(tmp_path / "cache")
    assert cache.get(key(1)) is None
    assert cache.size() == 0
    cache.put(key(1), features())
    assert cache.get(key(1)) is not None
    write, removed = Path.write_bytes, []

    def remove_first(self: Path, data: bytes) -> int:
        if not removed:
            removed.append(True)
            shutil.rmtree(tmp_path / "cache")
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", remove_first)
    cache.put(key(2), features())
    assert cache.get(key(2)) is not None


WRITER = textwrap.dedent("""
    import hashlib, os, signal, sys, torch
    from napari_construct.data.feature_cache import FeatureCache

    folder, first, kill_at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    cache = FeatureCache(folder, 200_000)
    original = os.replace
    for number in range(400):
        name = hashlib.sha256(str((first + number) % 300).encode()).hexdigest()
        found = cache.get(name)
        if found is not None:
            assert (found["a"] == (first + number) % 300).all(), "a file of another key"
        if number == kill_at:  # in the middle of writing: the temporary file is there, the rename is not
            cache._write = lambda path, data: (
                path.parent.mkdir(parents=True, exist_ok=True),
                path.with_name(f".{path.name}.dead.part").write_bytes(data[:50]),
                os.kill(os.getpid(), signal.SIGKILL),
            )
            cache.put(hashlib.sha256(b"never").hexdigest(), {"a": torch.zeros(9)})
        cache.put(name, {"a": torch.full((1, 800), float((first + number) % 300))})
""")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_two_processes_share_a_folder_and_one_is_killed(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), *arguments])
        for arguments in (("0", "-1"), ("150", "200"))
    ]
    codes = [run.wait(timeout=120) for run in runs]
    assert codes == [0, -signal.SIGKILL]
    cache = FeatureCache(tmp_path, 200_000)
    (left,) = tmp_path.rglob("*.part")
    long_ago = time.time() - 7200
    os.utime(left, (long_ago, long_ago))
    assert 0 < cache.size() <= 220_000
    assert not left.exists(), "what was left half-written goes"
    found = [cache.get(key(number)) for number in range(300)]
    assert sum(f is not None for f in found) > 50
    assert all(f is None or bool((f["a"] == number).all()) for number, f in enumerate(found))
