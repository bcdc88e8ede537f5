"""Any path in any field of a dock ends in its own message: no traceback, and nothing waits for ever."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication

from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.batch.batch import Batch
from napari_construct.widgets.evaluate.evaluate import Evaluate
from napari_construct.widgets.evaluate.settings import EvaluateSettings
from napari_construct.widgets.models.models import Models
from napari_construct.widgets.parts.class_table import ClassTableEditor
from napari_construct.widgets.prototypes.prototypes import Prototypes
from napari_construct.widgets.segment.segment_tissue import SegmentTissue
from napari_construct.widgets.train.train_adapters import TrainAdapters

pytestmark = pytest.mark.gui

KINDS = [
    "absent", "file", "empty", "folder", "pipe", "dangling", "loop", "refused file", "refused folder",
    "newline", "latin-1", "250 letters", "300 letters", "NUL", "surrogate", "below a file", "html", "device",
]  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch) -> Callable[[str, str], str]:
    """Makes what lies at a path of a kind, with a suffix, and returns the path."""

    def made(kind: str, suffix: str) -> str:
        names = {
            "newline": "a\nb",
            "latin-1": os.fsdecode(b"Pr\xe4parat"),
            "250 letters": "x" * (250 - len(suffix)),
            "300 letters": "x" * 300,
            "NUL": "a\0b",
            "surrogate": "a\ud800b",
            "below a file": "file/a",
            "html": "<b>x<b><img src=x>",
        }
        path = Path(f"{tmp_path}/{names.get(kind, 'place')}{suffix}")
        (tmp_path / "file").write_text("text")
        if kind in ("folder", "refused folder"):
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "dangling":
            path.symlink_to(tmp_path / "nothing")
        elif kind == "loop":
            path.symlink_to(path)
        elif kind == "device":
            path.symlink_to("/dev/zero")
        elif kind in ("file", "refused file", "newline", "latin-1", "250 letters", "html"):
            path.write_text("neither an image nor a model")
        elif kind == "empty":
            path.touch()
        if kind.startswith("refused"):
            refuse(monkeypatch, str(path))
        return str(path)

    return made


def refuse(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Root may read everything: the system's refusal is put in its place."""
    for module, name in ((os, "open"), (builtins, "open"), (os, "stat"), (os, "scandir"), (os, "listdir")):
        usual = getattr(module, name)

        def maybe(at: Any = ".", *rest: Any, usual: Any = usual, **more: Any) -> Any:
            if isinstance(at, str | os.PathLike) and os.fspath(at).startswith(path):
                raise PermissionError(13, "Permission denied", os.fspath(at))
            return usual(at, *rest, **more)

        monkeypatch.setattr(module, name, maybe)


def settled(qtbot: Any, widget: Any) -> str:
    """The message when nothing runs any more; it is one of ours."""
    busy = ("isLooking", "isPreparing", "isListing", "isRunning")
    qtbot.waitUntil(
        lambda: (
            "being loaded" not in widget.message()
            and not any(getattr(widget, name)() for name in busy if hasattr(widget, name))
        ),
        timeout=20_000,
    )
    QApplication.processEvents()
    message = str(widget.message())
    assert "Unexpected error" not in message, message
    assert "Traceback" not in message
    return message


def docked(viewer: Any, widget: Any) -> Any:
    viewer.window.add_dock_widget(widget, name="dock")
    return widget


@pytest.mark.parametrize("kind", KINDS)
def test_train(qtbot, viewer, place, kind) -> None:
    widget = docked(viewer, TrainAdapters(viewer))
    for suffix in ("", ".csv"):
        path = place(kind, suffix)
        widget.setData(path)
        assert settled(qtbot, widget)
        widget.setValidation(path)
        assert settled(qtbot, widget)
    widget.setOutput(place(kind, ".construct"))
    settled(qtbot, widget)


@pytest.mark.parametrize("kind", KINDS)
def test_train_with_patches(qtbot, viewer, place, camelyon, kind) -> None:
    """The data are good; the validation data, then the model's file, are not."""
    widget = docked(viewer, TrainAdapters(viewer))
    widget.setData(str(camelyon / "train"))
    widget.setValidation(place(kind, ""))
    settled(qtbot, widget)
    widget.setValidation("")
    widget.setOutput(place(kind, ".construct"))
    settled(qtbot, widget)
    widget.setOutput(place(kind, ".d") + "/model.construct")
    settled(qtbot, widget)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluate(qtbot, viewer, place, camelyon, checkpoint, kind) -> None:
    widget = docked(viewer, Evaluate(viewer))
    widget.setValue(EvaluateSettings(mode="folders", model=str(checkpoint)))
    for folders in ((place(kind, ""), ""), (str(camelyon / "val" / "img"), place(kind, ".d"))):
        widget.setFolders(*folders)
        widget.run()
        assert settled(qtbot, widget)


