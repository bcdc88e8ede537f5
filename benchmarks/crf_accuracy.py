"""Measure how close a dense CRF backend is to the exact mean field.

    python benchmarks/crf_accuracy.py FILE.npz [--backend auto] [--accuracy auto] [--json OUT.json]

The file holds, for every case NAME, ``NAME_image`` (h w 3 uint8), ``NAME_probabilities`` (k h w float32)
and ``NAME_exact`` (k h w float32): the mean field with exact Gaussian kernels at the paper's parameters.
Prints a row a case; exits with 1 where agreement is under 99.5 % or mean |dQ| over 1e-3.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from napari_construct.crf import dense_crf

MIN_AGREEMENT, MAX_DEVIATION = 0.995, 1e-3


def case_names(arrays: np.lib.npyio.NpzFile) -> list[str]:
    names = [key.removesuffix("_exact") for key in arrays if key.endswith("_exact")]
    missing = [n for n in names if f"{n}_image" not in arrays or f"{n}_probabilities" not in arrays]
    if not names or missing:
        raise SystemExit(f"expected NAME_image, NAME_probabilities and NAME_exact, got {', '.join(arrays)}")
    return names


def measure(arrays: np.lib.npyio.NpzFile, name: str, backend: str, accuracy: str) -> dict[str, object]:
    image, probabilities, exact = (arrays[f"{name}_{part}"] for part in ("image", "probabilities", "exact"))
    start = time.perf_counter()
    refined = dense_crf(image, probabilities, backend=backend, accuracy=accuracy)
    row: dict[str, object] = {
        "case": name,
        "size": "x".join(str(n) for n in image.shape[:2]),
        "backend": refined.backend,
        "rank": refined.rank,
        "agreement": float((refined.labels == exact.argmax(0)).mean()),
        "mean_deviation": float(np.abs(refined.probabilities - exact).mean()),
        "seconds": time.perf_counter() - start,
    }
    if f"{name}_pydensecrf" in arrays:
        reference = arrays[f"{name}_pydensecrf"]
        row["pydensecrf_agreement"] = float((reference.argmax(0) == exact.argmax(0)).mean())
        row["pydensecrf_mean_deviation"] = float(np.abs(reference - exact).mean())
    return row


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--accuracy", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with np.load(options.file) as arrays:
        names = case_names(arrays)
        rows = [measure(arrays, name, options.backend, options.accuracy) for name in names]
    print("case             size       backend    rank  agreement  mean |dQ|  pydensecrf")
    failed = False
    for row in rows:
        failed |= row["agreement"] < MIN_AGREEMENT or row["mean_deviation"] > MAX_DEVIATION
        other = row.get("pydensecrf_agreement")
        print(
            f"{row['case']:<16} {row['size']:<10} {row['backend']:<10} {row['rank'] or '-':>4}  "
            f"{100 * row['agreement']:8.3f} %  {row['mean_deviation']:.2e}   "
            + ("-" if other is None else f"{100 * other:.3f} %")
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    print("over a bound" if failed else "within the bounds (agreement >= 99.5 %, mean |dQ| <= 1e-3)")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
