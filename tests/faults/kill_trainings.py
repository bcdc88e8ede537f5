"""Kill a training again and again, resume it each time, and start rivals: a program of its own.

    python kill_trainings.py PATCHES FOLDER RUNS SEED

Each run is killed at random until it has ended. Prints a JSON object: kills, refused rivals, runs that end
with the weights of one that ran in peace, those that do not, and what is left behind.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from tests.faults.kill_batches import REFUSED, ended, forked

from napari_construct.data.image_level import load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.models.checkpoints.checkpoint import load_checkpoint
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.identity import state_path
from napari_construct.training.loop.train import train_steps

MODEL = ModelConfig(
    encoder="tiny",
    teacher="tiny",
    prototype_width=16,
    projection_hidden=16,
    fusion_width=16,
    guidance_levels=(1, 2),
)
CONFIG = TrainingConfig(model=MODEL, epochs=3, batch_size=3, image_size=64, patch_mpp=0.25, memory_bank=8)


def main(patches: Path, folder: Path, runs: int, seed: int) -> Counter[str]:
    torch.set_num_threads(1)
    draw, dataset = random.Random(seed), load_dataset(patches)

    def training(output: Path, resume: bool) -> Callable[[], object]:
        teacher = TinyEncoder(seed=4)
        given = {"output": output, "resume": resume, "teacher": teacher, "device": "cpu"}
        return lambda: run(train_steps(dataset, CONFIG, **given))

    started = time.perf_counter()
    assert ended(forked(training(folder / "whole.construct", resume=False))) == 0
    once = time.perf_counter() - started
    whole, counts = load_checkpoint(folder / "whole.construct"), Counter[str]()
    for number in range(runs):
        output = folder / f"{number}.construct"
        finished = False
        while not finished:
            resume = state_path(output).exists() or output.exists()
            children = [forked(training(output, resume=resume)) for _ in range(1 + number % 2)]
            time.sleep(draw.uniform(0.1, 1.1) * once)
            for child in children:
                os.kill(child, signal.SIGKILL)
            for code in map(ended, children):
                assert code in (0, REFUSED, -signal.SIGKILL), code
                counts["refused" if code == REFUSED else "ended" if code == 0 else "killed"] += 1
                finished = finished or code == 0
        found = load_checkpoint(output)
        same = all(bool((value == found.head_state[name]).all()) for name, value in whole.head_state.items())
        counts["equal" if same and found.metrics == whole.metrics else "lost"] += 1
    counts["left behind"] = len([path for path in folder.iterdir() if path.suffix != ".construct"])
    return counts


if __name__ == "__main__":
    paths = [Path(word) for word in sys.argv[1:3]]
    print(json.dumps(main(*paths, int(sys.argv[3]), int(sys.argv[4]))))
