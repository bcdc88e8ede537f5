"""How true the time left of a training run is that the dock shows.

    python benchmarks/time_left.py PATCHES [--val VAL] [--encoder mini] [--patches 16] [--settings JSON]

Trains as the dock does and notes the time left with every event. Prints it at tenths of the run beside the
truth, and the largest error after the first minute, with the estimate of the button before it.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from napari_construct.classes import ClassTable
from napari_construct.data.image_level import load_dataset
from napari_construct.events import run
from napari_construct.events.time_left import TimeLeft
from napari_construct.widgets.train.job import estimate_job, train_job
from napari_construct.widgets.train.request import TrainRequest
from training_shares import config_of, part_of, run_parser


def main() -> None:
    options = run_parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = part_of(options.patches, options.count, Path(folder) / "patches")
        classes = ClassTable.from_names(load_dataset(data).class_names)
        request = TrainRequest(
            data, classes, options.val, Path(folder) / "m.construct", config_of(options), "cpu"
        )
        button = run(estimate_job(request)).estimate.seconds
        start = time.monotonic()
        left, rows = TimeLeft(), []

        def note(event: object) -> None:
            found = left.update(event)
            rows.append((time.monotonic() - start, found.seconds, found.share, getattr(event, "stage", "")))

        trained = run(train_job(request), note)
        took = time.monotonic() - start
    print(f"took {took:.0f} s, button said {button:.0f} s; {trained.metrics}")
    for tenth in range(10):
        at, said, share, stage = next(row for row in rows if row[0] >= took * tenth / 10)
        print(f"{at:6.0f} s: {'-' if said is None else f'{said:.0f}'} s left, truth {took - at:.0f} s; "
              f"bar {100 * share:.0f} % ({stage})")  # fmt: skip
    judged = [
        (said / (took - at) - 1, at) for at, said, _, _ in rows if said is not None and 60 < at < took - 10
    ]
    worst = max(judged, key=lambda pair: abs(pair[0]))
    good = sum(abs(error) <= 0.3 for error, _ in judged) / len(judged)
    shares = [row[2] for row in rows]
    words = f"largest error after a minute {100 * worst[0]:+.0f} % at {worst[1]:.0f} s"
    print(f"{words}; {100 * good:.0f} % within 30 %; bar monotone {shares == sorted(shares)}")


if __name__ == "__main__":
    main()
