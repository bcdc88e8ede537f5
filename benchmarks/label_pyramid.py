"""Label pyramids of slides that are mostly glass: memory, speed and size on disk, by the side of the slide.

Tissue lies in an ellipse over about a fifth of the slide: smooth regions of four classes with specks, made
shard by shard. Each side runs in a process of its own; the peak is that of the whole process, with its
libraries. The speed is that of writing alone, in pixels of level 0 of the shards with tissue (a byte each,
with probabilities one more a class), all levels and syncing included; "of processor" leaves out what the disk
and other programs take.

    python benchmarks/label_pyramid.py --side 20000 40000 80000
    python benchmarks/label_pyramid.py --side 40000 --probabilities
    python benchmarks/label_pyramid.py --shard 2048 4096 8192
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

CLASSES = ("tumour", "stroma", "lymphoid", "necrosis")


def held(kind: str) -> float:
    """Megabytes of this process (Linux): VmRSS now, VmHWM at most since :func:`forget`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def forget() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def tissue(top: int, left: int, height: int, width: int, side: int) -> np.ndarray | None:
    """Labels of a shard, 0 on glass; None where all is glass."""
    fine, coarse = 4, 64
    rows, columns = ((at + np.arange(0, n, fine)) / side - 0.5 for at, n in ((top, height), (left, width)))
    inside = ((rows[:, None] / 0.3) ** 2 + (columns[None] / 0.22) ** 2) < 1
    if not inside.any():
        return None
    rng = np.random.default_rng((top, left))
    grid = rng.random((len(CLASSES), 2 + height // (fine * coarse), 2 + width // (fine * coarse)), np.float32)
    smooth = [ndimage.zoom(plane, coarse, order=1)[: len(rows), : len(columns)] for plane in grid]
    labels = ((np.argmax(smooth, axis=0) + 1) * inside).astype(np.uint8)
    whole = labels.repeat(fine, axis=0).repeat(fine, axis=1)[:height, :width]
    specks = rng.integers(0, height, height), rng.integers(0, width, height)
    whole[specks] = np.minimum(whole[specks], 1)
    return whole


def probable(labels: np.ndarray) -> np.ndarray:
    """Probabilities (k, h, w) uint8 with the noise of a network."""
    noise = np.random.default_rng(0).integers(0, 12, labels.shape, np.uint8)
    return np.stack([np.where(labels == i, 240 - noise, 4 * noise // 3) for i in range(1, 1 + len(CLASSES))])


def measure(side: int, shard: int, probabilities: bool) -> None:
    from napari_construct.classes import ClassTable
    from napari_construct.export.label_pyramid import LabelPyramid
    from napari_construct.results.stored_pyramid import open_pyramid

    before = held("VmHWM")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.ome.zarr"
        classes = ClassTable.from_names(CLASSES)
        pyramid = LabelPyramid.create(
            path, (side, side), classes, mpp=0.5, shard=shard, probabilities=probabilities
        )
        times: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        more = most = 0.0
        for top, left, height, width in pyramid.left():
            labels = tissue(top, left, height, width, side)
            maps = probable(labels) if probabilities and labels is not None else None
            most = max(most, held("VmHWM"))
            forget()
            now, started, used = held("VmRSS"), time.perf_counter(), time.process_time()
            pyramid.write(top, left, labels, maps)
            spent = (time.perf_counter() - started, time.process_time() - used)
            times[labels is not None].append(spent)
            more = max(more, held("VmHWM") - now)
        pyramid.finish()
        files = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
        megabytes = shard * shard * (1 + len(CLASSES) * probabilities) / 1e6
        (wall, cpu), (glass, _) = np.mean(times[True], axis=0), np.mean(times[False], axis=0)
        print(
            f"{side} px, shards of {shard}, {'with' if probabilities else 'without'} probabilities: peak "
            f"{max(most, held('VmHWM')):.0f} MB ({before:.0f} libraries, {more:.0f} for writing a shard of "
            f"{megabytes:.0f} MB), {megabytes / wall:.0f} MB/s, {megabytes / cpu:.0f} MB a second of "
            f"processor ({wall * 1e3:.0f} ms for each of {len(times[True])} shards, {glass * 1e3:.0f} for "
            f"each of {len(times[False])} of glass), {len(files)} files, {sum(files) / 1e6:.0f} MB for "
            f"{side**2 / 1e6:.0f} MB of labels",
            flush=True,
        )
        started = time.perf_counter()
        opened = open_pyramid(path)
        spent = time.perf_counter() - started
        started = time.perf_counter()
        part = opened.labels[0][side // 2 : side // 2 + 1080, side // 2 : side // 2 + 1920]
        view = time.perf_counter() - started
        started = time.perf_counter()
        overview = opened.labels[-1][:]
        print(
            f"  opened in {spent * 1e3:.0f} ms, a screen of {part.shape} in {view * 1e3:.0f} ms, the "
            f"overview {overview.shape} in {(time.perf_counter() - started) * 1e3:.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, nargs="+", default=[40_000])
    parser.add_argument("--shard", type=int, nargs="+", default=[4096])
    parser.add_argument("--probabilities", action="store_true")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.side[0], given.shard[0], given.probabilities)
        return
    for side in given.side:
        for shard in given.shard:
            options = ["--side", str(side), "--shard", str(shard)]
            options += ["--probabilities"] * given.probabilities
            subprocess.run([sys.executable, __file__, "--one", *options], check=True)


if __name__ == "__main__":
    main()
