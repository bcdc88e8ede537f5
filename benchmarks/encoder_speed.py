"""Time from image to refined mask with other encoders, as a ratio to the bundled model; on the processor.

    python benchmarks/encoder_speed.py [--encoder lite0 ...] [--stride 8 4] [--repeats 5] [--bfloat16]

The 1024 px sample is segmented with the bundled model and with untrained heads of the same settings on each
encoder, calibrated alike, in turn and in one process. "network" is the time in it; the time of the
rest depends on what an untrained head shows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from napari_construct.data.images import read_image
from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.segment import segment
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, load_checkpoint
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.models.network.builder import build_model

SAMPLE = Path(__file__).resolve().parents[1] / "src/napari_construct/data/samples/lymph_node_tumour.png"


class Timed(Predictor):
    """Counts the seconds that the network takes."""

    seconds = 0.0

    def maps(self, images: torch.Tensor, read: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        started = time.perf_counter()
        found = super().maps(images, read)
        self.seconds += time.perf_counter() - started
        return found


def untrained(bundled: Predictor, encoder_id: str, stride: int) -> Timed:
    """A model with the bundled one's settings on another encoder; its head knows nothing."""
    old = bundled.checkpoint
    encoder = create_encoder(encoder_id)
    config = old.config.model_copy(update={"encoder": encoder_id, "cam_stride": stride})
    model = build_model(config, encoder, len(old.classes))
    made = checkpoint_of(model, old.classes, old.calibration, mpp=old.mpp, training=old.training)
    return Timed(made, "cpu", encoder=encoder, name=f"{encoder_id}, stride {stride}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", nargs="*", default=["lite0"])
    parser.add_argument("--stride", nargs="*", type=int, default=[8, 4])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bfloat16", action="store_true", help="Also with the network in bfloat16.")
    given = parser.parse_args()
    path = resolve_model("lymph-node")
    bundled = Timed(load_checkpoint(path), "cpu", name="lymph-node")
    image = read_image(SAMPLE).pixels
    models = [bundled, *(untrained(bundled, e, s) for e in given.encoder for s in given.stride)]
    ways = [(m, False) for m in models] + [(m, True) for m in models[1:] if given.bfloat16]
    seconds: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for i in range(given.repeats + 1):
        for model, short in ways:
            with torch.autocast("cpu", torch.bfloat16, enabled=short):
                model.seconds, started = 0.0, time.perf_counter()
                segment(image, model, mpp=0.25)
            if i:  # the first run compiles
                took = time.perf_counter() - started
                seconds.setdefault((model.name, short), []).append((model.seconds, took))
    base = seconds[bundled.name, False]
    for (name, short), pairs in seconds.items():
        network, whole = (median(p[j] for p in pairs) for j in (0, 1))
        ratios = sorted((q[1] - q[0] + p[0]) / q[1] for p, q in zip(pairs, base, strict=True))
        print(
            f"{name}{' bfloat16' if short else ''}: network {network:.3f} s, image to mask {whole:.3f} s, "
            f"ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
