"""The dock widget Correct and retrain: painted masks in, a better model out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.reading.places import is_folder
from napari_construct.teaching.retraining.settings import RetrainSettings
from napari_construct.widgets.fields.controls import button, named
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold, form
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.fields.path_row import PathRow
from napari_construct.widgets.layers import corrections_layer, evidences
from napari_construct.widgets.parts.hand_over import correct
from napari_construct.widgets.retrain.corrections_list import CorrectionsList
from napari_construct.widgets.retrain.curves import CURVES
from napari_construct.widgets.retrain.gather import Corrected
from napari_construct.widgets.retrain.job import Retrained, estimate_job, load_libraries, retrain_job
from napari_construct.widgets.retrain.options import RetrainOptions
from napari_construct.widgets.retrain.outcome import BeforeAfter
from napari_construct.widgets.retrain.recipes import retrain_as_command, retrain_as_python
from napari_construct.widgets.retrain.request import RetrainRequest
from napari_construct.widgets.runs.memory import RunMemory
from napari_construct.widgets.runs.model_file import ModelFile, free_name
from napari_construct.widgets.runs.run_dock import RunDock

if TYPE_CHECKING:
    import napari.viewer

_VERBS: Final = {False: "Retrain", True: "Go on retraining"}
_TABLES: Final = "Tables (*.csv *.tsv *.txt)"
_PAINT: Final = (
    "Paint where a mask is wrong: choose it in napari's list of layers, press P, choose a class, and paint; "
    "short strokes are enough. On an empty layer strokes also count where the mask is right."
)


class CorrectAndRetrain(RunDock[RetrainSettings, RetrainRequest, Retrained]):
    """Edits one :class:`~napari_construct.teaching.retraining.settings.RetrainSettings` and retrains with it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose masks of Segment and Refine are corrected.

    Attributes
    ----------
    corrections : CorrectionsList
        The masks that were painted on.
    scores : BeforeAfter
        Scores of the last run.
    """

    verb = _VERBS[False]
    recipes = retrain_as_python, retrain_as_command
    titles = "Correct and retrain", "Estimate the retraining"
    jobs = retrain_job, estimate_job
    stopped = (
        "Stopped; the state of the run is kept beside the new model's file. Press Go on retraining to go on."
    )
    nothing = "Cancelled before the first step; nothing was written."
    keep_tip = "Take no more steps and finish the model as it is now: it is averaged and scored"

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "time", CURVES, load_libraries, parent)
        self._memory = RunMemory("retrain", RetrainSettings, ("patch_mpp",))
        self.corrections = CorrectionsList(viewer, self)
        tip = "The model that is retrained; it is not changed"
        self._model = named(QComboBox(self), "Model to retrain", tip)
        tip = (
            "Optional. The patches that the model was trained on, one folder per class or a table: the new "
            "model then forgets nothing"
        )
        self._replay = PathRow("Old patches", tip, ("folder", "file"), kinds=_TABLES, parent=self)
        self._replay.setHint("none")
        self._options = RetrainOptions(self)
        self._file = ModelFile("File of the new model", self)
        self.scores = BeforeAfter(self)
        self._named, self._saved = "", (b"", Path())
        self._build_layout()
        self._connect()
        self._recall()
        self._on_corrections()

    def setReplay(self, path: str) -> None:
        """Choose the old patches, or none."""
        self._replay.setValue(path)

    def takeDropped(self, paths: list[Path]) -> str:
        """A folder or a table becomes the old patches."""
        if len(paths) > 1 or not (is_folder(paths[0]) or paths[0].suffix.lower() in (".csv", ".tsv", ".txt")):
            return refused(paths, "one folder of old patches, or one table (CSV)")
        self.setReplay(str(paths[0]))
        return ""

    def request(self) -> RetrainRequest:
        """What is asked for.

        Raises
        ------
        ConfigurationError
            If nothing is painted, or settings contradict each other.
        """
        used = self._used()
        if not used:
            raise ConfigurationError("expected corrections, got none yet; paint where a mask is wrong")
        strokes = tuple(one.strokes() for one in used)
        return RetrainRequest(
            model=self._model.currentText(),
            strokes=strokes,
            classes=used[0].decided.predictor.classes,
            replay=Path(self._replay.value()) if self._replay.value() else None,
            config=self.value(),
            output=self._file.output(),
            device=str(self._options.device()),
            resume=self._file.resumes(),
            replace=self._file.replaces(),
            saved=self._saved[1] if self._saved[0] == _digest(strokes) else None,
        )

    def isReady(self) -> bool:
        return bool(self._used()) and not self.control.isRunning()

    def problem(self) -> Problem:
        if not self.corrections.every():
            return Problem(_PAINT)
        if not self._model.count():
            return Problem(
                "These masks are of a model without training, which cannot be retrained: use Teach.",
                Level.WARNING,
            )
        if not self._used():
            return Problem("Tick a corrected mask.")
        if said := self._options.problem():
            return Problem(said, Level.WARNING)
        if said := self._file.problem():
            return Problem(said)
        return Problem(self._same_file())

    def text(self, recipe: Callable[[RetrainRequest], str]) -> str:
        if self.control.blockedReason():
            return ""
        text = recipe(self.request())
        if not text:
            self.control.showMessage("Save the corrections first: the text reads them from their folder.")
        return text

    def save(self, folder: str) -> None:
        """Save the ticked corrections into a folder, which ``retrain`` reads elsewhere."""
        from napari_construct.teaching.correction_files import save_corrections

        used = self._used()
        if not folder or not used:
            return
        strokes = tuple(one.strokes() for one in used)
        try:
            save_corrections(folder, strokes, used[0].decided.predictor.classes)
        except (ConstructError, OSError) as error:
            self._on_failed(error)
            return
        self._saved = _digest(strokes), Path(folder)
        self.control.showMessage(f"Saved in {folder}.")

    def _build_layout(self) -> None:
        rows = form()
        rows.addRow("Model", self._model)
        rows.addRow("Old patches", self._replay)
        usual, file = form(), form()
        for key in ("steps", "held_out"):
            self._options.moveRow(key, usual)
        file.addRow("New model", self._file.row)
        options = fold("Options", "Device, batch size, seed and all other settings", self._options, self)
        tip = "Write images and corrections into a folder, for the command line or for later"
        self._keep = button("Save corrections...", tip, self._on_save, self)
        tip = (
            "Add an empty layer on the chosen mask to paint on. Its strokes also count where the mask is "
            "right already, which makes the scores honest"
        )
        self._empty = button("Paint on an empty layer", tip, self.addEmptyLayer, self)
        self._lay_out(
            self.corrections, self._empty, self._keep, rows, usual, options, file, self._file, self._estimate,
            self.progress, self.scores, below=(self._use,),
        )  # fmt: skip

    def _connect(self) -> None:
        self.corrections.changed.connect(self._on_corrections)
        self._model.currentTextChanged.connect(self._on_model)
        self._replay.edited.connect(self._on_changed)
        self._file.changed.connect(self._refresh)
        self._follow_run()

    def _used(self) -> tuple[Corrected, ...]:
        """The ticked masks of the chosen model, or of models with its classes."""
        ticked = self.corrections.value()
        mine = [one for one in ticked if one.model == self._model.currentText()]
        if not mine or not self._model.currentText():
            return ()
        return tuple(one for one in ticked if one.classes == mine[0].classes)

    def _on_corrections(self, *_: object) -> None:
        """Offer the models of the corrected masks."""
        models = list(dict.fromkeys(one.model for one in self.corrections.every() if one.model))
        shown = [self._model.itemText(i) for i in range(self._model.count())]
        if models != shown and not self.control.isRunning():
            chosen = self._model.currentText()
            before = self._model.blockSignals(True)
            self._model.clear()
            self._model.addItems(models)
            if chosen in models:
                self._model.setCurrentText(chosen)
            self._model.blockSignals(before)
            self._on_model()
        if self.corrections.every():
            self._ahead.start()
        self._on_changed()

    def _on_model(self, *_: object) -> None:
        """Name the new model after the old one, unless the user named it."""
        model = self._model.currentText()
        if not model or self._file.row.value() not in ("", self._named):
            return
        old = Path(model)
        folder = old.parent if old.parent != Path() else Path.home()
        self._named = str(free_name(folder, f"{old.stem}-corrected"))
        self._file.row.setValue(self._named)

    def _same_file(self) -> str:
        """Why the file cannot be the new model's; the old one is never replaced."""
        try:
            old = resolve_model(self._model.currentText())
        except ConstructError:
            return ""
        output = self._file.output()
        same = output.exists() and output.samefile(old)
        return "The new model needs a file of its own: the old one is kept." if same else ""

    def _begin(self, request: RetrainRequest) -> None:
        self._memory.keep(self.value(), request.device)
        self.scores.hide()

    def _verb(self) -> str:
        return _VERBS[self._file.resumes()]

    def _on_done(self, done: Retrained) -> None:
        self.scores.showScores(done)

    def addEmptyLayer(self, *_: object) -> None:
        """Add an empty layer on the active mask, or the newest one."""
        masks = [layer for layer in self._viewer.layers if evidences(layer)]
        active = self._viewer.layers.selection.active
        if not masks:
            self.control.showMessage("Run Segment first: its masks can be corrected here.", Level.WARNING)
            return
        layer = corrections_layer(active if active in masks else masks[-1])
        self._viewer.add_layer(layer)
        self.control.showMessage(correct(self._viewer, layer))

    def _on_save(self, *_: object) -> None:
        self.save(QFileDialog.getExistingDirectory(self, "Folder for the corrections", str(Path.home())))

    def _refresh(self, *_: object) -> None:
        self._keep.setEnabled(bool(self._used()))
        super()._refresh()


def _digest(strokes: tuple[Any, ...]) -> bytes:
    from hashlib import sha256

    found = sha256()
    for one in strokes:
        found.update(one.name.encode() + one.painted.tobytes() + one.image.tobytes())
    return found.digest()
