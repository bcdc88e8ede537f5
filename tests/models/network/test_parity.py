"""The published preset against numbers of the released code; the benchmark is what is tested."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parity(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_benchmark", root / "benchmarks" / "parity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(shared / "parity" / "construct_reference.npz") as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(scope="module")
def computed(
    parity: ModuleType, golden: dict[str, np.ndarray[Any, Any]], shared: Path
) -> dict[str, np.ndarray[Any, Any]]:
    pytest.importorskip("pydensecrf", reason="the reference mask needs pydensecrf, which is absent here")
    return parity.recompute(golden, parity.load_make_tensor(shared / "parity" / "weights.py"))  # type: ignore[no-any-return]


def test_every_array_is_reproduced(parity: ModuleType, golden: Any, computed: Any) -> None:
    rows = parity.compare(golden, computed)
    assert {row.key for row in rows} == golden.keys() - parity.INPUTS
    assert [row for row in rows if not row.passed] == []
    mask = next(row for row in rows if row.key == "refined_mask")
    assert mask.deviation < 1e-3


@pytest.mark.parametrize(
    "key", ["student_2", "struct_loss_1", "cam", "fg_embeddings", "bg_loss", "tta_probabilities"]
)
def test_a_perturbed_array_fails(parity: ModuleType, golden: Any, computed: Any, key: str) -> None:
    perturbed = golden[key] + 3e-3 * np.abs(golden[key]).max() * (1 if key != "tta_probabilities" else 10)
    failed = [row.key for row in parity.compare({**golden, key: perturbed}, computed) if not row.passed]
    assert failed == [key]


def test_a_nan_a_shifted_mask_a_missing_and_an_unknown_key_fail(
    parity: ModuleType, golden: Any, computed: Any
) -> None:
    def failed(file: Any) -> list[str]:
        return [row.key for row in parity.compare(file, computed) if not row.passed]

    assert failed({**golden, "refined_mask": np.roll(golden["refined_mask"], 8, 2)}) == ["refined_mask"]
    assert failed({**golden, "bce": np.float32("nan")}) == ["bce"]
    assert failed({k: v for k, v in golden.items() if k != "cam"}) == ["cam"]
    assert failed({**golden, "surprise": np.zeros(3)}) == ["surprise"]
    assert failed({**golden, "cam": golden["cam"][:1]}) == ["cam"]


def test_other_images_and_the_exit_code(
    parity: ModuleType, golden: Any, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One image with other labels against its own numbers: what belongs to one image alone agrees."""
    one = {
        **golden,
        "images": golden["images"][1:],
        "labels": golden["labels"][1:],
        "masks": golden["masks"][1:],
    }
    for key in golden:
        if key.startswith(("student", "refined", "teacher", "cam", "cls_logits", "tta_prob")):
            one[key] = golden[key][1:]
    for key in ("fg_embeddings", "bg_embeddings"):
        one[key] = golden[key][3:]  # the first image has three classes
    np.savez(tmp_path / "one.npz", **one)
    report = tmp_path / "report.json"
    code = parity.main([
        str(tmp_path / "one.npz"), "--weights", str(shared / "parity" / "weights.py"), "--json", str(report),
    ])  # fmt: skip
    table = capsys.readouterr().out
    over = {row["key"] for row in json.loads(report.read_text()) if not row["passed"]}
    assert code == 1
    assert "OVER" in table
    # sums over both images cannot agree with one; all else does
    means = {"bce", "fg_loss", "bg_loss", "miou_mdice_fwiou", *(f"struct_loss_{k}" for k in range(4))}
    assert {"bce", "fg_loss", "bg_loss"} <= over <= means


def test_a_file_without_inputs_is_refused(
    parity: ModuleType, tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "empty.npz", cam=np.zeros(3))
    code = parity.main([str(tmp_path / "empty.npz"), "--weights", str(shared / "parity" / "weights.py")])
    assert code == 1
    assert "without images, labels, masks, tokens" in capsys.readouterr().out
