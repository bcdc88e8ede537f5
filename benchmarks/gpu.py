"""What a graphics card gives: the same work on the CPU and on CUDA, in one run on one machine.

    python benchmarks/gpu.py [--seconds 220] [--each 2] [--side 2048] [--output FOLDER]

Prints a table in Markdown, and writes it with the numbers as ``gpu.md`` and ``gpu.json``. Every number is
a median of repeated calls after one that is not counted; ``ratio`` says how many times faster the card is.
Memory is the most that tensors took on the card. Large encoders have random weights, which takes the same
time. On the CPU large networks see a smaller part of the image, and a batch holds fewer images: rates are
compared; batches of training are of 16 patches on the card, of 4 on the CPU. The second table shows what
rounding the network's products on the card gains, and how many labels it changes: the package itself
segments in float32.

Without a card there is a column of the CPU only. ``--seconds`` bounds the whole; what does not fit is left
out.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from napari_construct.batch.runner import run_batch_steps
from napari_construct.batch.settings import BatchSettings
from napari_construct.batch.sources import find_sources
from napari_construct.classes import ClassTable
from napari_construct.crf import Factorisation, dense_crf
from napari_construct.data.image_level import load_dataset
from napari_construct.encoders.networks.mini import make_untrained
from napari_construct.encoders.networks.mix_transformer import MixTransformer
from napari_construct.encoders.networks.scratch import ScratchEncoder
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.networks.timm_vit import TimmViT
from napari_construct.encoders.protocol import Encoder
from napari_construct.events import StepDone, run
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import checkpoint_of
from napari_construct.models.default_model import DEFAULT_MODEL
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.loop.train import train_steps

PLAIN = SegmentSettings(crf=None)
CLASSES = ClassTable.from_names(("tumour", "lymphoid"))
MEMORY = "MiB on the card"


@dataclass
class Table:
    """Numbers by row and column; ``better`` says whether a higher or a lower number is faster."""

    until: float
    each: float
    side: int = 2048
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    keep: Callable[[], Any] | None = None

    def time(self, name: str, device: str, call: Callable[[], Any], unit: str, count: float = 0) -> None:
        """Time a call: ``count`` units a second, or with 0 how many milliseconds it takes."""
        if time.perf_counter() > self.until:
            print(f"  left out, no time: {name} on {device}", flush=True)
            return
        forget_peak()
        took = [seconds(call)]
        if took[0] < self.each:
            started, took = time.perf_counter(), []
            while not took or (len(took) < 9 and time.perf_counter() - started < self.each):
                took.append(seconds(call))
        median = statistics.median(took)
        self.put(name, device, count / median if count else 1000 * median, unit, higher=bool(count))

    def put(self, name: str, device: str, number: float, unit: str, *, higher: bool) -> None:
        """Keep a number, with the memory since the last :func:`forget_peak`."""
        row = self.rows.setdefault(name, {"unit": unit, "higher": higher})
        row[device] = number
        if device == "cuda":
            row[MEMORY] = torch.cuda.max_memory_allocated() / 2**20
        print(f"  {name} on {device}: {number:.4g} {unit}", flush=True)
        if self.keep is not None:  # a run that is ended from outside leaves what it has
            self.keep()

    def markdown(self) -> str:
        """The table."""
        lines = [f"| | unit | CPU | CUDA | ratio | {MEMORY} |", "|---|---|---:|---:|---:|---:|"]
        for name, row in self.rows.items():
            cpu, cuda = row.get("cpu"), row.get("cuda")
            ratio = None if not (cpu and cuda) else cuda / cpu if row["higher"] else cpu / cuda
            cells = [digits(cpu), digits(cuda), digits(ratio), digits(row.get(MEMORY))]
            lines.append(f"| {name} | {row['unit']} | {' | '.join(cells)} |")
        return "\n".join(lines)


def digits(number: float | None) -> str:
    """Three digits."""
    if number is None:
        return ""
    return f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}"


def forget_peak() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def sample(side: int) -> np.ndarray:
    """H&E of the bundled sample, repeated to a square."""
    pixels = np.array(
        Image.open(str(files("napari_construct.data") / "samples" / "lymph_node_tumour.png")).convert("RGB")
    )
    rows = -(-side // len(pixels))
    return np.ascontiguousarray(np.tile(pixels, (rows, rows, 1))[:side, :side])


def transformer(width: int, depth: int, heads: int, name: str) -> TimmViT:
    """A vision transformer with patches of 16 pixels and random weights."""
    with seeded(0):
        trunk = VisionTransformer(
            img_size=224, patch_size=16, embed_dim=width, depth=depth, num_heads=heads, num_classes=0
        )
    return TimmViT(trunk, name)


ENCODERS: dict[str, tuple[Callable[[], Encoder], int]] = {
    "medium (5 M)": (lambda: make_untrained("medium"), 1024),
    "SegFormer MiT-B3 (44 M)": (lambda: MixTransformer("mit_b3"), 1024),
    "ViT-B/16, as CONCH (86 M)": (lambda: transformer(768, 12, 12, "timm:base"), 512),
    "ViT-L/16, as UNI (303 M)": (lambda: transformer(1024, 24, 16, "timm:large"), 512),
}
"""Encoders without downloads, and the side of the image that a CPU segments with them."""


def predictor_on(encoder: Encoder, device: str) -> Predictor:
    """An untrained head on an encoder."""
    config = ModelConfig(encoder=encoder.spec.id, prototypes_per_class=4, cam_stride=4)
    made = build_model(config, encoder, len(CLASSES))
    return Predictor(checkpoint_of(made, CLASSES, mpp=0.5), device, encoder=encoder)


def tiles_of(image: np.ndarray, predictor: Predictor) -> int:
    return int(run(cam_steps(image, predictor, PLAIN, mpp=predictor.mpp)).record["tiles"])


def of_bundled(table: Table, devices: list[str]) -> None:
    image, size = sample(table.side), f"{table.side} px"
    for device in devices:
        table.time("load the bundled model", device, partial(load_model, DEFAULT_MODEL, device=device), "ms")
        predictor = load_model(DEFAULT_MODEL, device=device)
        mpp, count = predictor.mpp, tiles_of(image, predictor)
        tiles = partial(lambda p: run(cam_steps(image, p, PLAIN, mpp=p.mpp)), predictor)
        table.time(f"bundled model, {size}: network", device, tiles, "tiles/s", count)
        whole = partial(segment, image, predictor, PLAIN, mpp=mpp)
        table.time(f"bundled model, {size}: mask without refinement", device, whole, "ms")
        table.time(
            f"bundled model, {size}: refined mask", device, partial(segment, image, predictor, mpp=mpp), "ms"
        )


def of_encoders(table: Table, devices: list[str]) -> None:
    for name, (make, side_on_cpu) in ENCODERS.items():
        encoder = make()
        for device in reversed(devices):  # on the CPU at last: there an encoder is slow
            image = sample(table.side if device == "cuda" else min(table.side, side_on_cpu))
            predictor = predictor_on(encoder, device)
            count = len_of_plan(image, predictor)
            tiles = partial(lambda i, p: run(cam_steps(i, p, PLAIN, mpp=p.mpp)), image, predictor)
            table.time(f"{name}: network", device, tiles, "tiles/s", count)
            del predictor, tiles


def len_of_plan(image: np.ndarray, predictor: Predictor) -> int:
    """Tiles of an image, without the network."""
    from napari_construct.inference.activation.tiling import plan_tiles

    return len(plan_tiles(image.shape[:2], PLAIN.tile, PLAIN.overlap, predictor.spec.multiple))


def soft_classes(image: np.ndarray, k: int = 3, seed: int = 0) -> np.ndarray:
    """(k, h, w) probabilities by the distance to k colours of the image."""
    colours = image.reshape(-1, 3).astype(np.float32)
    centres = colours[np.random.default_rng(seed).integers(0, len(colours), k)]
    q = np.exp(-((colours[:, None] - centres) ** 2).sum(-1) / (2 * 40.0**2)) + 1e-6
    q /= q.sum(1, keepdims=True)
    return np.ascontiguousarray((0.7 * q + 0.3 / k).T.reshape(k, *image.shape[:2])).astype(np.float32)


def of_refinement(table: Table, devices: list[str]) -> None:
    for side in sorted({512, 1024, table.side}):
        image = sample(side)
        p, others = soft_classes(image), soft_classes(image, seed=1)
        for device in devices:
            name = f"dense CRF, {side} px, 3 labels"
            table.time(f"{name}: first", device, partial(dense_crf, image, p, device=device), "ms")
            made = Factorisation(image, device=device)
            table.time(f"{name}: again", device, partial(made.refine, others), "ms")
            del made
    patches = np.stack(
        [sample(1024)[y : y + 224, x : x + 224] for y in range(0, 800, 100) for x in range(0, 800, 100)]
    )
    p = np.stack([soft_classes(patch) for patch in patches])
    for device in devices:
        n = 64 if device == "cuda" else 8
        batch = torch.from_numpy(patches[:n]).to(device), torch.from_numpy(p[:n]).to(device)
        table.time(
            "dense CRF, patches of 224 px together", device, partial(dense_crf, *batch), "patches/s", n
        )


def training_folder(folder: Path) -> Path:
    """64 patches of 256 px in two classes."""
    image = sample(1024)
    for number, (y, x) in enumerate((y, x) for y in range(0, 768, 96) for x in range(0, 768, 96)):
        place = folder / CLASSES.names[number % 2]
        place.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image[y : y + 256, x : x + 256]).save(place / f"p{number}.png")
    return folder


def trained(
    encoder: Encoder | None, *, rate: float | None, cache: Path | None, **changes: Any
) -> TrainingConfig:
    config = TrainingConfig(epochs=10_000, patch_mpp=0.5, image_size=256, **changes)
    model = config.model.model_dump() | {"encoder": "mini" if encoder is None else encoder.spec.id}
    config = config.changed(model=model, encoder_learning_rate=rate)
    return (
        config
        if cache is None
        else config.changed(feature_cache=True, cache_folder=str(cache), views_per_patch=2)
    )


def of_training(table: Table, devices: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        dataset = load_dataset(training_folder(folder / "patches"), class_names=CLASSES.names)
        base = transformer(768, 12, 12, "timm:base")
        cases: dict[str, tuple[Encoder | None, float | None, bool]] = {
            "train mini": (None, 1e-3, False),
            "train on frozen mini": (None, None, False),
            "train SegFormer MiT-B1 (14 M)": (ScratchEncoder("mit_b1"), 1e-4, False),
            "train on frozen ViT-B/16": (base, None, False),
            "train on kept features of ViT-B/16": (base, None, True),
        }
        for name, (encoder, rate, cached) in cases.items():
            for device in reversed(devices):
                for precision in ("auto", "float32") if device == "cuda" else ("auto",):
                    cache = folder / f"features {device} {precision}" if cached else None
                    size = 16 if device == "cuda" else 4
                    config = trained(encoder, rate=rate, cache=cache, precision=precision, batch_size=size)
                    row = name if precision == "auto" else f"{name}, float32 on the card"
                    steps_of(
                        table,
                        row,
                        device,
                        partial(train_steps, dataset, config, encoder=encoder, device=device),
                        size,
                    )


def steps_of(table: Table, name: str, device: str, begin: Callable[[], Any], size: int) -> None:
    """Patches a second in the median step of those that fit into a measurement; two are not counted."""
    if time.perf_counter() > table.until:
        print(f"  left out, no time: {name} on {device}", flush=True)
        return
    forget_peak()
    took: list[float] = []
    last = started = time.perf_counter()
    with contextlib.closing(begin()) as steps:
        for event in steps:
            now = time.perf_counter()
            if isinstance(event, StepDone):
                started = now if not took else started
                took.append(now - last)
                if len(took) > 3 and (now - started > table.each or len(took) > 60):
                    break
            last = now
    table.put(name, device, size / statistics.median(took[2:]), "patches of 256 px/s", higher=True)


def of_batch(table: Table, devices: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = sample(1024)
        for number in range(50):
            y, x = 10 * number, 500 - 10 * number
            Image.fromarray(large[y : y + 512, x : x + 512]).save(folder / f"{number:02}.png")
        for device in devices:
            predictor = load_model(DEFAULT_MODEL, device=device)
            sources = find_sources([folder])[: 50 if device == "cuda" else 16]
            settings = BatchSettings(segment=SegmentSettings(mpp=predictor.mpp))
            runs = iter(range(1000))

            def work(
                sources=sources, predictor=predictor, settings=settings, runs=runs, device=device
            ) -> None:
                run(run_batch_steps(sources, predictor, settings, folder / f"out {device} {next(runs)}"))

            table.time("batch of images of 512 px, refined, written", device, work, "images/s", len(sources))


def of_rounding(table: Table) -> list[dict[str, Any]]:
    """Tiles a second and equal labels where the card may round the network's products."""
    found = []
    image = sample(table.side)
    made: dict[str, Callable[[], Predictor]] = {
        "bundled model": partial(load_model, DEFAULT_MODEL, device="cuda"),
        "ViT-B/16": lambda: predictor_on(transformer(768, 12, 12, "timm:base"), "cuda"),
        "ViT-L/16": lambda: predictor_on(transformer(1024, 24, 16, "timm:large"), "cuda"),
    }
    for name, make in made.items():
        predictor = make()
        exact: np.ndarray | None = None
        for way, context in WAYS.items():
            if time.perf_counter() > table.until:
                return found
            small = Table(table.until, table.each)
            with context():
                labels = segment(image, predictor, PLAIN, mpp=predictor.mpp).labels
                exact = labels if exact is None else exact
                call = partial(lambda p: run(cam_steps(image, p, PLAIN, mpp=p.mpp)), predictor)
                small.time(f"{name}, {way}", "cuda", call, "tiles/s", len_of_plan(image, predictor))
            equal = float((labels == exact).mean())
            found += [
                {"model": name, "way": way, "tiles/s": row["cuda"], MEMORY: row[MEMORY], "equal": equal}
                for row in small.rows.values()
            ]
        del predictor
    return found


