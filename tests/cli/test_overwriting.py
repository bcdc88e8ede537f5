"""Commands replace nothing of the user's, and none of their own inputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_construct.export.locks import locked_file, locked_folder
from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from napari_construct.models.checkpoints.locations import bundled_models

Call = Callable[..., Any]


@pytest.fixture
def own(model: Path, tmp_path: Path) -> Path:
    """A model that a test may lose."""
    return Path(shutil.copy(model, tmp_path / "own.construct"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def commands(own: Path, camelyon: Path, image: Path) -> dict[str, tuple[object, ...]]:
    return {
        "second-stage": ("second-stage", own, camelyon / "train", "--steps", 1),
        "calibrate": ("calibrate", own, camelyon / "val"),
        "retrain": ("retrain", own, camelyon / "val", "--steps", 1),
        "add": ("prototypes", "add", "-m", own, "--class", "tumour", "--image", image, "--mask", image),
    }


@pytest.mark.parametrize("command", ["second-stage", "calibrate", "add", "retrain"])
def test_a_model_is_never_written_over_itself(
    call: Call, own: Path, camelyon: Path, image: Path, tmp_path: Path, command: str
) -> None:
    words = commands(own, camelyon, image)[command]
    before = own.read_bytes()
    (tmp_path / "link.construct").symlink_to(own)
    os.link(own, tmp_path / "hard.construct")
    for output in ("own", "own.construct", "link", "hard"):
        for option in ((), ("--overwrite",)):
            done = call(*words, "-o", tmp_path / output, *option)
            assert done.exit_code == 2
            assert "expected an output that is none of the inputs" in done.stderr
    assert own.read_bytes() == before


@pytest.mark.parametrize("command", ["second-stage", "calibrate", "add", "retrain"])
def test_a_model_of_before_is_replaced_only_when_this_is_said(
    call: Call, own: Path, camelyon: Path, image: Path, tmp_path: Path, command: str
) -> None:
    words = commands(own, camelyon, image)[command]
    (tmp_path / "before.construct").write_bytes(b"of last week")
    done = call(*words, "-o", tmp_path / "before")
    assert done.exit_code == 2
    assert "or --overwrite to replace it" in done.stderr
    assert (tmp_path / "before.construct").read_bytes() == b"of last week"
    if command == "calibrate":
        assert call(*words, "-o", tmp_path / "before", "--overwrite").exit_code == 0
        load_checkpoint(tmp_path / "before.construct")


def test_a_training_that_was_stopped_is_not_lost_by_another(
    call: Call, camelyon: Path, tmp_path: Path
) -> None:
    state = tmp_path / "m.construct.training"
    state.write_bytes(b"hours of work")
    done = call("train", camelyon / "train", "-o", tmp_path / "m")
    assert done.exit_code == 2
    assert "--resume to continue, or --overwrite" in done.stderr.replace("\n", " ")
    assert state.read_bytes() == b"hours of work"


@pytest.mark.parametrize("option", ["--json", "--html", "--markdown"])
def test_reports_of_others_and_inputs_stay(
    call: Call, own: Path, camelyon: Path, tmp_path: Path, option: str
) -> None:
    shutil.copytree(camelyon / "val", tmp_path / "val")
    (image,) = (tmp_path / "val" / "img").iterdir()
    (mask,) = (tmp_path / "val" / "mask").iterdir()
    notes = tmp_path / "notes"
    notes.write_text("{}")
    for path in (image, mask, own, notes):
        before = path.read_bytes()
        done = call("evaluate", tmp_path / "val", "-m", own, "--no-crf", "--ignore", 2, option, path)
        assert done.exit_code == 2, path
        assert path.read_bytes() == before
        assert "choose another name" in done.stderr.replace("\n", " ")


def test_a_report_is_replaced_by_the_next(call: Call, own: Path, camelyon: Path, tmp_path: Path) -> None:
    files = [word for kind in ("json", "html", "markdown") for word in (f"--{kind}", tmp_path / f"a.{kind}")]
    for _ in range(2):
        done = call("evaluate", camelyon / "val", "-m", own, "--no-crf", "--ignore", 2, *files)
        assert done.exit_code == 0, done.stderr


def test_prototypes_replace_their_own_files_only(call: Call, own: Path, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        assert call("prototypes", "map", image, "-m", own, "-o", out).exit_code == 0
        assert call("prototypes", "top", image, "-m", own, "-o", out, "--count", 2).exit_code == 0
    for name in ("region_deciding.tif", "region_similarity.ome.tif", "region_prototypes.json"):
        theirs = tmp_path / "theirs" / name
        theirs.parent.mkdir(exist_ok=True)
        theirs.write_bytes(b"drawn by hand")
        assert call("prototypes", "map", image, "-m", own, "-o", theirs.parent).exit_code == 2
        assert [p.read_bytes() for p in theirs.parent.iterdir()] == [b"drawn by hand"]
        theirs.unlink()
    for name in ("top.png", "top_01.png", "top.json"):
        theirs = tmp_path / "theirs" / name
        theirs.write_bytes(b"drawn by hand")
        assert call("prototypes", "top", image, "-m", own, "-o", theirs.parent, "--count", 2).exit_code == 2
        assert [p.read_bytes() for p in theirs.parent.iterdir()] == [b"drawn by hand"]
        theirs.unlink()


def test_imported_models(call: Call, home: Path, own: Path, tmp_path: Path) -> None:
    assert call("models", "import", own, "--name", "mine").exit_code == 0
    assert call("models", "import", own, "--name", "mine").exit_code == 0  # the same again
    before = (home / "models" / "mine.construct").read_bytes()
    other = save_checkpoint(tmp_path / "other", load_checkpoint(next(iter(bundled_models().values()))))
    done = call("models", "import", other, "--name", "mine")
    assert done.exit_code == 2
    assert "replace the model (--overwrite), or remove it first" in done.stderr.replace("\n", " ")
    assert (home / "models" / "mine.construct").read_bytes() == before
    assert call("models", "import", other, "--name", "mine", "--overwrite").exit_code == 0
    assert (home / "models" / "mine.construct").read_bytes() != before
    done = call("models", "import", own, "--name", next(iter(bundled_models())))
    assert done.exit_code == 2
    assert "comes with napari-construct" in done.stderr
    for name in ("../mine", "a/b", "a\\b", ".."):
        assert call("models", "import", own, "--name", name).exit_code == 2
        assert call("models", "export", own, "-o", tmp_path / "out", "--name", name).exit_code == 2
    assert [path.name for path in (home / "models").iterdir()] == ["mine.construct"]


def test_exported_models(call: Call, own: Path, tmp_path: Path) -> None:
    before = own.read_bytes()
    done = call("models", "export", own, "-o", own.parent, "--overwrite")
    assert done.exit_code == 2
    assert "none of the inputs" in done.stderr
    assert own.read_bytes() == before
    assert not (tmp_path / "own.md").exists()
    assert call("models", "export", own, "-o", tmp_path / "out").exit_code == 0
    for name in ("own.construct", "own.md"):
        (tmp_path / "out" / "own.construct").unlink(missing_ok=True)
        (tmp_path / "out" / name).write_text("theirs")
        assert "or replace it (--overwrite)" in call(
            "models", "export", own, "-o", tmp_path / "out"
        ).stderr.replace("\n", " ")
        assert (tmp_path / "out" / name).read_text() == "theirs"
    assert call("models", "export", own, "-o", tmp_path / "out", "--overwrite").exit_code == 0
    load_checkpoint(tmp_path / "out" / "own.construct")


def test_whoever_comes_second_is_refused(
    call: Call, home: Path, own: Path, camelyon: Path, image: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with (
        locked_folder(out),
        locked_file(out / "m.construct"),
        locked_file(out / "own.construct"),
        locked_file(home / "models" / "own.construct"),
    ):
        for words in (
            ("batch", image, "-m", own, "-o", out),
            ("train", camelyon / "train", "-o", out / "m", "--encoder", "tiny", "--teacher", "none"),
            ("second-stage", own, camelyon / "train", "-o", out / "m"),
            ("models", "export", own, "-o", out),
            ("models", "import", own),
        ):
            done = call(*words)
            assert done.exit_code == 2, words
            assert f"process {os.getpid()} on" in done.stderr.replace("\n", " ")
    assert not list(out.iterdir())
