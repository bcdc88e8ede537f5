"""Memory of Segment while its encoder is switched: a real viewer, CONCH-sized weights.

    python benchmarks/encoder_switch.py [--rounds 3] [--json OUT.json]

Makes a file of CONCH's names and shapes and two models on it, then chooses the bundled model, the first, the
second, and the bundled one again, several times, with a run on a small image after each choice. Prints the
resident memory after each and the peak; then what stays when napari alone adds and removes as many plain
layers as a run does, which it does not give back either. Starts itself again under ``xvfb-run`` where there
is no display.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from encoder_memory import MB, make_file, peak, resident
from screenshots import ensure_display, settle, wait_for


def make_models(folder: Path) -> tuple[list[str], float]:
    """Weights where the catalogue finds them, two models on them; their names and megabytes of weights."""
    from napari_construct.classes import ClassTable
    from napari_construct.encoders.catalogue.lookup import create_encoder, find_entry
    from napari_construct.encoders.hub.store import own_folder
    from napari_construct.models.checkpoints.checkpoint import checkpoint_of, save_checkpoint
    from napari_construct.models.network.builder import build_model
    from napari_construct.models.network.config import ModelConfig

    path = own_folder(find_entry("conch")) / "pytorch_model.bin"
    path.parent.mkdir(parents=True)
    weights = make_file(path)
    table = ClassTable.from_names(("tumour", "stroma"))
    names = []
    for seed in (0, 1):
        model = build_model(
            ModelConfig(encoder="conch", prototype_width=512), create_encoder("conch"), 2, seed=seed
        )
        checkpoint = checkpoint_of(model, table, mpp=0.25)
        names.append(str(save_checkpoint(folder / f"conch{seed}.construct", checkpoint)))
        del model, checkpoint
    return names, weights


def layers_alone(viewer: Any, repeats: int = 12) -> float:
    """Megabytes that stay each time two images and labels are added and removed, with no dock of ours."""
    import numpy as np

    start = resident()
    place = {"scale": (0.25, 0.25), "units": ("um", "um")}
    for _ in range(repeats):
        for _ in range(2):
            limits = {"contrast_limits": (0, 1), "visible": False}
            viewer.add_image(np.zeros((256, 256), np.float32), **limits, **place)
        viewer.add_labels(np.ones((256, 256), np.uint8), **place)
        settle(0.3)
        remove_results(viewer)
    return (resident() - start) / repeats


def remove_results(viewer: Any) -> None:
    while len(viewer.layers) > 1:
        viewer.layers.pop()
    settle(0.3)


def measure(models: list[str], rounds: int) -> list[dict[str, Any]]:
    """Resident megabytes after each choice and run, and last what plain layers cost."""
    import napari
    import numpy as np

    viewer = napari.Viewer()
    pixels = np.random.default_rng(0).integers(60, 200, (256, 256, 3), dtype=np.uint8)
    viewer.add_image(pixels, rgb=True, scale=(0.25, 0.25), units=("um", "um"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-construct", "Segment")
    found = []
    for _ in range(rounds):
        for name in ("lymph-node", *models):
            widget.setModel(name)
            wait_for(lambda: not widget.control.blockedReason(), "the model")
            widget.run()
            wait_for(lambda: not widget.isRunning(), "the run")
            remove_results(viewer)
            found.append({"model": Path(name).stem, "resident_mb": resident(), "peak_mb": peak()})
            print(f"{Path(name).stem:<12} {resident():8.0f} MB   peak so far {peak():8.0f} MB", flush=True)
    viewer.window.remove_dock_widget(widget)
    found.append({"model": "plain layers", "resident_mb": layers_alone(viewer)})
    viewer.close()
    return found


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--models", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    ensure_display()
    if options.models:  # a process of its own, that made no weights
        rows = measure(options.models, options.rounds)
        print(json.dumps(rows))
        return 0
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"NAPARI_CONSTRUCT_HOME": folder, "NAPARI_CONSTRUCT_WIDGETS": f"{folder}/w.ini"}
        models, weights = make_models(Path(folder))
        command = [sys.executable, __file__, "--rounds", str(options.rounds), "--models", *models]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    *rows, plain = json.loads(done.stdout.splitlines()[-1])
    small = [row["resident_mb"] for row in rows if row["model"] == "lymph-node"]
    print("\n".join(done.stdout.splitlines()[:-1]))
    print(f"weights {weights:.0f} MB; bundled model, last against first time: {small[-1] - small[0]:+.0f} MB")
    print(f"napari alone, three plain layers added and removed: {plain['resident_mb']:+.1f} MB each time")
    if options.json is not None:
        options.json.write_text(
            json.dumps({"weights_mb": weights, "rows": [*rows, plain], "unit": MB}, indent=2)
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