@contextlib.contextmanager
def _tf32(convolutions: bool, products: bool) -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = convolutions, products
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


WAYS: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "float32 throughout": partial(_tf32, False, False),
    "as the package does (tf32 in convolutions)": partial(_tf32, True, False),
    "tf32 throughout": partial(_tf32, True, True),
    "bfloat16": partial(torch.autocast, "cuda", torch.bfloat16),
    "float16": partial(torch.autocast, "cuda", torch.float16),
}


def rounding_table(found: list[dict[str, Any]]) -> str:
    lines = [
        f"| model | products on the card | tiles/s | equal labels | {MEMORY} |",
        "|---|---|---:|---:|---:|",
    ]
    lines += [
        f"| {r['model']} | {r['way']} | {digits(r['tiles/s'])} | {r['equal']:.2%} | {digits(r[MEMORY])} |"
        for r in found
    ]
    return "\n".join(lines)


def machine() -> str:
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no graphics card"
    return (
        f"{card}; CPU with {torch.get_num_threads()} threads of {os.cpu_count()}; torch {torch.__version__}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=220, help="of the whole; what does not fit is left out"
    )
    parser.add_argument("--each", type=float, default=2, help="seconds of repeating one measurement")
    parser.add_argument("--side", type=int, default=2048, help="of the largest image in pixels")
    parser.add_argument("--output", type=Path, help="folder for gpu.md and gpu.json")
    given = parser.parse_args()
    until = time.perf_counter() + given.seconds
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    table = Table(until, given.each, given.side)
    rounding: list[dict[str, Any]] = []

    def keep() -> str:
        text = "\n\n".join([machine(), table.markdown(), *([rounding_table(rounding)] if rounding else [])])
        if given.output is not None:
            given.output.mkdir(parents=True, exist_ok=True)
            (given.output / "gpu.md").write_text(text + "\n")
            numbers = {"machine": machine(), "rows": table.rows, "rounding": rounding}
            (given.output / "gpu.json").write_text(json.dumps(numbers, indent=1))
        return text

    table.keep = keep
    if "cuda" in devices:
        first = seconds(lambda: torch.ones(1, device="cuda"))
        table.put("first use of the card in a process", "cuda", 1000 * first, "ms", higher=False)
    for measure in (of_bundled, of_refinement, of_training, of_encoders, of_batch):
        started = time.perf_counter()
        try:
            measure(table, devices)
        except Exception as error:  # noqa: BLE001 - one part that fails must not cost the others
            print(f"  {measure.__name__} failed: {type(error).__name__}: {error}", flush=True)
        gc.collect()
        print(f"{measure.__name__}: {time.perf_counter() - started:.0f} s", flush=True)
    if "cuda" in devices:
        rounding += of_rounding(table)
    print(f"\n{keep()}")


if __name__ == "__main__":
    main()