@pytest.mark.parametrize("kind", KINDS)
def test_batch(qtbot, viewer, place, checkpoint, camelyon, tmp_path, kind) -> None:
    from napari_construct.batch.settings import BatchSettings

    quick = SegmentSettings(tile=128, overlap=32, crf=None)
    widget = docked(viewer, Batch(viewer))
    widget.setValue(BatchSettings(model=str(checkpoint), segment=quick))
    widget.setOutput(str(tmp_path / "out"))
    widget.addPaths([place(kind, ".png"), place(kind, "")])
    widget.run()
    assert settled(qtbot, widget)
    widget._inputs._inputs.clear()
    widget.addPaths([str(min((camelyon / "train" / "tumour").iterdir()))])
    widget.setOutput(place(kind, ".out"))
    widget.run()
    assert settled(qtbot, widget)


@pytest.mark.parametrize("kind", KINDS)
def test_models_of_segment_and_prototypes(qtbot, viewer, place, tissue, kind) -> None:
    viewer.add_image(tissue, rgb=True)
    path = place(kind, ".construct")
    for widget in (docked(viewer, SegmentTissue(viewer)), docked(viewer, Prototypes(viewer))):
        widget.setModel(path)
        assert settled(qtbot, widget)


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_prototypes(qtbot, viewer, place, tissue, checkpoint, kind) -> None:
    viewer.add_image(tissue, rgb=True)
    widget = docked(viewer, Prototypes(viewer))
    widget.setModel(str(checkpoint))
    settled(qtbot, widget)
    widget.search(place(kind, ""))
    assert settled(qtbot, widget)
    widget.save(place(kind, ".construct"))
    assert settled(qtbot, widget)
    widget.save(place(kind, ".d") + "/model.construct")
    assert settled(qtbot, widget)


@pytest.mark.parametrize("kind", KINDS)
def test_models_import_export_and_download(qtbot, viewer, place, monkeypatch, tmp_path, kind) -> None:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    widget = docked(viewer, Models(viewer))
    settled(qtbot, widget)
    for suffix in (".construct", ".pth", ""):
        widget._share.importRequested.emit(place(kind, suffix))
        assert settled(qtbot, widget)
    widget.choose("model", widget.rows()[0].name)
    widget._share.exportRequested.emit(place(kind, ".d"), "MIT")
    assert settled(qtbot, widget)
    row = next(row for row in widget.rows() if row.kind == "encoder" and row.state == "available")
    widget.setValue(widget.value().model_copy(update={"name": row.name, "mirror": place(kind, ".mirror")}))
    widget.run()
    assert settled(qtbot, widget)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind not in ("NUL", "300 letters", "below a file")]
)
def test_overview_of_models(qtbot, viewer, place, monkeypatch, tmp_path, kind) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(home))
    path = Path(place(kind, ".construct"))
    if os.path.lexists(path):
        path.rename(home / "models" / path.name)
    if kind.startswith("refused"):
        refuse(monkeypatch, str(home / "models" / path.name))
    widget = docked(viewer, Models(viewer))
    settled(qtbot, widget)
    names = [row.name for row in widget.rows() if row.kind == "model"]
    assert "lymph-node" in names
    if kind not in ("absent", "surrogate"):
        row = next(row for row in widget.rows() if row.state == "imported")
        assert row.problem
        assert "Unexpected" not in row.problem
        widget.choose("model", row.name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["home", "models", "weights", "encoders.toml"])
def test_folders_of_the_user(qtbot, viewer, place, monkeypatch, tmp_path, kind, what) -> None:
    path = place(kind, "")
    if kind == "NUL":
        pytest.skip("the system allows no such variable")
    home = Path(path)
    if what != "home":
        home = tmp_path / "home"
        home.mkdir()
        if os.path.lexists(path):
            Path(path).rename(home / what)
        if kind.startswith("refused"):
            refuse(monkeypatch, str(home / what))
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(home))
    widget = docked(viewer, Models(viewer))
    settled(qtbot, widget)
    assert [row.name for row in widget.rows() if row.kind == "model"]


@pytest.mark.parametrize("kind", KINDS)
def test_class_tables(qtbot, place, kind) -> None:
    from napari_construct.classes import ClassTable

    editor = ClassTableEditor(prompts_editable=True)
    qtbot.addWidget(editor)
    editor.setValue(ClassTable.from_names(("a", "b")))
    errors: list[Exception] = []
    editor.failed.connect(errors.append)
    for suffix in (".csv", ".json", ""):
        path = place(kind, suffix)
        errors.clear()
        editor.load(path)
        assert errors
        editor.save(path + "/table.csv")
