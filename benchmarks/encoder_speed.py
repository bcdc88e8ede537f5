"""Time from image to refined mask, of the bundled model, other models and other encoders, on the processor.

    python benchmarks/encoder_speed.py [--base FILE] [--encoder lite1 ...] [--stride 4] [--repeats 9]

The 1024 px sample is segmented in turn, in one process, with the model that all are compared with (by
default the bundled one), with the bundled model, and with untrained heads of its settings on other encoders.
"network" is the time in it; the time of the rest depends on what an untrained head shows. Seconds are those
of the processor, of all threads, which depend less on what else the machine does. Set OMP_NUM_THREADS, and
OMP_WAIT_POLICY=passive for more than one thread, as threads that wait otherwise count as work.
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
    """Counts the processor's seconds that the network takes."""

    seconds = 0.0

    def maps(self, images: torch.Tensor, read: Callable[[Any], torch.Tensor]) -> torch.Tensor:
        started = time.process_time()
        found = super().maps(images, read)
        self.seconds += time.process_time() - started
        return found


def untrained(bundled: Predictor, encoder_id: str, stride: int) -> Timed:
    """A model with the bundled one's settings on another encoder; its head knows nothing."""
    old = bundled.checkpoint
    encoder = create_encoder(encoder_id)
    config = old.config.model_copy(update={"encoder": encoder_id, "cam_stride": stride})
    model = build_model(config, encoder, len(old.classes))
    checkpoint = checkpoint_of(model, old.classes, old.calibration, mpp=old.mpp, training=old.training)
    return Timed(checkpoint, "cpu", encoder=encoder, name=f"untrained {encoder_id}, stride {stride}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, help="Model that the others are compared with.")
    parser.add_argument("--encoder", nargs="*", default=[])
    parser.add_argument("--stride", nargs="*", type=int, default=[4])
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    path = resolve_model("lymph-node")
    bundled = Timed(load_checkpoint(path), "cpu", name="lymph-node")
    models = [Timed(load_checkpoint(given.base), "cpu", name=str(given.base))] if given.base else []
    models += [bundled]
    models += [untrained(bundled, e, s) for e in given.encoder for s in given.stride]
    image = read_image(SAMPLE).pixels
    seconds: dict[str, list[tuple[float, float]]] = {}
    for i in range(given.repeats + 1):
        for model in models:
            model.seconds, started = 0.0, time.process_time()
            segment(image, model, mpp=0.25)
            if i:  # the first run compiles
                took = time.process_time() - started
                seconds.setdefault(model.name, []).append((model.seconds, took))
    base = [whole for _, whole in seconds[models[0].name]]
    print(f"{torch.get_num_threads()} thread(s), processor seconds, least and median of {given.repeats}")
    for name, pairs in seconds.items():
        network, whole = zip(*pairs, strict=True)
        print(
            f"{name}: network {min(network):.3f} {median(network):.3f}, image to mask {min(whole):.3f} "
            f"{median(whole):.3f}, ratio {min(whole) / min(base):.2f} {median(whole) / median(base):.2f}"
        )


if __name__ == "__main__":
    main()
