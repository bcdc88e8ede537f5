"""Parity of the published preset with the released ConStruct code, array by array.

``python benchmarks/parity.py FILE.npz [--weights weights.py] [--json FILE]`` recomputes every array of a file
of golden numbers and prints the largest deviation of each beside its bound. Exit code 1: one is over its
bound, missing or unknown.

Deviations are relative to the array's largest magnitude (features, CAM, embeddings, losses, scores: 1e-4),
absolute for probabilities (2e-3), and the share of differing pixels for the mask (1e-3).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_construct.crf import dense_crf
from napari_construct.encoders.networks.conch import ConchEncoder
from napari_construct.encoders.networks.mix_transformer import MixTransformer
from napari_construct.losses.classification import classification_loss
from napari_construct.losses.info_nce import foreground_background
from napari_construct.losses.relational_distillation import relational_distillation
from napari_construct.metrics.segmentation import confusion_matrix, scores_from_confusion
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import BCSS_MEAN, BCSS_STD, ModelConfig
from napari_construct.models.network.construct import ConstructNet, ConstructOutput
from napari_construct.models.network.released_arithmetic import region_crops, teacher_images
from napari_construct.refinement.cam import published_crf_image, published_probabilities
from napari_construct.refinement.regions import region_weights
from napari_construct.refinement.views import SIX_VIEWS

Arrays = dict[str, npt.NDArray[Any]]
MakeTensor = Callable[[str, tuple[int, ...]], npt.NDArray[Any]]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "parity"
INPUTS = {"images", "labels", "tokens", "masks"}
HASH = "tta_full_sha"
LEVELS = range(4)
STUDENT_STEP, TEACHER_STEP, PIXEL_STEP = 96, 16, 4
BANK = (64, 512)
BATCH = 4


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    deviation: float | None
    bound: float | None
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.bound is None or (self.deviation is not None and self.deviation <= self.bound)


@dataclass(frozen=True)
class Networks:
    """Student with its published head, and teacher, with the deterministic weights."""

    model: ConstructNet
    conch: ConchEncoder
    teacher: MixTransformer


def load_make_tensor(path: Path) -> MakeTensor:
    """``tensor(name, shape)`` of a weights.py."""
    spec = importlib.util.spec_from_file_location("parity_weights", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: expected a Python file with tensor(name, shape)")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make: MakeTensor = module.tensor
    return make


def build_conch(make: MakeTensor) -> ConchEncoder:
    names = ConchEncoder(grid=14).state_dict()
    state = {name: _tensor(make(f"conch.{name}", tuple(value.shape))) for name, value in names.items()}
    return ConchEncoder.from_state_dict(state)


def build_teacher(make: MakeTensor) -> MixTransformer:
    teacher = MixTransformer("mit_b1")
    fill(teacher.mit, lambda name: f"segformer.{name}", make)
    return teacher


def build_networks(make: MakeTensor, tokens: npt.NDArray[Any]) -> tuple[Networks, Tensor]:
    """Networks whose prototypes are the embeddings of ``tokens``, and these embeddings."""
    conch = build_conch(make)
    text = conch.embed_tokens(tokens)
    model = build_model(ModelConfig.of_preset("published"), conch, len(text), start=text[:, None])
    fill(model.head.adapters, lambda name: f"construct.structure_adapters.{name}", make)
    fill(model.head.adaptive_layers, lambda name: f"construct.l_fc{int(name[0]) + 1}{name[1:]}", make)
    with torch.no_grad():
        model.head.logit_scale.copy_(_tensor(make("construct.logit_scale", ())))
    return Networks(model.eval(), conch, build_teacher(make)), text


def fill(module: nn.Module, rename: Callable[[str], str], make: MakeTensor) -> None:
    with torch.no_grad():
        for name, value in module.state_dict().items():
            value.copy_(_tensor(make(rename(name), tuple(value.shape))))


@torch.no_grad()
def recompute(golden: Mapping[str, npt.NDArray[Any]], make: MakeTensor) -> Arrays:
    """Every array of the file but the inputs, computed by this project."""
    networks, text = build_networks(make, golden["tokens"])
    images = torch.from_numpy(golden["images"]).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(golden["labels"]).float()
    output = networks.model(images)
    arrays: Arrays = {
        "text_embeddings": text.numpy(),
        "projected_prototypes": F.normalize(output.projected, dim=-1).numpy(),
        "cam": output.cam.numpy(),
        "cls_logits": output.class_logits.numpy(),
        "bce": classification_loss(output.class_logits, labels).numpy(),
    }
    arrays |= levels(networks, output, images)
    arrays |= contrast(networks, output, images, labels, _tensor(make("memory_bank", BANK)))
    arrays |= masks(networks, images, labels, golden)
    return arrays


def levels(networks: Networks, output: ConstructOutput, images: Tensor) -> Arrays:
    teacher = networks.teacher(teacher_images(images))
    arrays: Arrays = {}
    for k in LEVELS:
        arrays[f"student_{k}"] = output.student[k][:, ::STUDENT_STEP].numpy()
        arrays[f"refined_{k}"] = output.refined[k][:, ::STUDENT_STEP].numpy()
        arrays[f"teacher_{k}"] = teacher[k][:, ::TEACHER_STEP].numpy()
        arrays[f"struct_loss_{k}"] = relational_distillation(output.refined[k], teacher[k]).numpy()
    return arrays


def contrast(
    networks: Networks, output: ConstructOutput, images: Tensor, labels: Tensor, bank: Tensor
) -> Arrays:
    weights = region_weights(output.cam, labels, (images.shape[-2], images.shape[-1]))
    foreground, background = (
        torch.cat([networks.conch.embed_images(part) for part in crops.split(BATCH)])
        for crops in region_crops(images, weights, networks.conch.spec.mean)
    )
    losses = foreground_background(
        foreground, background, output.prototypes, weights.classes, bank=F.normalize(bank, dim=-1)
    )
    return {
        "fg_embeddings": foreground.numpy(),
        "bg_embeddings": background.numpy(),
        "fg_loss": losses.foreground.numpy(),
        "bg_loss": losses.background.numpy(),
    }


def masks(
    networks: Networks, images: Tensor, labels: Tensor, golden: Mapping[str, npt.NDArray[Any]]
) -> Arrays:
    cams = [
        torch.cat(
            [view.undo(networks.model(view.apply(part, BCSS_MEAN)).cam) for part in images.split(BATCH)]
        )
        for view in SIX_VIEWS
    ]
    probabilities = published_probabilities(cams, labels, images.shape[-2:]).numpy()
    picture = published_crf_image(golden["images"], BCSS_MEAN, BCSS_STD)
    digest = hashlib.sha256(np.ascontiguousarray(probabilities).tobytes()).digest()
    return {
        "tta_probabilities": probabilities[:, :, ::PIXEL_STEP, ::PIXEL_STEP],
        "refined_mask": dense_crf(picture, probabilities, backend="pydensecrf").labels,
        "miou_mdice_fwiou": scores(golden, labels.shape[1]),
        HASH: np.frombuffer(digest, dtype=np.uint8),
    }


def scores(golden: Mapping[str, npt.NDArray[Any]], k: int) -> npt.NDArray[Any]:
    """Mean IoU and Dice of the k tissue classes, and the frequency-weighted IoU with background, in %.

    Of the file's own ``refined_mask``, so that the scores' arithmetic is compared and not the mask once more.
    """
    if "masks" not in golden or "refined_mask" not in golden:
        return np.array([])
    matrix = confusion_matrix(golden["masks"], golden["refined_mask"] + 1, k + 1)
    parts = scores_from_confusion(matrix)
    return 100 * np.array([np.nanmean(parts["iou"][:k]), np.nanmean(parts["dice"][:k]), parts["fwiou"]])


def compare(golden: Mapping[str, npt.NDArray[Any]], computed: Arrays) -> list[Row]:
    """A row for each key of either side, in the order of the file."""
    rows = [Row(key, None, 0.0, "missing in the file") for key in sorted(INPUTS - golden.keys())]
    for key, expected in golden.items():
        if key in INPUTS:
            continue
        if key not in computed:
            rows.append(Row(key, None, 0.0, "unknown: nothing here computes it"))
        elif computed[key].shape != expected.shape:
            rows.append(Row(key, None, 0.0, f"shape {computed[key].shape}, expected {expected.shape}"))
        else:
            rows.append(_row(key, expected, computed[key]))
    rows += [Row(key, None, 0.0, "missing in the file") for key in computed if key not in golden]
    return rows


def _row(key: str, expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> Row:
    if key == HASH:
        same = "equal" if np.array_equal(expected, found) else "differs"
        return Row(
            key, None, None, f"{same}; a hash of float32 bits, which rounding alone changes: not bounded"
        )
    if key == "refined_mask":
        return Row(key, float((expected != found).mean()), 1e-3, "share of pixels that differ")
    deviation = _largest(np.abs(found.astype(np.float64) - expected.astype(np.float64)))
    if key == "tta_probabilities":
        return Row(key, deviation, 2e-3, "absolute")
    scale = _largest(np.abs(expected.astype(np.float64)))
    return Row(key, deviation / scale if scale else deviation, 1e-4)


def _largest(values: npt.NDArray[np.float64]) -> float:
    """Maximum; infinity where a value is not finite, so that NaN never passes."""
    if not values.size:
        return 0.0
    return float(values.max()) if np.isfinite(values).all() else float("inf")


def print_table(rows: list[Row]) -> None:
    print(f"{'key':<22}{'deviation':>12}{'bound':>10}  ")
    for row in rows:
        deviation = "-" if row.deviation is None else f"{row.deviation:.2e}"
        bound = "-" if row.bound is None else f"{row.bound:.0e}"
        print(
            f"{row.key:<22}{deviation:>12}{bound:>10}  {'ok' if row.passed else 'OVER'}  {row.note}".rstrip()
        )


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", default=SHARED / "construct_reference.npz")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights.py")
    parser.add_argument("--json", type=Path, help="write the table here, too")
    options = parser.parse_args(arguments)
    for path in (options.file, options.weights):
        if not path.is_file():
            parser.error(f"{path}: expected a file, got none")
    with np.load(options.file, allow_pickle=False) as archive:
        golden = {key: archive[key] for key in archive.files}
    absent = sorted(INPUTS - golden.keys())
    if absent:
        print(f"{options.file}: expected {', '.join(sorted(INPUTS))}, got a file without {', '.join(absent)}")
        return 1
    rows = compare(golden, recompute(golden, load_make_tensor(options.weights)))
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps([{**vars(row), "passed": row.passed} for row in rows], indent=2))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
