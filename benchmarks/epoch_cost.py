"""What an epoch costs with frozen features from the cache, and what without.

    python benchmarks/epoch_cost.py PATCHES [--encoder mini] [--teacher structure] [--mpp 0.25] [--json FILE]

Trains the head on PATCHES (one folder per class) for some epochs in one run each way and prints seconds
of the steps of an epoch; reading, filling the cache and validation are listed apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from napari_construct.data.image_level import load_dataset
from napari_construct.events import StepDone
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps


def measure(folder: Path, config: TrainingConfig) -> dict[str, Any]:
    """Seconds of filling the cache and of each epoch's steps."""
    steps, filling = [], 0.0
    last = time.perf_counter()
    for event in train_steps(load_dataset(folder), config, device="auto"):
        now = time.perf_counter()
        if isinstance(event, StepDone):
            while len(steps) <= event.epoch:
                steps.append(0.0)
            steps[event.epoch] += now - last
        elif event.stage == "features":
            filling += now - last
        last = now
    return {"filling": filling, "epochs": steps, "best_epoch": min(steps)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patches", type=Path)
    parser.add_argument("--encoder", default="mini")
    parser.add_argument("--teacher", default="structure")
    parser.add_argument("--mpp", type=float, default=0.25, help="of the patches")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    base = TrainingConfig().changed(
        epochs=options.epochs,
        patch_mpp=options.mpp,
        validate_every=options.epochs,
        average_from=None,
        encoder_learning_rate=None,
    )
    model = base.model.model_dump() | {"encoder": options.encoder, "teacher": options.teacher}
    base = base.changed(model=model)
    result = {"drawn": measure(options.patches, base)}
    with tempfile.TemporaryDirectory() as folder:
        cached = base.changed(feature_cache=True, cache_folder=folder)
        result["cached"] = measure(options.patches, cached)
        result["cached again"] = measure(options.patches, cached)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
    for name, row in result.items():
        print(f"{name:13} filling {row['filling']:7.2f} s   steps of an epoch {row['best_epoch']:7.3f} s")
    ratio = result["drawn"]["best_epoch"] / result["cached"]["best_epoch"]
    print(f"ratio {ratio:.1f}; features take {size / 1e6:.0f} MB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
