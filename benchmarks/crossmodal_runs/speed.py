"""Time and memory of one image, in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[1] / "crossmodal.py"


def speed(options: Namespace) -> dict[str, Any]:
    """Measure in a fresh process, so that nothing else is in its memory."""
    command = [sys.executable, str(SCRIPT), "speed", "--here", "--side", str(options.side)]
    command += ["--student", options.student, "--threads", str(options.threads)]
    command += [] if options.model is None else ["--model", str(options.model)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def speed_here(options: Namespace) -> dict[str, Any]:
    """The first image, and the fastest of five; peak memory of the process, in MB."""
    import torch

    torch.set_num_threads(options.threads)
    from napari_construct.crossmodal.phantom import phantom
    from napari_construct.inference.cells.loading import load_cell_model
    from napari_construct.inference.cells.predictor import CellPredictor
    from napari_construct.inference.cells.segment import segment_cells
    from napari_construct.models.checkpoints.channel_checkpoint import channel_checkpoint_of
    from napari_construct.models.network.channel_unet import ChannelUNetConfig, build_channel_unet

    tile = phantom(1, (256, 256)).channels[0]
    side = options.side
    image = tile_up(tile, side)
    if options.model is None:
        network = build_channel_unet(ChannelUNetConfig(encoder=options.student, channels=("nuclear",)))
        predictor = CellPredictor(channel_checkpoint_of(network), "cpu")
    else:
        predictor = load_cell_model(options.model, device="cpu")
    before = _peak()
    times, processor = [], []
    for _ in range(6):
        clock, used = time.perf_counter(), time.process_time()
        result = segment_cells(image, predictor)
        times.append(time.perf_counter() - clock)
        processor.append(time.process_time() - used)
    return {
        "side": side,
        "student": predictor.checkpoint.config.encoder,
        "threads": options.threads,
        "model": "random weights" if options.model is None else options.model.name,
        "seconds_first": round(times[0], 3),
        "seconds": round(min(times[1:]), 3),
        "processor_seconds": round(min(processor[1:]), 3),
        "cells": int(result.record["cells"]),
        "peak_mb": round(_peak()),
        "peak_mb_before_the_image": round(before),
    }


def tile_up(tile: Any, side: int) -> Any:
    """A picture of any side from mirrored copies of one."""
    import numpy as np

    times = -(-side // len(tile))
    rows = np.concatenate([tile[:: 1 if i % 2 == 0 else -1] for i in range(times)])
    whole = np.concatenate([rows[:, :: 1 if i % 2 == 0 else -1] for i in range(times)], axis=1)
    return np.ascontiguousarray(whole[:side, :side])


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
