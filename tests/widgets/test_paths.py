"""Any path in any field of a dock ends in its own message: no traceback, and nothing waits for ever."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication
from tests.odd_places import put

from napari_construct.batch.settings import BatchSettings
from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError
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


Place = Callable[[str], str]
"""Makes what lies at a path of the kind at hand, with a suffix, and returns the path."""


def make(folder: Path, kind: str, suffix: str) -> Path:
    """A path of a kind in a folder of its own, and what lies there."""
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
    path = Path(f"{folder}/{names.get(kind, 'place')}{suffix}")
    (folder / "file").write_text("text")
    if kind in ("file", "refused file", "newline", "latin-1", "250 letters", "html"):
        path.write_text("neither an image nor a model")
        return path
    return put(path, kind.removeprefix("refused "))


def refuse(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Root may read everything: the system's refusal is put in its place."""
    for module, name in ((os, "open"), (builtins, "open"), (os, "stat"), (os, "scandir"), (os, "listdir")):
        usual = getattr(module, name)

        def maybe(at: Any = ".", *rest: Any, usual: Any = usual, **more: Any) -> Any:
            if isinstance(at, str | os.PathLike) and os.fspath(at).startswith(path):
                raise PermissionError(13, "Permission denied", os.fspath(at))
            return usual(at, *rest, **more)

        monkeypatch.setattr(module, name, maybe)


@pytest.fixture
def every(qtbot, tmp_path) -> Iterator[Callable[..., None]]:
    """Calls a check for every kind, in one viewer; fails with all that went wrong, named by kind."""
    wrong: dict[str, str] = {}

    def called(check: Callable[[str, Place], None], *, leave_out: tuple[str, ...] = ()) -> None:
        for number, kind in enumerate(kind for kind in KINDS if kind not in leave_out):
            folder = tmp_path / f"{number}"
            folder.mkdir()
            with pytest.MonkeyPatch.context() as patch, qtbot.captureExceptions() as raised:

                def place(suffix: str, kind: str = kind, folder: Path = folder, patch: Any = patch) -> str:
                    inner = folder / f"{len(list(folder.iterdir()))}"
                    inner.mkdir()
                    path = make(inner, kind, suffix)
                    if kind.startswith("refused"):
                        refuse(patch, str(path))
                    return str(path)

                try:
                    check(kind, place)
                except Exception as error:  # noqa: BLE001 - named by kind at the end
                    wrong[kind] = f"{type(error).__name__}: {error}"[:300]
            if raised:
                wrong[kind] = f"{raised[0][0].__name__}: {raised[0][1]}"[:300]

    yield called
    assert not wrong, "\n".join(f"{kind}: {what}" for kind, what in wrong.items())


def settled(qtbot: Any, widget: Any) -> str:
    """The message when nothing runs any more; it is one of ours."""
    busy = ("isLooking", "isPreparing", "isListing", "isRunning")
    qtbot.waitUntil(
        lambda: (
            "being loaded" not in widget.message()
            and not any(getattr(widget, name)() for name in busy if hasattr(widget, name))
        ),
        timeout=60_000,
    )
    QApplication.processEvents()
    message = str(widget.message())
    assert "Unexpected error" not in message, message
    assert len(message) < 1500
    return message


def docked(viewer: Any, widget: Any) -> Any:
    viewer.window.add_dock_widget(widget, name="dock")
    return widget


def test_train(qtbot, viewer, every, camelyon) -> None:
    widget = docked(viewer, TrainAdapters(viewer))

    def check(kind: str, place: Place) -> None:
        widget.setOutput("")
        for suffix in ("", ".csv"):
            path = place(suffix)
            widget.setData(path)
            assert settled(qtbot, widget)
        widget.setData(str(camelyon / "train"))  # these are good: what follows is not
        widget.setValidation(place(""))
        settled(qtbot, widget)
        widget.setValidation("")
        for path in (place(".construct"), place(".d") + "/model.construct"):
            widget.setOutput(path)
            settled(qtbot, widget)

    every(check)


def test_evaluate(qtbot, viewer, every, camelyon, checkpoint) -> None:
    widget = docked(viewer, Evaluate(viewer))
    widget.setValue(EvaluateSettings(mode="folders", model=str(checkpoint)))

    def check(kind: str, place: Place) -> None:
        for folders in ((place(""), ""), (str(camelyon / "val" / "img"), place(".d"))):
            widget.setFolders(*folders)
            widget.run()
            assert settled(qtbot, widget)

    every(check)


