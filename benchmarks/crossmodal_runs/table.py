"""The tables of benchmarks/crossmodal.py, made from its lines."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]


def tables(lines: Sequence[Line]) -> str:
    """The abstract's table, what each run saw, and all scores, one group of tables for every setup."""
    setups = dict.fromkeys(line["setup"] for line in lines)
    blocks = [_of_setup([line for line in lines if line["setup"] == setup]) for setup in setups]
    return "\n\n".join(blocks) or "no lines"


def _of_setup(lines: Sequence[Line]) -> str:
    first = lines[0]
    config = first.get("config", {})
    keys = ("steps", "batch_size", "patch", "truth_images", "pretrained")
    told = ", ".join(f"{key} {config[key]}" for key in keys if key in config)
    students = list(dict.fromkeys(line["student"] for line in lines))
    names = list(dict.fromkeys(line["variant"] for line in lines))
    said = [f"### {first['set']}" + (f" ({told})" if told else "")]
    said.append(f"Compared with {first['reference']}; {first['test_images']} images.")
    taught = [line["taught_by"] for line in lines if any(line["images_taught"])]
    if taught:
        said.append(f"Teacher: {taught[0]}.")
    parts = ["\n".join(said)]
    by = {
        (s, v): [x for x in lines if (x["student"], x["variant"]) == (s, v)] for s in students for v in names
    }
    pairs = [(s, v) for s in students for v in names if by[s, v] and v != "no KD" and by.get((s, "no KD"))]
    if pairs:
        parts.append(_grid(_GAIN, [_gain(s, v, by[s, "no KD"], by[s, v]) for s, v in pairs]))
    parts.append(_grid(_ALL, [_all(s, v, found) for (s, v), found in by.items() if found]))
    return "\n\n".join(parts)


_GAIN = (
    "student", "parameters", "trained with", "no KD", "KD", "gain", "teacher", "recovery, %",
    "seeds", "truth: no KD", "truth: KD", "taught",
)  # fmt: skip
_ALL = (
    "student", "trained with", "Dice", "IoU", "boundary F1", "AP50", "AP75", "AP", "seeds",
    "truth", "taught", "CPU s",
)  # fmt: skip


def _gain(student: str, variant: str, before: Sequence[Line], after: Sequence[Line]) -> tuple[str, ...]:
    """Gain of the means, with the deviation of the gains of equal seeds."""
    own, base = ({x["seed"]: x["scores"]["dice"] for x in lines} for lines in (after, before))
    both = [own[seed] - base[seed] for seed in own if seed in base]
    difference = statistics.fmean(own.values()) - statistics.fmean(base.values())
    gain = f"{100 * difference:+.2f}"
    if len(both) > 1:
        gain += f" ± {100 * statistics.stdev(both):.2f}"
    teacher = [x["teacher_scores"]["dice"] for x in after if "teacher_scores" in x]
    recovery = [x["recovery"] for x in after if x.get("recovery") is not None]
    return (
        student,
        f"{after[0].get('parameters', 0) / 1e6:.1f} M",
        variant,
        _spread(list(base.values())),
        _spread(list(own.values())),
        gain,
        _spread(teacher[:1]),
        _spread(recovery),
        str(len(own)) if len(own) == len(base) else f"{len(base)}, {len(own)}",
        _counts(before, "images_with_truth"),
        _counts(after, "images_with_truth"),
        _counts(after, "images_taught"),
    )


def _all(student: str, variant: str, lines: Sequence[Line]) -> tuple[str, ...]:
    names = ("dice", "iou", "boundary_f1", "ap50", "ap75", "ap")
    seconds = [x["processor_seconds_of_training"] for x in lines if "processor_seconds_of_training" in x]
    return (
        student,
        variant,
        *(_spread([x["scores"][name] for x in lines]) for name in names),
        str(len(lines)),
        _counts(lines, "images_with_truth"),
        _counts(lines, "images_taught"),
        f"{statistics.fmean(seconds):.0f}" if seconds else "-",
    )


def _spread(values: Sequence[float]) -> str:
    """Percent: mean, and standard deviation (n - 1) of several."""
    if not values:
        return "-"
    mean = f"{100 * statistics.fmean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * statistics.stdev(values):.2f}"


def _counts(lines: Sequence[Line], key: str) -> str:
    """Numbers of images over folds and seeds: one, or the range."""
    every = sorted({n for line in lines for n in line[key]})
    return str(every[0]) if len(every) == 1 else f"{every[0]}-{every[-1]}"


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    marks = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows))
