"""Kill the segmentation of a slide at random moments, go on each time, sometimes beside a rival: a program.

    python kill_slides.py FOLDER TRIES SEED

makes a small slide of tissue and glass, segments it once in peace, then in rounds with kills at random
moments until ``TRIES`` runs were killed, and prints a JSON object: kills, runs refused because another held
the slide, runs that came to their end, rounds with the bytes of the run in peace, and rounds without.
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

import numpy as np
import tifffile
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.faults.kill_batches import REFUSED, ended, forked, predictor

import napari_construct
from napari_construct.data.slides.slide import open_slide
from napari_construct.events import run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides import job, shards
from napari_construct.inference.slides.segment import segment_slide_steps

SAMPLE = Path(napari_construct.__file__).parent / "data" / "samples" / "lymph_node_tumour.png"


def write_slide(path: Path) -> None:
    """2048 px of 0.25 um, a square of tissue in glass."""
    image = np.full((2048, 2048, 3), 247, np.uint8)
    image[300:1700, 200:1600] = np.resize(np.asarray(Image.open(SAMPLE).convert("RGB")), (1400, 1400, 3))
    scale = {"resolution": (40000, 40000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, image, tile=(256, 256), photometric="rgb", compression="zlib", **scale)


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of each file; of the record, all but its times."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    record = json.loads(found.pop("slide.json"))
    record.pop("times")
    return found | {"slide.json": json.dumps(record, sort_keys=True).encode()}


def main(folder: Path, tries: int, seed: int) -> Counter[str]:
    draw, network = random.Random(seed), predictor()
    write_slide(folder / "slide.tif")
    job.SHARD, shards.BLOCK = 512, 256  # type: ignore[misc]  # many shards on a small slide

    def segment(output: Path, network: Predictor = network) -> Callable[[], object]:
        settings = SegmentSettings(tile=128, overlap=32)

        def work() -> None:
            with open_slide(folder / "slide.tif") as slide:
                run(segment_slide_steps(slide, network, settings, folder=output, probabilities=True))

        return work

    started = time.perf_counter()
    assert ended(forked(segment(folder / "peace"))) == 0
    once = time.perf_counter() - started
    peace = content(folder / "peace")
    counts: Counter[str] = Counter()
    while counts["killed"] < tries:
        output = folder / f"round{counts['equal'] + counts['other']}"
        for _ in range(draw.randint(1, 5)):
            children = [forked(segment(output)) for _ in range(draw.randint(1, 2))]
            time.sleep(draw.uniform(0, 0.9 * once))
            for child in children:
                os.kill(child, signal.SIGKILL)
            for code in map(ended, children):
                assert code in (0, REFUSED, -signal.SIGKILL), code
                counts["refused" if code == REFUSED else "ended" if code == 0 else "killed"] += 1
        assert ended(forked(segment(output))) == 0
        found = content(output)
        differ = [name for name in {*found, *peace} if found.get(name) != peace.get(name)]
        counts["other" if differ else "equal"] += 1
        if differ:
            print(output, sorted(differ), file=sys.stderr)
    return counts


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
