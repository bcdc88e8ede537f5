from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_construct import __version__
from napari_construct.cli import viewer
from napari_construct.cli.demo import SAMPLE_CLASSES
from napari_construct.exceptions import ConstructError
from napari_construct.inference.segment import DEFAULT_MODEL
from napari_construct.models.checkpoints.locations import bundled_models

Call = Callable[..., Any]
COMMAND = [sys.executable, "-m", "napari_construct"]


def _run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=120, check=False, **options
    )


def test_version(call: Call) -> None:
    done = call("--version")
    assert (done.exit_code, done.stdout) == (0, f"napari-construct {__version__}\n")


def test_help_lists_commands_and_exit_codes(call: Call) -> None:
    text = call("--help").stdout
    for command in ("segment", "train", "evaluate", "demo", "app"):
        assert f"\n  {command} " in text
        assert call(command, "--help").exit_code == 0
    assert "1 some items failed" in text


def _seconds(*command: str) -> float:
    """Processor time of one run; the time on the clock would measure the neighbours too."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert _run(*command).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processor times of children need POSIX")
@pytest.mark.parametrize("arguments", [[], ["segment"], ["train"]])
def test_help_is_instant(arguments: list[str]) -> None:
    """At most 0.3 s where the libraries it is written with load in 0.1 s; a slow machine gets more."""
    libraries = (sys.executable, "-c", "import typer; from pydantic import BaseModel")
    rounds = [(_seconds(*libraries), _seconds(*COMMAND, *arguments, "--help")) for _ in range(8)]
    least, ours = (min(times) for times in zip(*rounds, strict=True))
    assert ours < 3 * least
    loaded = _run(sys.executable, "-X", "importtime", "-m", "napari_construct", *arguments, "--help").stderr
    modules = {line.rsplit("|", 1)[-1].strip() for line in loaded.splitlines()}
    assert not modules & {"torch", "numpy", "napari"}


def test_real_process_one_line_error_and_traceback(image: Path, tmp_path: Path) -> None:
    short = _run(*COMMAND, "segment", image, "--model", "no-such", "-o", tmp_path)
    assert short.returncode == 2
    assert short.stdout == ""
    assert short.stderr.count("\n") == 1
    assert "no-such" in short.stderr
    long = _run(*COMMAND, "--debug", "segment", image, "--model", "no-such", "-o", tmp_path)
    assert long.returncode != 0
    assert "Traceback" in long.stderr
    assert "CheckpointError" in long.stderr


def test_real_process_segments(image: Path, model: Path, tmp_path: Path) -> None:
    done = _run(*COMMAND, "segment", image, "--model", model, "--no-crf", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "region_mask.tif").is_file()


def test_cancel_is_130(call: Call, image: Path, model: Path, tmp_path: Path, monkeypatch: Any) -> None:
    def pressed(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_construct.inference.segment.segment_steps", pressed)
    done = call("segment", image, "-m", model, "-o", tmp_path / "out")
    assert done.exit_code == 130
    assert done.stderr == "cancelled\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_errors_of_torch_take_one_line(call: Call, image: Path, model: Path, monkeypatch: Any) -> None:
    def broken(*arguments: object, **settings: object) -> None:
        raise RuntimeError("shape mismatch\nin layer 3")

    monkeypatch.setattr("napari_construct.inference.loading.load_model", broken)
    done = call("segment", image, "-m", model)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: RuntimeError: shape mismatch in layer 3\n")


def test_evaluate_prints_and_writes(call: Call, camelyon: Path, model: Path, tmp_path: Path) -> None:
    import json

    target = tmp_path / "scores.json"
    folders = (camelyon / "val" / "img", camelyon / "val" / "mask")
    done = call("evaluate", *folders, "-m", model, "--ignore", 2, "--no-crf", "--mpp", 0.25, "--json", target)
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text(encoding="utf-8"))
    for column in ("predicted", "oracle"):
        assert 0 <= found[column]["miou"] <= 1
        assert found[column]["iou"].keys() == {"tumour", "lymphoid"}
    assert f"{100 * found['predicted']['miou']:.2f}" in done.stdout
    unread = call("evaluate", *folders, "-m", model, "--no-crf")
    assert unread.exit_code == 2  # value 2 is no class, so nothing could be scored
    assert "--ignore 2" in unread.stderr
    to_stdout = call("evaluate", *folders, "-m", model, "--ignore", 2, "--no-crf", "--json", "-")
    assert json.loads(to_stdout.stdout)["predicted"].keys() == found["predicted"].keys()


def test_evaluate_with_a_broken_image(call: Call, camelyon: Path, model: Path, tmp_path: Path) -> None:
    import shutil

    for kind in ("img", "mask"):
        shutil.copytree(camelyon / "val" / kind, tmp_path / kind)
        (first,) = (tmp_path / kind).glob("*.png")
        shutil.copy(first, tmp_path / kind / "zz.png")
    (tmp_path / "img" / "zz.png").write_bytes(b"no image")
    done = call("evaluate", tmp_path / "img", tmp_path / "mask", "-m", model, "--ignore", 2, "--no-crf")
    assert done.exit_code == 1
    assert "zz.png" in done.stderr
    assert "1 image(s) not scored: zz.png" in done.stderr
    nothing = call("evaluate", tmp_path, tmp_path / "mask", "-m", model)
    assert nothing.exit_code == 2
    assert "give both the same stem" in nothing.stderr


def test_demo_with_another_model(call: Call, model: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """The whole demo but the bundled model."""
    opened: list[Path] = []
    monkeypatch.setattr("napari_construct.cli.demo.open_result", lambda *files: opened.extend(files))
    monkeypatch.setattr("napari_construct.cli.demo.why_no_viewer", lambda: "")
    done = call("demo", "--model", model, "--output", tmp_path / "demo")
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "demo").iterdir())) == 4
    assert "mean IoU" in done.stdout
    assert "segmentation" in done.stdout
    assert [p.name for p in opened] == ["lymph_node_tumour.json", "lymph_node_tumour.png"]


def test_demo_without_its_model_or_display(call: Call, model: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("napari_construct.models.checkpoints.locations.bundled_models", dict)
    done = call("demo", "--output", tmp_path / "demo")
    assert done.exit_code == 2
    assert "lymph-node" in done.stderr
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform.startswith("linux"):
        assert viewer.why_no_viewer()
        refused = call("app")
        assert refused.exit_code == 2
        assert "cannot open napari" in refused.stderr


@pytest.mark.skipif(DEFAULT_MODEL not in bundled_models(), reason="the bundled model is not made yet")
def test_demo_as_a_user_calls_it(tmp_path: Path) -> None:
    done = _run(*COMMAND, "demo", "--no-viewer", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in SAMPLE_CLASSES:
        assert f"{name}: " in done.stdout
    assert len(list((tmp_path / "napari-construct-demo").iterdir())) == 4


def test_napari_is_named_where_it_is_missing(monkeypatch: Any) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install" in viewer.why_no_viewer()
    with pytest.raises(ConstructError, match="napari is not installed"):
        viewer.app()


def test_app_starts_napari_after_torch(monkeypatch: Any) -> None:
    started: list[Any] = []
    monkeypatch.setattr("napari_construct.cli.viewer.why_no_viewer", lambda: "")
    monkeypatch.setattr(
        "runpy.run_module", lambda name, **how: started.append((name, "torch" in sys.modules))
    )
    monkeypatch.setattr(sys, "argv", ["napari-construct", "app"])
    viewer.app([Path("a.png")])
    assert started == [("napari", True)]
    assert sys.argv == ["napari", "a.png", "--with", "napari-construct", "ConStruct"]


def test_results_open_in_a_process_of_their_own(monkeypatch: Any) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    viewer.open_result(Path("r.json"), Path("i.png"))
    assert commands == [
        [sys.executable, "-m", "napari_construct.widgets.files.view_result", "r.json", "i.png"]
    ]
