"""One run of benchmarks/crossmodal.py: train a student on every fold, score it, write a line."""

from __future__ import annotations

import hashlib
import json
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from crossmodal_runs.sets import CellSet, Fold

from napari_construct.crossmodal.config import NO_KD, TERMS, DistilConfig, Term
from napari_construct.crossmodal.distil import distil
from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teachers.cached import open_cache
from napari_construct.evaluation.cells.evaluate import evaluate_cells
from napari_construct.evaluation.cells.report import CellReport
from napari_construct.evaluation.cells.scores import SCORES, flat, score_arrays
from napari_construct.inference.cells.settings import CellSettings
from napari_construct.metrics.cells import CellCounts
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint, load_channel_checkpoint
from napari_construct.training.loop.identity import state_path


@dataclass(frozen=True)
class Variant:
    """What a student is trained on."""

    terms: tuple[Term, ...]
    learned: bool = True

    @property
    def name(self) -> str:
        """In tables and lines."""
        if self.terms == NO_KD:
            return "no KD"
        found = "KD" if self.terms == TERMS else " + ".join(self.terms)
        return found if self.learned else f"{found}, equal weights"


def ablation() -> list[Variant]:
    """Probability, boundary, both; with truth or without; of several terms, weights learned or equal."""
    parts: tuple[tuple[Term, ...], ...] = (("probability",), ("boundary",), ("probability", "boundary"))
    every = [(*terms, *truth) for truth in ((), NO_KD) for terms in parts]
    found = [Variant(NO_KD)]
    for terms in every:
        found += [Variant(terms)] if len(terms) == 1 else [Variant(terms), Variant(terms, learned=False)]
    return found


def variants(options: Namespace) -> list[Variant]:
    """The baseline and the student with a teacher, or all of the ablation."""
    return ablation() if options.ablation else [Variant(NO_KD), Variant(tuple(options.terms))]


def config_of(chosen: CellSet, variant: Variant, student: str, seed: int, options: Namespace) -> DistilConfig:
    """Settings of one run."""
    return DistilConfig.checked(
        **{
            "student": student,
            "pretrained": options.pretrained,
            "terms": variant.terms,
            "learned_weights": variant.learned,
            "truth_images": options.truth_images,
            "steps": options.steps,
            "patch": options.patch,
            "batch_size": options.batch_size,
            "teacher_channels": chosen.teacher_channels,
            "seed": seed,
        }
        | chosen.config
    )


def run_all(chosen: CellSet, options: Namespace) -> None:
    """All runs whose line is not there yet; one line each."""
    there = {line["key"] for line in read_lines(options.output)}
    wanted = [
        (student, variant, seed)
        for seed in options.seeds
        for student in options.students
        for variant in variants(options)
    ]
    for student, variant, seed in wanted:
        config = config_of(chosen, variant, student, seed, options)
        key = _hash(chosen.name, chosen.setup, chosen.cells, config.model_dump(mode="json"))
        what = f"{chosen.name}: {student}, {variant.name}, seed {seed}"
        if key in there:
            print(f"{what}: there already", flush=True)
            continue
        line = one_run(chosen, variant, config, key, options)
        append(options.output, line)
        print(f"{what}: {short(line)}", flush=True)


def one_run(
    chosen: CellSet, variant: Variant, config: DistilConfig, key: str, options: Namespace
) -> dict[str, Any]:
    """Train and score on every fold; counts of all folds are summed before they are divided."""
    options.work.mkdir(parents=True, exist_ok=True)
    cache = open_cache(options.work / "teacher-outputs")
    clock, processor = time.perf_counter(), 0.0
    reports: list[CellReport] = []
    models: list[ChannelCheckpoint] = []
    for fold in chosen.folds:
        teacher = chosen.teacher(fold) if config.uses_teacher else None
        started = time.process_time()
        path = options.work / f"student-{key}-{fold.name.replace(' ', '-')}.construct"
        resume = path.exists() or state_path(path).exists()
        models.append(distil(fold.train, teacher, config, output=path, resume=resume, cache=cache))
        processor += time.process_time() - started
        reports.append(scored(path, fold, chosen, teacher, options))
    line = {
        "key": key,
        "set": chosen.name,
        "setup": _hash(chosen.name, chosen.setup, chosen.cells, _shared(config)),
        "student": config.student,
        "variant": variant.name,
        "terms": list(config.terms),
        "learned_weights": config.learned_weights,
        "seed": config.seed,
        **labels(models, chosen, config),
        "scores": scores([report.rows[0].models[0].total for report in reports]),
        **taught(reports),
        "parameters": _parameters(models[0]),
        "seconds": round(time.perf_counter() - clock, 1),
        "processor_seconds_of_training": round(processor, 1),
        "config": config.model_dump(mode="json"),
        "set_settings": chosen.setup,
    }
    return line | ({"recovery": _ratio(line)} if "teacher_scores" in line else {})


