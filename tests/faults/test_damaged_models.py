"""Models and weights with bytes changed, cut off, added and doubled: our error, or what was there before."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.encoders.weight_files import read_state
from napari_construct.exceptions import ConstructError
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.reading.pytorch.read import plain_values, read_pytorch

SMALL = {"prototype_width": 8, "projection_hidden": 8, "fusion_width": 8}
SECONDS = 20
"""A single file never takes longer, on a busy computer either."""


def checkpoint(folder: Path) -> bytes:
    model = build_model(ModelConfig(encoder="tiny", **SMALL), TinyEncoder(), 2)
    classes = ClassTable.from_names(["tumour", "stroma"])
    made = checkpoint_of(model, classes, Calibration(class_offsets=(0.5, -0.5)), mpp=0.5)
    return save_checkpoint(folder / "m", made).read_bytes()


def pytorch(folder: Path) -> bytes:
    state = {f"block.{i}.weight": torch.randn(3, 2) for i in range(6)}
    torch.save({"model": state, "cfg": {"lr": 1e-4, "names": ["a", "b"]}, "iter": 4}, folder / "x")
    return (folder / "x").read_bytes()


def open_checkpoint(path: Path) -> None:
    build_from_checkpoint(load_checkpoint(path))


def open_pytorch(path: Path) -> None:
    content, _ = read_pytorch(path)
    plain_values(content)
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        read_state(path)


FILES: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], None]]] = {
    "m.construct": (checkpoint, open_checkpoint),
    "w.pth": (pytorch, open_pytorch),
}


def mutations(data: bytes, random_: random.Random) -> Iterator[bytes]:
    """Damaged forms of a file, without end."""
    while True:
        kind, place = random_.randrange(7), random_.randrange(len(data))
        end = min(len(data), place + random_.randrange(1, 64))
        if kind == 0:
            yield data[:place] + bytes([data[place] ^ 1 << random_.randrange(8)]) + data[place + 1 :]
        elif kind == 1:
            yield data[:place]
        elif kind == 2:
            yield data + random_.randbytes(random_.randrange(1, 200))
        elif kind == 3:
            yield data[:place] + random_.randbytes(end - place) + data[end:]
        elif kind == 4:
            yield data[:end] + data[place:]
        elif kind == 5:
            yield data[:place] + b"\xff" * (end - place) + data[end:]
        else:
            yield mutated_member(data, random_)


def mutated_member(data: bytes, random_: random.Random) -> bytes:
    """A whole archive with one member damaged inside, so that no checksum gives it away."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    chosen = members[random_.choice([name for name, content in members.items() if content])]
    for _ in range(random_.randrange(1, 4)):
        chosen[random_.randrange(len(chosen))] = random_.randrange(256)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, bytes(content))
    return stream.getvalue()


def attack(name: str, folder: Path, tries: int) -> None:
    make, use = FILES[name]
    made = mutations(make(folder), random.Random(tries))
    path, refused, slowest = folder / name, 0, 0.0
    for _ in range(tries):
        path.write_bytes(next(made))
        start = time.monotonic()
        try:
            use(path)
        except ConstructError as error:
            refused += 1
            assert len(str(error)) < 1000  # noqa: PT017
        slowest = max(slowest, time.monotonic() - start)
    print(f"{name}: {tries} tries, {refused} refused in words, slowest {slowest:.1f} s")
    assert slowest < SECONDS


@pytest.mark.parametrize(("name", "tries"), [("m.construct", 300), ("w.pth", 40)])
def test_damaged_files_give_our_error(name: str, tries: int, tmp_path: Path) -> None:
    attack(name, tmp_path, tries)


@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "tries"), [("m.construct", 20_000), ("w.pth", 1000)])
def test_thousands_of_damaged_files_give_our_error(name: str, tries: int, tmp_path: Path) -> None:
    attack(name, tmp_path, tries)


@pytest.mark.faults
def test_a_million_empty_tensors_take_no_memory(tmp_path: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({str(i): empty for i in range(1_000_000)}).encode()
    stream = io.BytesIO(checkpoint(tmp_path))
    with zipfile.ZipFile(stream) as archive:
        manifest = archive.read("manifest.json")
    with zipfile.ZipFile(tmp_path / "m.construct", "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("head.safetensors", len(header).to_bytes(8, "little") + header)
    script = (
        "import resource, sys\n"
        "from napari_construct.exceptions import ConstructError\n"
        "from napari_construct.models.checkpoints.checkpoint import load_checkpoint\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    load_checkpoint(sys.argv[1])\nexcept ConstructError:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.construct")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"{int(done.stdout) / 1000:.0f} MB")
    assert int(done.stdout) < 100_000
