"""Kill a process that replaces a result, again and again, and read what is left: a program of its own.

Two results take turns at one place. Both say that the left half is tumour; the second one has its classes in
the other order. A file that is read with the classes of the other result says the opposite.

    python kill_writes.py FOLDER TRIES SEED

prints a JSON object: how often the result was whole after the kill, lay there without its record, or was
gone, and how often it was wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from napari_construct.classes import ClassTable
from napari_construct.exceptions import InputError
from napari_construct.results.files import result_paths, write_result
from napari_construct.results.read import load_result
from napari_construct.results.result import StoredResult

SHAPE = (40, 64)
IMAGE = np.full((*SHAPE, 3), 200, np.uint8)


def result(names: tuple[str, str]) -> StoredResult:
    labels = np.full(SHAPE, names.index("lymphoid") + 1, np.uint8)
    labels[:, :32] = names.index("tumour") + 1
    cams = np.stack([(labels == i).astype(np.float32) for i in (1, 2)])
    presence = {name: {"present": True, "score": 0.9 if name == "tumour" else 0.6} for name in names}
    record = {"presence": presence, "tissue_pixels": labels.size}
    return StoredResult(
        labels=labels, classes=ClassTable.from_names(names), cams=cams, mpp=0.5, record=record
    )


BOTH = (result(("tumour", "lymphoid")), result(("lymphoid", "tumour")))


def is_right(stored: StoredResult) -> bool:
    """Whether the left half is tumour, in the mask, the CAMs and the presence."""
    k = stored.classes.names.index("tumour")
    right = bool((stored.labels[:, :32] == k + 1).all() and (stored.labels[:, 32:] != k + 1).all())
    if stored.cams is not None:
        right = right and bool((stored.cams[k, :, :32] == 1).all())
    return right and (not stored.presence_scores or stored.presence_scores[k] == 0.9)


def left(folder: Path) -> str:
    """What a kill left: "whole", "without record", "gone" or "wrong"."""
    paths = result_paths(folder, "s")
    found = {}
    for kind in ("record", "mask"):
        if paths[kind].exists():
            try:
                found[kind] = is_right(load_result(paths[kind]))
            except InputError:
                found[kind] = False
    if not all(found.values()):
        return "wrong"
    if "record" in found:
        whole = load_result(paths["record"])
        return "whole" if whole.cams is not None and not whole.notices else "wrong"
    return "without record" if found else "gone"


def write_for_ever(folder: Path, turn: int) -> None:
    while True:
        write_result(folder, "s", IMAGE, BOTH[turn % 2])
        turn += 1


def main(folder: Path, tries: int, seed: int) -> Counter[str]:
    draw = random.Random(seed)
    write_result(folder, "s", IMAGE, BOTH[0])
    started = time.perf_counter()
    write_result(folder, "s", IMAGE, BOTH[1])
    once = time.perf_counter() - started
    counts: Counter[str] = Counter()
    for number in range(tries):
        child = os.fork()
        if child == 0:
            write_for_ever(folder, number)
        time.sleep(draw.uniform(0, 3 * once))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        counts[left(folder)] += 1
    write_result(folder, "s", IMAGE, BOTH[0])
    counts["left behind"] = len([path for path in folder.iterdir() if path.name.startswith(".")])
    return counts


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
