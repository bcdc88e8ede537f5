"""Students on one channel: what a teacher adds, on phantoms and on real pairs; rows of docs/experiments.md.

    python benchmarks/crossmodal.py phantom --students mobilenet_v3,resnet18 --seeds 0,1,2 --output r.jsonl
    python benchmarks/crossmodal.py phantom --ablation --students mobilenet_v3 --output r.jsonl
    python benchmarks/crossmodal.py nuclei ../shared/data/nuclei --transfer student.construct --output r.jsonl
    python benchmarks/crossmodal.py cellsam ../shared/data/pairs/cellsam_tissuenet --output r.jsonl
    python benchmarks/crossmodal.py imc ../shared/data/pairs/imc_15rois --output r.jsonl
    python benchmarks/crossmodal.py multiplex ../shared/data/multiplex --output r.jsonl
    python benchmarks/crossmodal.py speed
    python benchmarks/crossmodal.py phantom --table --output r.jsonl

Every run (student, terms, seed) trains from random weights on every fold, is scored on images that are left
out, and adds a line of JSON; runs whose line is there are skipped, and one that was killed resumes. "no KD"
is trained on the truth of ``--truth-images`` images alone; runs with a teacher use the truth of the same
images, unless their terms leave it out, and what the teacher says of all training images. Every line and
table says how many images each run saw with truth and how many the teacher was shown. Teachers of ours are
trained once and kept in ``--work``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from crossmodal_runs.runs import append, read_lines, run_all, transfer
from crossmodal_runs.sets import cellsam_set, imc_set, multiplex_set, nuclei_set, phantom_set
from crossmodal_runs.speed import speed, speed_here
from crossmodal_runs.table import tables

from napari_construct.crossmodal.config import TERMS

SETS = {
    "phantom": phantom_set,
    "nuclei": nuclei_set,
    "cellsam": cellsam_set,
    "imc": imc_set,
    "multiplex": multiplex_set,
}
DEFAULTS = {
    "phantom": {"truth_images": 4},
    "cellsam": {"truth_images": 2},
    "imc": {"truth_images": 2, "patch": 64},
    "multiplex": {"truth_images": 2},
}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> list[int]:
    return [int(name) for name in _names(text)]


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parts = found.add_subparsers(dest="set", required=True)
    for name in SETS:
        one = parts.add_parser(name)
        if name != "phantom":
            one.add_argument("path", type=Path, help="folder of the data")
        one.add_argument("--students", type=_names, default=["mobilenet_v3"], help="encoders, a,b")
        one.add_argument("--seeds", type=_numbers, default=[0], help="0,1,2")
        one.add_argument("--terms", type=_names, default=list(TERMS), help="of the run with a teacher")
        one.add_argument("--ablation", action="store_true", help="all combinations of terms and weights")
        one.add_argument("--truth-images", type=int, help="training images whose truth is used; default all")
        one.add_argument("--pretrained", action="store_true", help="not from random weights")
        one.add_argument("--steps", type=int, default=1400)
        one.add_argument("--patch", type=int, default=96)
        one.add_argument("--batch-size", type=int, default=4)
        one.add_argument("--threads", type=int, default=1)
        one.add_argument(
            "--work", type=Path, default=Path("crossmodal-work"), help="teachers, students, cache"
        )
        one.add_argument("--output", type=Path, default=Path("crossmodal.jsonl"))
        one.add_argument("--table", action="store_true", help="run nothing, print the tables of the lines")
        if name in ("phantom", "nuclei"):
            one.add_argument("--teacher-student", default="resnet18", help="encoder of our teacher")
            one.add_argument("--teacher-steps", type=int, default=600)
        if name == "phantom":
            one.add_argument("--images", type=int, default=64, help="training images of the students")
            one.add_argument("--test-images", type=int, default=16)
            one.add_argument("--teacher-images", type=int, default=64)
            one.add_argument("--size", type=int, default=256, help="side of an image in pixels")
        if name == "nuclei":
            one.add_argument("--test-share", type=float, default=1 / 3)
            one.add_argument("--transfer", type=Path, nargs="+", default=[], help="students of other sets")
        if name in ("cellsam", "multiplex"):
            one.add_argument("--grid", type=int, default=4, help="blocks a side")
            one.add_argument("--gap", type=int, default=16, help="pixels between training and test blocks")
        one.set_defaults(**DEFAULTS.get(name, {}))
    one = parts.add_parser("speed")
    one.add_argument("--student", default="mobilenet_v3")
    one.add_argument("--model", type=Path, help="a trained student; default random weights")
    one.add_argument("--side", type=int, default=1024)
    one.add_argument("--threads", type=int, default=2)
    one.add_argument("--output", type=Path)
    one.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return found


def main() -> None:
    options = parser().parse_args()
    if options.set == "speed":
        found = speed_here(options) if options.here else speed(options)
        if options.output is not None:
            append(options.output, {"set": "speed", **found})
        print(json.dumps(found), flush=True)
        return
    if not options.table:
        torch.set_num_threads(options.threads)
        chosen = SETS[options.set](options)
        if options.set == "nuclei":
            transfer(chosen, options)
        run_all(chosen, options)
    lines = [line for line in read_lines(options.output) if line.get("set") == options.set]
    if options.table:
        print(tables(lines))


if __name__ == "__main__":
    main()
