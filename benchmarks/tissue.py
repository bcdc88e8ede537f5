"""Tissue detection without training: methods beside each other on pictures of slides with known truth.

    python benchmarks/tissue.py                         # the table; ten minutes
    python benchmarks/tissue.py --parts                 # what each kind of evidence gives
    python benchmarks/tissue.py --set tune              # the pictures that the constants were chosen on
    python benchmarks/tissue.py --show FOLDER           # pictures with masks, and those of the two slides

Real H&E at 10 um per pixel (``../shared/data``) is laid on glass of a random tint, in outlines of real
sections (with pyarrow, which reads them; drawn ones otherwise), and what happens to slides is added: pens,
dust, padding, uneven light. The set "report" shares no slide, no outline, no ink and no random number with
"tune". Three pictures of 1200 x 1600 px a case. The score is the IoU of tissue; of glass where there is no
tissue. Ink over tissue is not scored. Seconds are processor time on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from tissue_runs.methods import METHODS, PARTS, Method  # noqa: E402
from tissue_runs.pictures import CASES, COUNT, SETS, Picture, make  # noqa: E402
from tissue_runs.sources import SHARED  # noqa: E402


def score(found: np.ndarray, picture: Picture) -> float:
    found, truth = found[picture.scored], picture.tissue[picture.scored]
    if not truth.any():
        found, truth = ~found, ~truth
    return float((found & truth).sum() / max((found | truth).sum(), 1))


def overlay(image: np.ndarray, mask: np.ndarray) -> Image.Image:
    """What is left out is shown grey and dark, the border of tissue green."""
    shown = image.astype(np.float32)
    shown[~mask] = 0.35 * shown[~mask] + 60
    edge = mask ^ np.pad(mask, 2, mode="edge")[4:, 2:-2] | mask ^ np.pad(mask, 2, mode="edge")[2:-2, 4:]
    shown[edge] = (0, 160, 0)
    return Image.fromarray(shown.astype(np.uint8))


def show(folder: Path, methods: dict[str, Method], kind: str) -> None:
    import openslide

    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((SHARED / "slides").glob("*.svs")):
        slide = openslide.OpenSlide(path)
        mpp = float(slide.properties.get("openslide.mpp-x", 0.5))
        thumbnail = slide.get_thumbnail((1200, 1200))
        pictures = {"slide": (thumbnail, mpp * slide.dimensions[0] / thumbnail.width)}
        if "macro" in slide.associated_images:
            pictures["macro"] = (slide.associated_images["macro"], 45.0)
        for name, (picture, at) in pictures.items():
            image = np.asarray(picture.convert("RGB"))
            for label, method in methods.items():
                overlay(image, method(image, at)).save(folder / f"{path.stem}_{name}_{label}.png")
    for case in CASES:
        picture = make(case, kind, 0)
        overlay(picture.image, methods["find_tissue"](picture.image, picture.mpp)).save(
            folder / f"{kind}_{case}.png"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=SETS, default="report", dest="kind")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--show", type=Path)
    parser.add_argument("--methods", nargs="+", help="columns of the table; all if left out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    methods = PARTS if options.parts else METHODS
    methods = {name: methods[name] for name in options.methods or methods}
    if options.show:
        show(options.show, {"find_tissue": METHODS["find_tissue"], **methods}, options.kind)
        return 0
    scores: dict[str, dict[str, list[float]]] = {name: {case: [] for case in CASES} for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for case in CASES:
        for seed in range(COUNT):
            picture = make(case, options.kind, seed)
            for name, method in methods.items():
                start = time.process_time()
                found = method(picture.image, picture.mpp)
                seconds[name].append(time.process_time() - start)
                scores[name][case].append(score(found, picture))
        print(
            f"{case} {[round(float(np.mean(found[case])), 3) for found in scores.values()]}",
            file=sys.stderr,
            flush=True,
        )
    print(table(scores, seconds))
    if options.json:
        options.json.write_text(json.dumps({"scores": scores, "seconds": seconds}, indent=2))
    return 0


def table(scores: dict[str, dict[str, list[float]]], seconds: dict[str, list[float]]) -> str:
    """Markdown: a row a case, a column a method."""
    lines = ["| case | " + " | ".join(scores) + " |", "|---" * (len(scores) + 1) + "|"]
    for case in CASES:
        cells = " | ".join(f"{np.mean(found[case]):.3f}" for found in scores.values())
        lines += [f"| {case} | {cells} |"]
    means = [np.mean([np.mean(found[case]) for case in CASES]) for found in scores.values()]
    worst = [min(min(found[case]) for case in CASES) for found in scores.values()]
    lines.append("| **mean** | " + " | ".join(f"**{mean:.3f}**" for mean in means) + " |")
    lines.append("| worst picture | " + " | ".join(f"{one:.3f}" for one in worst) + " |")
    lines.append(
        "| seconds a picture | " + " | ".join(f"{np.mean(one):.3f}" for one in seconds.values()) + " |"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
