"""Teaching by example, with a user who is simulated from masks; a line of JSON for each seed, then the means.

    python benchmarks/teach.py glas ../shared/data/glas/val [--deep [--unpainted]] [--forest] --output r.jsonl
    python benchmarks/teach.py latency ../shared/data/glas/val
    python benchmarks/teach.py camelyon ../shared/data/camelyon/val --seeds 5 --output r.jsonl

``glas``: nothing is known but strokes on ``--images`` images drawn by the seed, ``--strokes`` of a class on
each; mIoU over the pixels of all other images. ``--forest`` gives the same strokes to a random forest on
scikit-image's multi-scale features, which needs scikit-learn. ``latency``: from the end of a stroke to the
labels of a view of 512 pixels, features in memory. ``camelyon``: the bundled lymph-node model, corrected by
at most ``--strokes`` strokes on each image, each through the widest area that is wrong; mean Dice.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_construct.events import run
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.teaching.deeper import deeper_steps
from napari_construct.teaching.session import TeachSession
from napari_construct.teaching.settings import TeachSettings
from napari_construct.teaching.strokes import Strokes
from teach_runs.data import Masked, confusion, masked_images, mean_dice, miou
from teach_runs.forest import forest_labels, multiscale
from teach_runs.user import correct, paint

WHOLE = SegmentSettings(crf=None)


def main() -> None:
    found = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parts = found.add_subparsers(dest="what", required=True)
    for name, strokes, mpp in (("glas", 10, 0.62), ("latency", 10, 0.62), ("camelyon", 4, 0.25)):
        part = parts.add_parser(name)
        part.add_argument("folder", type=Path)
        part.add_argument("--seeds", type=int, default=5)
        part.add_argument("--strokes", type=int, default=strokes)
        part.add_argument("--images", type=int, default=3, help="Images that are painted.")
        part.add_argument("--most", type=int, help="Images of the folder that are used at most.")
        part.add_argument("--mpp", type=float, default=mpp, help="Micrometres per pixel of the images.")
        part.add_argument("--deep", action="store_true", help="Also learn deeper.")
        part.add_argument("--steps", type=int, default=300, help="Of learning deeper.")
        part.add_argument("--unpainted", action="store_true", help="Other images teach, too.")
        part.add_argument("--forest", action="store_true", help="Also a random forest.")
        part.add_argument("--output", type=Path)
    options = found.parse_args()
    images = masked_images(options.folder)[: options.most]
    rows = []
    for row in {"glas": glas, "latency": latency, "camelyon": camelyon}[options.what](images, options):
        rows.append(row)
        line = json.dumps({"what": options.what, **row})
        print(line, flush=True)
        if options.output is not None:
            with options.output.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    for name in names:
        values = np.array([row[name] for row in rows])
        print(f"{name}: mean {values.mean():.3f}, median {np.median(values):.3f}, sd {values.std():.3f}")


def glas(images: list[Masked], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    settings = TeachSettings(classes="gland; stroma", steps=options.steps)
    features = [multiscale(one.image) for one in images] if options.forest else []
    for seed in range(options.seeds):
        random = np.random.default_rng(seed)
        chosen = sorted(random.choice(len(images), options.images, replace=False).tolist())
        painted = {i: paint(images[i].mask, 2, options.strokes, random) for i in chosen}
        others = [i for i in range(len(images)) if i not in chosen]
        session = TeachSession(settings.changed(seed=seed))
        for i, found in painted.items():
            session.put(str(i), Strokes(images[i].name, images[i].image, found, options.mpp))
        taught = run(session.fit_steps())
        honest = run(session.score_steps()).balanced_accuracy
        row: dict[str, Any] = {
            "seed": seed,
            "images": [images[i].name for i in chosen],
            "painted": float(np.mean([(found > 0).mean() for found in painted.values()])),
            "light": _miou(images, others, taught.predictor, options.mpp),
            "held out": honest,
        }
        if options.deep:
            clock = time.perf_counter()
            shown = [(images[i].image, options.mpp) for i in others] if options.unpainted else []
            made = run(deeper_steps(session, taught, shown))
            row["seconds"] = time.perf_counter() - clock
            row["deep"] = _miou(images, others, Predictor(made), options.mpp)
            four = WHOLE.changed(views="four")
            row["deep, four views"] = _miou(images, others, Predictor(made), options.mpp, four)
        if options.forest:
            labels = forest_labels(features, painted, others, seed)
            row["forest"] = miou(sum(confusion(images[i].mask, labels[i], 2) for i in others))
        yield row


def _miou(
    images: list[Masked],
    wanted: list[int],
    model: Predictor,
    mpp: float,
    settings: SegmentSettings = WHOLE,
) -> float:
    counts = sum(
        confusion(
            images[i].mask, segment(images[i].image, model, settings, mpp=mpp, background=None).labels, 2
        )
        for i in wanted
    )
    return miou(counts)


def latency(images: list[Masked], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(0)
    session = TeachSession(TeachSettings(classes="gland; stroma"))
    views = []
    for i, one in enumerate(images[: options.images]):
        view = np.pad(one.image, ((0, 512), (0, 512), (0, 0)), mode="symmetric")[:512, :512]
        truth = np.pad(one.mask, ((0, 512), (0, 512)), mode="symmetric")[:512, :512]
        views.append((view, truth))
        session.put(str(i), Strokes(one.name, view, paint(truth, 2, 3, random), options.mpp))
    run(session.fit_steps())
    for number in range(options.strokes):
        key = str(number % len(views))
        view, truth = views[number % len(views)]
        before = session.strokes[key]
        more = paint(truth, 2, 1, random)
        clock = time.perf_counter()
        session.put(key, replace(before, painted=np.where(more > 0, more, before.painted)))
        taught = run(session.fit_steps())
        fitted = time.perf_counter()
        run(session.predict_steps(taught, view, mpp=options.mpp))
        done = time.perf_counter()
        yield {"stroke": number, "fit_ms": 1e3 * (fitted - clock), "total_ms": 1e3 * (done - clock)}


def camelyon(images: list[Masked], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for seed in range(options.seeds):
        dice = np.zeros((len(images), options.strokes + 1))
        for i, one in enumerate(images):
            random = np.random.default_rng([seed, i])
            session = TeachSession(TeachSettings(classes="tumour; lymphoid", start="lymph-node", seed=seed))
            model = session.untaught()
            painted = np.zeros(one.mask.shape, dtype=np.uint8)
            for count in range(options.strokes + 1):
                labels = segment(one.image, model, WHOLE, mpp=options.mpp, background=None).labels
                dice[i, count] = mean_dice(confusion(one.mask, labels, 2))
                more = correct(one.mask, labels, 2, random)
                if count == options.strokes or not more.any():
                    dice[i, count:] = dice[i, count]
                    break
                painted = np.where(more > 0, more, painted)
                session.put("image", Strokes(one.name, one.image, painted, options.mpp))
                model = run(session.fit_steps()).predictor
        yield {"seed": seed, **{f"dice after {n}": float(dice[:, n].mean()) for n in range(dice.shape[1])}}


if __name__ == "__main__":
    main()
