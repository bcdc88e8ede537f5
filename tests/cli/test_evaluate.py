"""``napari-construct evaluate`` as users call it; that it prints and names broken files is in test_main."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from napari_construct.inference.segment import DEFAULT_MODEL
from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from napari_construct.models.checkpoints.locations import bundled_models

Call = Callable[..., Any]


@pytest.mark.skipif(DEFAULT_MODEL not in bundled_models(), reason="the bundled model is not made yet")
def test_bundled_model_on_a_real_region(call: Call, camelyon: Path, tmp_path: Path) -> None:
    files = {kind: tmp_path / "reports" / f"scores.{kind}" for kind in ("json", "markdown", "html")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    done = call("evaluate", camelyon / "val", "--ignore", 2, "--mpp", 0.25, *options)
    assert done.exit_code == 0, done.output
    found = json.loads(files["json"].read_text(encoding="utf-8"))
    for column in ("predicted", "oracle"):
        assert found[column].keys() == {"miou", "mdice", "fwiou", "iou", "dice"}
        assert found[column]["iou"].keys() == {"tumour", "lymphoid"}
    score = f"{100 * found['predicted']['miou']:.2f}"
    for text in (done.stdout, *(files[k].read_text(encoding="utf-8") for k in ("markdown", "html"))):
        assert score in text
    assert found["before_crf"]["oracle"]["miou"] != found["oracle"]["miou"]
    assert "http" not in files["html"].read_text(encoding="utf-8")
    assert sorted(p.name for p in (tmp_path / "reports").iterdir()) == sorted(p.name for p in files.values())


def test_seeds_are_averaged(call: Call, camelyon: Path, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / model.name
    other.parent.mkdir()
    other.write_bytes(model.read_bytes())
    folder = camelyon / "val"
    done = call("evaluate", folder, "-m", model, "-m", other, "--ignore", 2, "--no-crf", "--json", "-")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [m["name"] for m in found["models"]] == [str(model), str(other)]
    assert found["std"]["predicted"]["miou"] == 0
    assert found["before_crf"] is None
    twice = call("evaluate", folder, "-m", model, "-m", model, "--ignore", 2)
    assert twice.exit_code == 2
    assert "name each model once" in twice.stderr


def test_the_crf_is_the_models_choice(call: Call, camelyon: Path, model: Path, tmp_path: Path) -> None:
    """Without --crf or --no-crf; for evaluate and batch alike."""
    checkpoint = load_checkpoint(model)
    plain = tmp_path / "plain.construct"
    without = checkpoint.calibration.model_copy(update={"crf": False})
    save_checkpoint(plain, replace(checkpoint, calibration=without))
    for name, option, refined in ((model, (), True), (plain, (), False), (plain, ("--crf",), True)):
        done = call("evaluate", camelyon / "val", "--ignore", 2, "-m", name, *option, "--json", "-")
        assert (json.loads(done.stdout)["before_crf"] is not None) is refined
        image = max((camelyon / "val" / "img").iterdir())
        out = tmp_path / f"{name.stem}{len(option)}"
        assert call("batch", image, "-m", name, "-o", out, *option).exit_code == 0
        record = json.loads(next(out.glob("**/*[0-9].json")).read_text(encoding="utf-8"))
        assert (record["settings"]["crf"] is not None) is refined


def test_another_encoder_only_when_asked_for(call: Call, camelyon: Path, model: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.construct"
    save_checkpoint(stranger, replace(load_checkpoint(model), encoder_hash="0" * 64))
    command = ("evaluate", camelyon / "val", "--ignore", 2, "--no-crf", "--json", "-", "-m", stranger)
    refused = call(*command)
    assert refused.exit_code == 2
    assert "with hash 000000000000..." in refused.stderr
    assert "--any-encoder" in refused.stderr
    taken = call(*command, "--any-encoder")
    assert taken.exit_code == 0, taken.stderr
    own = call("evaluate", camelyon / "val", "--ignore", 2, "--no-crf", "--json", "-", "-m", model)
    found = json.loads(taken.stdout)
    assert found["oracle"] == json.loads(own.stdout)["oracle"]
    two = call(*command, "-m", model)  # two models that were trained with different weights of one encoder
    assert "expected models trained with the same weights of the encoder tiny" in two.stderr
    assert call(*command, "-m", model, "--any-encoder").exit_code == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--preset", "bcss"], "expected a model of the classes TUM, STR, LYM, NEC"),
        (["--html", "."], "expected a file for --html, got a folder"),
        (["--markdown", "."], "expected a file for --markdown, got a folder"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_impossible_options_are_reported_before_any_work(
    call: Call, camelyon: Path, model: Path, options: list[str], says: str
) -> None:
    done = call("evaluate", camelyon / "val", "-m", model, "--ignore", 2, *options)
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_masks_without_a_class_and_folders_without_masks(call: Call, model: Path, tmp_path: Path) -> None:
    alone = call("evaluate", tmp_path, "-m", model)
    assert "expected the folders img and mask inside" in alone.stderr
    for kind, array in (("img", np.full((64, 64, 3), 120)), ("mask", np.full((64, 64), 2))):
        (tmp_path / kind).mkdir()
        Image.fromarray(array.astype(np.uint8)).save(tmp_path / kind / "white.png")
    nothing = call("evaluate", tmp_path, "-m", model, "--ignore", 2, "--json", tmp_path / "scores.json")
    assert nothing.exit_code == 2
    assert "white.png: expected pixels of a class, got ignored ones only" in nothing.stderr
    assert not (tmp_path / "scores.json").exists()


def test_ablation_trains_compares_and_goes_on(call: Call, camelyon: Path, tmp_path: Path) -> None:
    settings = {
        "model": {"encoder": "tiny", "prototype_width": 16, "projection_hidden": 16, "fusion_width": 16},
        "epochs": 1,
        "image_size": 64,
        "num_workers": 0,
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    arguments = ["evaluate", camelyon / "val", "--ablate", "fusion,text", "--ignore", 2, "--no-crf"]
    arguments += ["--train", camelyon / "train", "--classes", "tumour,lymphoid", "--seeds", 2]
    arguments += ["--config", tmp_path / "recipe.yaml", "--device", "cpu", "--output", tmp_path / "out"]
    done = call(*arguments, "--json", tmp_path / "a.json", "--markdown", tmp_path / "a.md")
    assert done.exit_code == 0, done.output
    assert "text is left out: the encoder tiny has no text" in done.stderr
    full, fusion, text = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["variants"]
    assert len(full["predicted"]["miou"]["seeds"]) == len(fusion["predicted"]["miou"]["seeds"]) == 2
    assert text["skipped"]
    assert f"{100 * full['predicted']['miou']['mean']:.2f} ±" in (tmp_path / "a.md").read_text(
        encoding="utf-8"
    )
    models = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("*.construct")}
    assert len(models) == 4
    again = call(*arguments, "--json", tmp_path / "b.json")
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["variants"][0] == full
    assert models == {p: p.stat().st_mtime_ns for p in models}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--output", "out"], "expected --train (a folder of patches)"),
        (["--train", "."], "expected --output (a folder for the models)"),
        (["--model", "lymph-node"], "expected --ablate without --model"),
    ],
)
def test_ablation_names_missing_options(call: Call, camelyon: Path, options: list[str], says: str) -> None:
    done = call("evaluate", camelyon / "val", "--ablate", "crf", *options)
    assert done.exit_code == 2
    assert says in done.stderr


@pytest.mark.parametrize("ignore", [(), ("--ignore", 2)])
def test_an_own_mask_is_its_own_truth(
    call: Call, camelyon: Path, model: Path, tmp_path: Path, ignore: tuple[Any, ...]
) -> None:
    options = ("-m", model, "--no-crf", "--mpp", 0.25)
    (image,) = (camelyon / "val" / "img").glob("*.png")
    done = call("segment", image, "-o", tmp_path / "own", *options)
    assert done.exit_code == 0, done.output
    (tmp_path / "mask").mkdir()
    own = tmp_path / "own" / f"{image.stem}_mask.tif"
    own.rename(tmp_path / "mask" / f"{image.stem}.tif")
    done = call("evaluate", camelyon / "val" / "img", tmp_path / "mask", *options, *ignore, "--json", "-")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["record"]["masks"] == {"first_class": 1, "source": "record"}
    assert [iou for iou in found["predicted"]["iou"].values() if iou is not None] in ([1.0], [1.0, 1.0])
    assert "value 1 is the first class, 0 is unlabelled (as their own description says)" in done.stderr


def test_the_order_of_the_masks_can_be_stated(
    call: Call, camelyon: Path, model: Path, tmp_path: Path
) -> None:
    done = call(
        "evaluate", camelyon / "val", "--model", model, "--ignore", 2, "--mask-order", "lymphoid,tumour",
        "--json", tmp_path / "turned.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "turned.json").read_text())
    order = {"first_class": 0, "source": "assumed", "order": ["lymphoid", "tumour"]}
    assert found["record"]["masks"] == order
    wrong = call("evaluate", camelyon / "val", "--model", model, "--mask-order", "gland,tumour")
    assert wrong.exit_code != 0
    assert "name each class once (--mask-order)" in wrong.stderr


def test_the_first_class_can_be_stated(call: Call, camelyon: Path, model: Path) -> None:
    options = ("-m", model, "--no-crf", "--mpp", 0.25, "--json", "-")
    found = {}
    for first in (0, 1):
        done = call("evaluate", camelyon / "val", *options, "--ignore", 2, "--first-class", first)
        assert done.exit_code == 0, done.output
        found[first] = json.loads(done.stdout)
        assert found[first]["record"]["masks"] == {"first_class": first, "source": "stated"}
    assert found[0]["confusion"]["predicted"] != found[1]["confusion"]["predicted"]
    wrong = call("evaluate", camelyon / "val", *options)
    assert wrong.exit_code != 0
    assert "set the first class to 1 (--first-class 1); to leave these out, ignore them" in wrong.stderr