def test_batch(qtbot, viewer, every, checkpoint, camelyon, tmp_path) -> None:
    widget = docked(viewer, Batch(viewer))
    quick = SegmentSettings(tile=128, overlap=32, crf=None)
    widget.setValue(BatchSettings(model=str(checkpoint), segment=quick))
    qtbot.waitUntil(lambda: not widget._loader.isLoading(), timeout=60_000)
    patch = str(min((camelyon / "train" / "tumour").iterdir()))

    def check(kind: str, place: Place) -> None:
        for given, output in (([place(".png"), place("")], str(tmp_path / "out")), ([patch], place(".out"))):
            widget._inputs._inputs.clear()
            widget.addPaths(given)
            widget.setOutput(output)
            widget.run()
            assert settled(qtbot, widget)

    every(check)


def test_models_of_segment_and_prototypes(qtbot, viewer, every, tissue) -> None:
    viewer.add_image(tissue, rgb=True)
    widgets = docked(viewer, SegmentTissue(viewer)), docked(viewer, Prototypes(viewer))

    def check(kind: str, place: Place) -> None:
        path = place(".construct")
        for widget in widgets:
            widget.setModel(path)
            assert settled(qtbot, widget)

    every(check)


def test_files_of_prototypes(qtbot, viewer, every, tissue, checkpoint) -> None:
    viewer.add_image(tissue, rgb=True)
    widget = docked(viewer, Prototypes(viewer))
    widget.setModel(str(checkpoint))
    settled(qtbot, widget)

    def check(kind: str, place: Place) -> None:
        widget.search(place(""))
        assert settled(qtbot, widget)
        for path in (place(".construct"), place(".d") + "/model.construct"):
            widget.save(path)
            assert settled(qtbot, widget)

    every(check)


def test_models_import_export_and_download(qtbot, viewer, every, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path / "home"))
    widget = docked(viewer, Models(viewer))
    settled(qtbot, widget)
    encoder = next(row for row in widget.rows() if row.kind == "encoder" and row.state == "available")
    start = widget.value()

    def check(kind: str, place: Place) -> None:
        for suffix in (".construct", ".pth", ""):
            widget._share.importRequested.emit(place(suffix))
            assert settled(qtbot, widget)
        widget.choose("model", "lymph-node")
        widget._share.exportRequested.emit(place(".d"), "MIT")
        assert settled(qtbot, widget)
        mirror = place(".mirror")
        widget.setValue(start.model_copy(update={"name": encoder.name, "mirror": mirror}))
        widget.run()
        assert settled(qtbot, widget)

    every(check)


def test_overview_of_models(qtbot, viewer, every, tmp_path) -> None:
    """A file among the user's models that is none says so in its row."""
    widget = docked(viewer, Models(viewer))
    settled(qtbot, widget)

    def check(kind: str, place: Place) -> None:
        path = Path(place(".construct"))
        with pytest.MonkeyPatch.context() as patch:
            home = path.parent.with_name("home")
            home.mkdir()
            path.parent.rename(home / "models")
            if kind.startswith("refused"):
                refuse(patch, str(home / "models" / path.name))
            patch.setenv("NAPARI_CONSTRUCT_HOME", str(home))
            widget.refresh()
            settled(qtbot, widget)
            rows = {row.state: row for row in widget.rows() if row.kind == "model"}
            assert "bundled" in rows
            if os.path.lexists(home / "models" / path.name):
                assert rows["imported"].problem
                widget.choose("model", rows["imported"].name)
        widget.refresh()
        settled(qtbot, widget)

    every(check, leave_out=("NUL", "300 letters", "below a file", "surrogate"))


@pytest.mark.parametrize("what", ["", "models", "weights", "encoders.toml"])
def test_folders_of_the_user(qtbot, viewer, every, what) -> None:
    widget = docked(viewer, Models(viewer))
    settled(qtbot, widget)

    def check(kind: str, place: Place) -> None:
        path = Path(place(""))
        with pytest.MonkeyPatch.context() as patch:
            home = path.parent if what else path
            if what and os.path.lexists(path):
                path.rename(home / what)
            if what and kind.startswith("refused"):
                refuse(patch, str(home / what))
            patch.setenv("NAPARI_CONSTRUCT_HOME", str(home))
            widget.refresh()
            settled(qtbot, widget)
            assert [row.name for row in widget.rows() if row.kind == "model"]
        settled(qtbot, widget)

    every(check, leave_out=("NUL", "surrogate"))  # no variable of the system can hold them


def test_class_tables(qtbot, every) -> None:
    editor = ClassTableEditor(prompts_editable=True)
    qtbot.addWidget(editor)
    editor.setValue(ClassTable.from_names(("a", "b")))
    errors: list[Exception] = []
    editor.failed.connect(errors.append)

    def check(kind: str, place: Place) -> None:
        for suffix in (".csv", ".json", ""):
            errors.clear()
            editor.load(place(suffix))
            assert errors
            assert isinstance(errors[0], ConfigurationError)

    bounded = find_spec("napari_construct.reading.texts.text") is not None
    every(check, leave_out=() if bounded else ("pipe", "device", "NUL", "surrogate"))
