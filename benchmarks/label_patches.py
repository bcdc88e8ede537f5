"""Patches labelled with digit keys as fast as they come, in the real widget; and whether the folder trains.

    python benchmarks/label_patches.py [--patches 100] [--seed 0] [--train]

Cuts patches of the regions in ``../shared/data/camelyon`` (or of the sample), opens them in Label patches in
a real napari, and sends digits (one to three a patch, sometimes 0, sometimes a wrong one that is undone) and
Enter without a pause. Prints keys sent, labels set, labels in the table that differ from what was typed (the
bar is 0) and seconds. With ``--train`` the folder is trained on for a few steps. Starts itself again under
``xvfb-run`` where there is no display.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REGIONS = ROOT.parent / "shared" / "data" / "camelyon" / "val" / "img"
CLASSES = ("tumour", "lymphoid", "stroma")


def main() -> int:
    parser = argparse.ArgumentParser(description="Label patches with keys.")
    parser.add_argument("--patches", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", action="store_true", help="train on the folder for a few steps")
    options = parser.parse_args()
    ensure_display()
    from napari_construct.labelling.cut import cut_patches

    with tempfile.TemporaryDirectory() as home:
        os.environ["NAPARI_CONSTRUCT_WIDGETS"] = str(Path(home) / "widgets.ini")
        began = time.perf_counter()
        folder = cut_patches(
            REGIONS if REGIONS.is_dir() else ROOT / "src/napari_construct/data/samples/lymph_node_tumour.png",
            Path(home) / "to_label",
            CLASSES,
            count=options.patches,
            side=64,
            mpp=0.5,
            image_mpp=0.25,
            min_tissue=0.0,
        )
        print(f"cut: {time.perf_counter() - began:.1f} s")
        wrong = label(folder, options.seed)
        if options.train:
            train(folder)
    return int(wrong > 0)


def label(folder: Path, seed: int) -> int:
    """Label all patches of a folder; how many labels differ from what was typed."""
    import napari
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    from napari_construct.labelling.session import LabelSession
    from napari_construct.widgets.label.label_patches import LabelPatches

    viewer = napari.Viewer()
    widget = LabelPatches(viewer)
    viewer.window.add_dock_widget(widget, name="Label patches")
    widget.openFolder(str(folder))
    session = widget.session()
    if session is None:
        raise SystemExit(widget.message())
    QApplication.processEvents()
    rng, wanted, sent, slowest = random.Random(seed), [], 0, 0.0
    control = Qt.KeyboardModifier.ControlModifier
    began = time.perf_counter()

    def press(key: str | Qt.Key, held: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        nonlocal sent, slowest
        start = time.perf_counter()
        QTest.keyClick(widget.gallery, key, held)
        QApplication.processEvents()  # everything is drawn, too
        slowest = max(slowest, time.perf_counter() - start)
        sent += 1

    for number in widget.gallery.numbers():
        found = frozenset(rng.sample(range(len(CLASSES)), rng.choice((0, 1, 1, 1, 2, 3))))
        if rng.random() < 0.1:
            press(str(rng.randint(1, len(CLASSES))))
            press(Qt.Key.Key_Z, control)
        for tissue in sorted(found):
            press(str(tissue + 1))
        if not found:
            press("0")
        press(Qt.Key.Key_Return)
        wanted.append((number, found))
    seconds = time.perf_counter() - began
    viewer.close()
    QApplication.processEvents()
    with LabelSession(folder) as again:
        labels = sum(len(found) or 1 for _, found in wanted)
        wrong = sum(again.labels(number) != found for number, found in wanted)
        print(f"keys sent: {sent}; labels set: {labels} on {again.progress().labelled} patches")
        print(f"patches whose labels are not those typed: {wrong}")
        print(
            f"seconds: {seconds:.2f} ({1000 * seconds / sent:.1f} ms a key, slowest {1000 * slowest:.0f} ms)"
        )
    return wrong


def train(folder: Path) -> None:
    """A few steps with a tiny encoder."""
    from napari_construct.data.image_level import load_dataset
    from napari_construct.events import run
    from napari_construct.models.network.config import ModelConfig
    from napari_construct.training.config.config import TrainingConfig
    from napari_construct.training.loop.train import train_steps
    from napari_construct.widgets.jobs.triton_first import import_triton

    import_triton()  # napari was drawn in this process
    dataset = load_dataset(folder)
    config = TrainingConfig(model=ModelConfig(encoder="tiny", teacher=None), epochs=1, batch_size=16)
    trained = run(train_steps(dataset, config))
    print(f"trained on {len(dataset)} patches: {', '.join(trained.classes.names)}")


def ensure_display() -> None:
    """Replace this process by itself under xvfb-run where Linux has no display."""
    os.environ.setdefault("NAPARI_CONFIG", "")
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    xvfb = shutil.which("xvfb-run")
    if xvfb is None:
        raise SystemExit("expected a display or xvfb-run, found neither; install xvfb")
    os.execv(xvfb, [xvfb, "-a", "-s", "-screen 0 1600x1100x24", sys.executable, *sys.argv])


if __name__ == "__main__":
    raise SystemExit(main())
