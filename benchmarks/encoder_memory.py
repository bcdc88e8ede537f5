"""Memory of loading CONCH-sized weights, what is given back, and the size of a checkpoint on them.

Makes a file of CONCH's names and shapes, loads it through the catalogue in a process of its own, reads
every weight (the hash does), and compares the peak of resident memory with the size of the weights.
Prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.conch import ConchEncoder
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, save_checkpoint
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig

MB = 1e6


def resident() -> float:
    """Megabytes of this process in memory now, mapped files included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / MB
    return float("nan")


def peak() -> float:
    """Highest number of megabytes of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / MB
    return float("nan")


def make_file(path: Path) -> float:
    """Write a file of CONCH's names and shapes; megabytes of weights."""
    state = {name: torch.full(value.shape, 0.01) for name, value in ConchEncoder().state_dict().items()}
    torch.save(state, path)
    return sum(value.numel() * value.element_size() for value in state.values()) / MB


def load(path: Path, folder: Path) -> dict[str, float]:
    """Measure one load, one hash, one checkpoint, one release."""
    before = resident()
    encoder = create_encoder("conch", weights=path)
    loaded = resident()
    encoder_hash(encoder)  # touches every weight
    found = {
        "before": before,
        "loaded": loaded - before,
        "all_read": resident() - before,
        "peak": peak() - before,
    }
    model = build_model(ModelConfig(encoder="conch", prototype_width=512), encoder, 4)
    table = ClassTable.from_names(("tumour", "stroma", "lymphocytes", "necrosis"))
    file = save_checkpoint(folder / "m.construct", checkpoint_of(model, table))
    found["checkpoint"] = file.stat().st_size / MB
    del model, encoder
    gc.collect()
    found["after_release"] = resident() - before
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load is not None:
        print(json.dumps(load(arguments.load, arguments.load.parent)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pytorch_model.bin"
        weights = make_file(path)
        command = [sys.executable, __file__, "--load", str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = {"weights": weights, **json.loads(done.stdout.splitlines()[-1])}
    for name, value in found.items():
        print(f"{name:<14} {value:8.1f} MB")
    print(f"copies at the peak: {found['peak'] / weights:.2f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
