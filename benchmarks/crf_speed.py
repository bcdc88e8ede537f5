"""Time the low-rank dense CRF beside pydensecrf.

    python benchmarks/crf_speed.py [IMAGE ...] [--sizes 224 512 1024 2048] [--threads 2] [--json OUT.json]
    python benchmarks/crf_speed.py --device cuda --batch 64

Both run in one process, one after the other in turn, so that a busy machine slows both; medians and their
ratio are printed. ``first``: everything, from image and probabilities to the result. ``unary``: other
probabilities, same image. ``weight``: other kernel weights, same image. pydensecrf must do everything again
when a weight changes; when the unary changes it may keep its lattices, printed as ``its inference``.
``cpu`` is the processor time of both (all threads) for ``unary``, which other jobs on the machine
disturb less.
Memory is the growth of the peak of a fresh process during one call. On CUDA, batches of 224 px patches are
compared with pydensecrf's patches per second on one CPU thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image

from napari_construct.crf import CRFParameters, Factorisation, dense_crf

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DEFAULT_IMAGES = (*sorted((DATA / "camelyon/val/img").glob("*.png")), DATA / "slides/CMU-1-Small-Region.svs")


TIMES = ("pydensecrf", "inference", "first", "unary", "weight", "cpu_pydensecrf", "cpu_unary")


def read(path: Path) -> np.ndarray:
    if path.suffix.lower() in {".svs", ".tif", ".tiff"}:
        return tifffile.imread(path)[..., :3]
    return np.array(Image.open(path).convert("RGB"))


def crop(image: np.ndarray, size: int) -> np.ndarray | None:
    """The square of this size with the most varied colours of nine places."""
    h, w = image.shape[:2]
    if min(h, w) < size:
        return None
    places = [
        (y, x) for y in np.linspace(0, h - size, 3, dtype=int) for x in np.linspace(0, w - size, 3, dtype=int)
    ]
    y, x = max(places, key=lambda p: image[p[0] : p[0] + size : 4, p[1] : p[1] + size : 4].std())
    return np.ascontiguousarray(image[y : y + size, x : x + size])


def soft_classes(image: np.ndarray, k: int = 5, seed: int = 0) -> np.ndarray:
    """Probabilities of k classes by the distance to k colours of the image, softened; (k, h, w) float32."""
    colours = image.reshape(-1, 3).astype(np.float32)
    centres = colours[np.random.default_rng(seed).integers(0, len(colours), k)]
    logits = -((colours[:, None] - centres) ** 2).sum(-1) / (2 * 40.0**2)
    q = np.exp(logits - logits.max(1, keepdims=True))
    q /= q.sum(1, keepdims=True)
    return np.ascontiguousarray((0.7 * q + 0.3 / k).T.reshape(k, *image.shape[:2]))


def reference(image: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Seconds of pydensecrf: all, and of its inference alone."""
    from pydensecrf import densecrf

    p = CRFParameters()
    k, h, w = probabilities.shape
    start = time.perf_counter()
    crf = densecrf.DenseCRF2D(w, h, k)
    crf.setUnaryEnergy(np.ascontiguousarray(-np.log(np.clip(probabilities, 1e-5, 1)).reshape(k, -1)))
    crf.addPairwiseGaussian(sxy=p.smoothness_sigma, compat=p.smoothness_weight)
    crf.addPairwiseBilateral(
        sxy=p.appearance_sigma_xy, srgb=p.appearance_sigma_rgb, rgbim=image, compat=p.appearance_weight
    )
    built = time.perf_counter()
    np.array(crf.inference(p.iterations)).reshape(k, h, w).argmax(0)
    end = time.perf_counter()
    return end - start, end - built


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_growth(backend: str, path: Path, size: int) -> float:
    """MiB that a fresh process grows by in one call."""
    command = [sys.executable, __file__, str(path), "--child", backend, "--sizes", str(size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def child(backend: str, path: Path, size: int) -> None:
    image = crop(read(path), size)
    probabilities = soft_classes(image)
    small = np.ascontiguousarray(image[:200, :200]), np.ascontiguousarray(probabilities[:, :200, :200])
    dense_crf(*small, backend=backend, accuracy="fast")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far (Linux)
    before = _resident("VmRSS")
    dense_crf(image, probabilities, backend=backend)
    print(_resident("VmHWM") - before)


def _resident(name: str) -> float:
    """MiB of this process: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def compare(path: Path, size: int, repeats: int) -> dict[str, object] | None:
    image = crop(read(path), size)
    if image is None:
        return None
    probabilities, others = soft_classes(image), soft_classes(image, seed=1)
    weaker = CRFParameters(appearance_weight=40.0, smoothness_weight=20.0)
    made = Factorisation(image)
    made.refine(probabilities)
    times: dict[str, list[float]] = {n: [] for n in TIMES}
    for _ in range(repeats):
        start = time.process_time()
        total, inference = reference(image, probabilities)
        times["cpu_pydensecrf"].append(time.process_time() - start)
        times["pydensecrf"].append(total)
        times["inference"].append(inference)
        times["first"].append(seconds(lambda: dense_crf(image, probabilities)))
        start = time.process_time()
        times["unary"].append(seconds(lambda: made.refine(others)))
        times["cpu_unary"].append(time.process_time() - start)
        times["weight"].append(seconds(lambda: made.refine(probabilities, weaker)))
    row: dict[str, object] = {"image": path.name, "size": size, "rank": made.rank}
    row |= {name: statistics.median(values) for name, values in times.items()}
    row |= {f"best_{name}": min(values) for name, values in times.items()}
    row["memory"] = {name: peak_growth(name, path, size) for name in ("lowrank", "pydensecrf")}
    return row


def on_cpu(options: argparse.Namespace) -> list[dict[str, object]]:
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; medians in seconds, ratios to pydensecrf"  # noqa: E501
    )
    print(
        f"{'image':<24} size rank  pydensecrf (inference)  "
        "first         unary         weight        cpu    MiB (theirs)"
    )
    rows = []
    for path in options.images or DEFAULT_IMAGES:
        for size in options.sizes:
            row = compare(path, size, options.repeats)
            if row is None:
                continue
            rows.append(row)
            base = row["pydensecrf"]
            ours = "  ".join(f"{row[n]:6.3f} {base / row[n]:4.1f}x" for n in ("first", "unary", "weight"))
            cpu = row["cpu_pydensecrf"] / row["cpu_unary"]
            memory = f"{row['memory']['lowrank']:.0f} ({row['memory']['pydensecrf']:.0f})"
            print(
                f"{path.stem[:24]:<24} {size:>4} {row['rank']:>4}  {base:10.3f} ({row['inference']:.3f})     "
                f"{ours}  {cpu:4.1f}x  {memory}",
                flush=True,
            )
    return rows


def on_cuda(options: argparse.Namespace) -> list[dict[str, object]]:
    """Patches per second in batches on a GPU, pydensecrf's on one CPU thread beside it."""
    image = read((options.images or DEFAULT_IMAGES)[0])
    n = 224
    places = [
        (y, x) for y in range(0, image.shape[0] - n + 1, n) for x in range(0, image.shape[1] - n + 1, n)
    ]
    patches = [np.ascontiguousarray(image[y : y + n, x : x + n]) for y, x in places]
    patches = [patches[i % len(patches)] for i in range(options.batch)]
    probabilities = [soft_classes(p) for p in patches]
    batch = torch.from_numpy(np.stack(patches)).cuda(), torch.from_numpy(np.stack(probabilities)).cuda()
    dense_crf(*batch)
    made = Factorisation(batch[0])
    torch.cuda.reset_peak_memory_stats()
    rows: dict[str, list[float]] = {"pydensecrf": [], "first": [], "unary": []}
    for _ in range(options.repeats):
        rows["pydensecrf"].append(reference(patches[0], probabilities[0])[0])
        rows["first"].append(seconds(lambda: dense_crf(*batch)) / options.batch)
        rows["unary"].append(seconds(lambda: made.refine(batch[1])) / options.batch)
    median = {name: statistics.median(values) for name, values in rows.items()}
    memory = torch.cuda.max_memory_allocated() / 2**20
    print(
        f"{torch.cuda.get_device_name()}, batch {options.batch} of {n} px, rank {made.rank}, {memory:.0f} MiB"
    )
    for name, value in median.items():
        print(f"{name:<11} {1 / value:10.1f} patches/s  {median['pydensecrf'] / value:7.1f}x")
    return [{"batch": options.batch, "memory": memory, **median}]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=[224, 512, 1024, 2048])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--cuda", action="store_true", help="after the CPU, batches of 224 px on CUDA")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        child(options.child, options.images[0], options.sizes[0])
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("expected a CUDA device, found none; run with --device cpu")
    rows = on_cuda(options) if options.device == "cuda" else on_cpu(options)
    if options.cuda:
        if torch.cuda.is_available():
            rows += on_cuda(options)
        else:
            print("CUDA part skipped: this machine has no CUDA device")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
