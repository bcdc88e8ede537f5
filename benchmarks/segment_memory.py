"""Memory of a segmentation beside what is promised before it begins.

The image is noise, which is the hardest for the dense CRF, and every class is present.
Each size runs in a process of its own; the peak is that of the whole process, with its libraries.

    python benchmarks/segment_memory.py --side 4096 --crf
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def held() -> int:
    """Bytes of this process now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(side: int, model: str, mpp: float | None, crf: bool, write: bool) -> None:
    from napari_construct.crf import CRFParameters
    from napari_construct.data.images import ImageFile
    from napari_construct.inference.activation.memory import needed_bytes
    from napari_construct.inference.activation.resample import model_shape
    from napari_construct.inference.loading import load_model
    from napari_construct.inference.segment import segment
    from napari_construct.inference.settings import SegmentSettings

    predictor = load_model(model, device="cpu")
    rng = np.random.default_rng(0)
    pixels = np.tile(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (side // 256, side // 256, 1))
    settings = SegmentSettings(crf=CRFParameters() if crf else None, classes=predictor.classes.names)
    segment(pixels[:512, :512], predictor, settings, mpp=predictor.mpp)  # compiled once
    image = ImageFile(pixels, mpp, (), Path("noise"))
    before, started = held(), time.perf_counter()
    result = segment(image, predictor, settings)
    segmented = peak()
    if write:
        with tempfile.TemporaryDirectory() as folder:
            result.save(folder, "a", image=image)
    seen = model_shape((side, side), mpp, predictor.mpp, "image", predictor.scale)
    promised = needed_bytes((side, side), len(predictor.classes), seen)
    print(
        f"{side} px, {len(predictor.classes)} classes, mpp {mpp}, crf {crf}: peak {segmented / 1e9:.2f} GB "
        f"({(segmented - before) / side**2:.1f} B/px above {before / 1e9:.2f} GB), with writing "
        f"{peak() / 1e9:.2f} GB, promised {promised / 1e9:.2f} GB, {time.perf_counter() - started:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, nargs="+", default=[2048])
    parser.add_argument("--model", default="lymph-node")
    parser.add_argument("--mpp", type=float)
    parser.add_argument("--crf", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.side[0], given.model, given.mpp, given.crf, given.write)
        return
    for side in given.side:
        rest = [a for a in sys.argv[1:] if a not in ("--side", *map(str, given.side))]
        subprocess.run([sys.executable, __file__, "--one", "--side", str(side), *rest], check=True)


if __name__ == "__main__":
    main()
