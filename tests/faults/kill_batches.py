"""Kill a batch again and again, start it again each time, and several at once: a program of its own.

    python kill_batches.py IMAGES FOLDER TRIES SEED

prints a JSON object: kills, runs that were refused because another held the folder, results of the last run
that equal those of a run without kills, those that do not, and what is left behind.
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

from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import find_sources
from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import checkpoint_of
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.results.read import load_result

REFUSED = 7


def predictor() -> Predictor:
    config = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)
    model = build_model(config, TinyEncoder(), 2)
    checkpoint = checkpoint_of(model, ClassTable.from_names(("tumour", "lymphoid")), mpp=0.25)
    return Predictor(checkpoint, "cpu", encoder=TinyEncoder(), name="tiny")


def forked(work: Callable[[], object]) -> int:
    """The process that does some work; its exit code is 0, or ``REFUSED``."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except ConfigurationError as error:
        code = REFUSED if "no other run is writing" in str(error) else 1
    finally:
        os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(images: Path, folder: Path, tries: int, seed: int) -> Counter[str]:
    draw, network = random.Random(seed), predictor()
    settings = BatchSettings(model="tiny", segment=SegmentSettings(tile=128, overlap=32, crf=None))

    def batch(output: Path, restart: bool = False) -> Callable[[], object]:
        sources = find_sources([images])
        return lambda: run(run_batch_steps(sources, network, settings, output, restart=restart))

    started = time.perf_counter()
    assert ended(forked(batch(folder / "whole"))) == 0
    once = time.perf_counter() - started
    counts: Counter[str] = Counter()
    output = folder / "killed"
    for number in range(tries):
        children = [forked(batch(output, restart=number % 5 == 4)) for _ in range(1 + number % 3)]
        time.sleep(draw.uniform(0, 0.7 * once))
        for child in children:
            os.kill(child, signal.SIGKILL)
        for code in map(ended, children):
            assert code in (0, REFUSED, -signal.SIGKILL), code
            counts["refused" if code == REFUSED else "ended" if code == 0 else "killed"] += 1
    assert ended(forked(batch(output))) == 0
    whole, entries = read_ledger(folder / "whole" / LEDGER_NAME)[1], read_ledger(output / LEDGER_NAME)[1]
    for key, entry in whole.items():
        found = entries.get(key)
        same = found is not None and (found.state, found.areas) == (entry.state, entry.areas)
        if same and entry.state == "done":
            one, other = (load_result(root / entry.files["record"]) for root in (folder / "whole", output))
            same = bool((one.labels == other.labels).all()) and not other.notices
        counts["equal" if same else "lost"] += 1
    counts["left behind"] = len([path for path in output.rglob("*") if path.name.startswith(".")])
    return counts


if __name__ == "__main__":
    paths = [Path(word) for word in sys.argv[1:3]]
    print(json.dumps(main(*paths, int(sys.argv[3]), int(sys.argv[4]))))
