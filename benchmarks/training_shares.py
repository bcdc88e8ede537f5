"""What a training run spends its time on: steps, validations, previews, files.

    python benchmarks/training_shares.py PATCHES [--val VAL] [--encoder mini] [--patches 16] [--seconds 60]

Runs the job of the dock (``--engine``: that of the command line) from the settings by default, and stops it
after some seconds. Prints the share of each stage of the time since the first step; "epoch" is writing of
model and state.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import load_dataset
from napari_construct.events import Notice, StepDone, Steps
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps
from napari_construct.widgets.train.job import train_job
from napari_construct.widgets.train.request import TrainRequest


def shares(steps: Steps[object], limit: float) -> dict[str, float]:
    """Seconds by stage from the first step on; "steps" counts them."""
    spent: dict[str, float] = defaultdict(float)
    start, begun = time.perf_counter(), False
    last = start
    with closing(steps):
        for event in steps:
            if isinstance(event, Notice):
                continue
            now = time.perf_counter()
            stage = "step" if isinstance(event, StepDone) else event.stage
            if begun:
                spent[stage] += now - last
                spent["steps"] += isinstance(event, StepDone)
            begun, last = begun or isinstance(event, StepDone), now
            if now - start > limit:
                break
    return dict(spent)


def part_of(folder: Path, count: int, target: Path) -> Path:
    """A copy of a few patches of each class's folder; the folder itself where all are wanted."""
    if not count:
        return folder
    kinds = sorted(path for path in folder.iterdir() if path.is_dir())
    for kind in kinds:
        (target / kind.name).mkdir(parents=True)
        for path in sorted(kind.iterdir())[: count // len(kinds)]:
            shutil.copy(path, target / kind.name / path.name)
    return target


def run_parser(about: str | None) -> argparse.ArgumentParser:
    """What a run is made of, on the command line."""
    parser = argparse.ArgumentParser(description=(about or "").split("\n")[0])
    parser.add_argument("patches", type=Path)
    parser.add_argument("--val", type=Path)
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--patches", dest="count", type=int, default=0)
    parser.add_argument("--settings", default="{}", help="more settings, JSON")
    return parser


def config_of(options: argparse.Namespace) -> TrainingConfig:
    """The settings of the run."""
    config = TrainingConfig(patch_mpp=0.25).changed(**json.loads(options.settings))
    return config.changed(model=config.model.model_dump() | {"encoder": options.encoder})


def main() -> None:
    parser = run_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--engine", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = part_of(options.patches, options.count, Path(folder) / "patches")
        dataset = load_dataset(data)
        config = config_of(options)
        output = Path(folder) / "model.construct"
        if options.engine:
            steps: Steps[object] = train_steps(dataset, config, val=options.val, output=output, device="cpu")
        else:
            classes = ClassTable.from_names(dataset.class_names)
            steps = train_job(TrainRequest(data, classes, options.val, output, config, "cpu"))
        spent = shares(steps, options.seconds)
    taken = spent.pop("steps", 0.0)
    whole = sum(spent.values())
    words = ", ".join(f"{n} {100 * s / whole:.1f} %" for n, s in sorted(spent.items(), key=lambda x: -x[1]))
    print(f"{taken:.0f} steps in {whole:.1f} s: {words}")


if __name__ == "__main__":
    main()