def scored(
    model: Path, fold: Fold, chosen: CellSet, teacher: Teacher | None, options: Namespace
) -> CellReport:
    """The report of one student on the images of a fold."""
    return evaluate_cells(
        model,
        fold.test,
        teacher=teacher,
        teacher_channels=chosen.teacher_channels,
        settings=CellSettings.checked(**chosen.cells),
        examples=0,
        cache=open_cache(options.work / "teacher-outputs"),
    )


def transfer(chosen: CellSet, options: Namespace) -> None:
    """Students of other sets, scored as they are on the images that are left out here."""
    there = {line["key"] for line in read_lines(options.output)}
    for path in options.transfer:
        model = load_channel_checkpoint(path)
        key = _hash("transfer", chosen.name, chosen.setup, model.training, model.metrics)
        if key in there:
            print(f"{path}: there already", flush=True)
            continue
        reports = [scored(path, fold, chosen, None, options) for fold in chosen.folds]
        told = model.training.get("identity", {}).get("distil", {})
        line = {
            "key": key,
            "set": chosen.name,
            "setup": _hash("transfer", chosen.name, chosen.setup),
            "student": model.config.encoder,
            "variant": "transfer, trained on nothing here",
            "terms": told.get("terms", []),
            "learned_weights": told.get("learned_weights"),
            "seed": told.get("seed"),
            "reference": chosen.reference,
            "taught_by": f"elsewhere: {model.training.get('teacher') or 'no teacher'}",
            "images": [0],
            "images_with_truth": [0],
            "images_taught": [0],
            "test_images": sum(len(fold.test) for fold in chosen.folds),
            "scores": scores([report.rows[0].models[0].total for report in reports]),
            "model": path.name,
        }
        append(options.output, line)
        print(f"{path}: {short(line)}", flush=True)


def labels(models: Sequence[ChannelCheckpoint], chosen: CellSet, config: DistilConfig) -> dict[str, Any]:
    """Which labels the runs of all folds saw."""
    told = [model.training for model in models]
    return {
        "reference": chosen.reference,
        "taught_by": chosen.taught_by if config.uses_teacher else "no teacher",
        "images": [one["images"] for one in told],
        "images_with_truth": [one["images_with_truth"] for one in told],
        "images_taught": [one["images"] if config.uses_teacher else 0 for one in told],
        "test_images": sum(len(fold.test) for fold in chosen.folds),
    }


def taught(reports: Sequence[CellReport]) -> dict[str, Any]:
    """The teacher's own scores on the same images."""
    totals = [report.teacher.total for report in reports if report.teacher is not None]
    return {"teacher_scores": scores(totals)} if totals else {}


def scores(totals: Sequence[CellCounts]) -> dict[str, Any]:
    """Of the sum."""
    found = score_arrays(flat(reduce(add, totals)))
    return {name: round(float(found[name]), 4) for name in SCORES} | {
        "ap_by_iou": [round(float(value), 4) for value in found["ap_by_iou"]]
    }


def short(line: dict[str, Any]) -> str:
    """What is printed of a line."""
    found = " ".join(f"{name} {line['scores'][name]:.4f}" for name in SCORES)
    recovery = f", recovery {100 * line['recovery']:.1f} %" if line.get("recovery") else ""
    return f"{found}{recovery}; truth of {line['images_with_truth']}, taught {line['images_taught']}"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Lines that are there; a line cut by a kill is none."""
    return list(_whole(path)) if path.exists() else []


def _whole(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            continue


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n" * bool(cut) + json.dumps(line) + "\n")


def _shared(config: DistilConfig) -> dict[str, Any]:
    """Settings that runs in one table have in common."""
    own = {"student", "terms", "learned_weights", "seed"}
    return {name: value for name, value in config.model_dump(mode="json").items() if name not in own}


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _parameters(model: ChannelCheckpoint) -> int:
    """Weights, without the counters and statistics of norms."""
    left = ("running_mean", "running_var", "num_batches_tracked")
    return sum(value.numel() for name, value in model.state.items() if not name.endswith(left))


def _ratio(line: dict[str, Any]) -> float | None:
    best = line["teacher_scores"]["dice"]
    return round(line["scores"]["dice"] / best, 4) if best else None
