"""The dock widget Distil single-channel student: images of several channels in, a one-channel network out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.crossmodal.config import NO_KD, DistilConfig
from napari_construct.crossmodal.stopped import stopped_distillation
from napari_construct.events import EpochDone, Event, StepDone
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.reading.places import is_folder
from napari_construct.widgets.distil.curves import CURVES
from napari_construct.widgets.distil.data import Look, look_steps
from napari_construct.widgets.distil.images import LAYERS, ImagesInput
from napari_construct.widgets.distil.job import (
    Distilled,
    Estimated,
    distil_job,
    distilled_in_words,
    estimate_in_words,
    estimate_job,
    load_libraries,
)
from napari_construct.widgets.distil.kept import DistilMemory
from napari_construct.widgets.distil.options import DistilOptions
from napari_construct.widgets.distil.recipes import distil_as_command, distil_as_python
from napari_construct.widgets.distil.request import MODEL, DistilRequest, LayerImages
from napari_construct.widgets.distil.teacher import TeacherInput
from napari_construct.widgets.distil.teacher_preview import (
    Previewed,
    PreviewRequest,
    preview_layers,
    region_request,
    teacher_preview_job,
)
from napari_construct.widgets.fields.controls import button, wrapped_label
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.in_window import as_sentence
from napari_construct.widgets.fields.layout import fold, form
from napari_construct.widgets.fields.message_label import Level, Problem, problem_of
from napari_construct.widgets.jobs.ahead import Ahead
from napari_construct.widgets.jobs.live import LiveJob
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.hand_over import UseModelButton
from napari_construct.widgets.parts.known_models import remember_model
from napari_construct.widgets.parts.next_steps import NextSteps
from napari_construct.widgets.runs.model_file import ModelFile, free_name
from napari_construct.widgets.runs.progress import EstimateRow, RunProgress

if TYPE_CHECKING:
    import napari.viewer

_STOPPED: Final = "Stopped; the state of the run is kept beside the model's file. Press Go on to go on."
_NOTHING: Final = "Cancelled; nothing was written."
_KEEP_TIP: Final = (
    "Take no more steps and finish the student as it is now: it is averaged and scored as at the end"
)
_NO_COMMAND: Final = (
    "Layers of the viewer have no command line: copy as Python and paste it into napari's console, or save "
    "the layers as files."
)


class DistilStudent(JobDock[DistilRequest, "Estimated | Distilled | Previewed"]):
    """Edits one :class:`~napari_construct.crossmodal.config.DistilConfig` and distils with it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers may be images or outputs of a teacher, and where *Use this model* opens Segment.

    Attributes
    ----------
    images : ImagesInput
        What is trained on.
    teacher : TeacherInput
        What is learned from.
    progress : RunProgress
        Curves and pictures of the run.
    """

    verb = "Distil"
    recipes = distil_as_python, distil_as_command
    copy_tip = "Copy this run as {}: pasted back it gives the same model"

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._memory = DistilMemory()
        self._look: Look | None = None
        self._error: Exception | None = None
        self._looked_at: object = None
        self._run: Path | None = None
        self._stop = threading.Event()
        self.images = ImagesInput(viewer, self)
        self.teacher = TeacherInput(viewer, self)
        self._options = DistilOptions(self)
        self._file = ModelFile("File of the student", self)
        self._found = wrapped_label("What was found", "What the chosen images are", self)
        self._estimate = EstimateRow("time", self)
        self.progress = RunProgress(CURVES, self)
        self._use = UseModelButton(viewer, self)
        self._looking = LiveJob("Look at the images", self)
        self._ahead = Ahead(load_libraries, self)
        self._next = NextSteps(viewer, self)
        self._build_layout()
        self._connect()
        self._recall()
        self._on_images()

    def value(self) -> DistilConfig:
        """The settings on view.

        Raises
        ------
        ConfigurationError
            If they contradict each other; Distil is then disabled and says why.
        """
        return self._options.value()

    def setValue(self, value: DistilConfig) -> None:
        """Show settings; emits ``valueChanged`` where something changed."""
        self._options.setValue(value)

    def setData(self, path: str) -> None:
        """Choose images of files."""
        self.images.setFiles(path)

    def setLayers(self, nuclear: Any, membrane: Any = None, *, axis: int | None = None) -> None:
        """Choose images of layers."""
        self.images.setLayers(nuclear, membrane, axis=axis)

    def setOutput(self, path: str) -> None:
        """Choose the student's file."""
        self._file.row.setValue(path)

    def setReplace(self, replace: bool) -> None:
        """Whether a model of that name may be replaced."""
        self._file.setReplace(replace)

    def setDevice(self, device: str) -> None:
        """Choose where to train."""
        self._options.setDevice(device)

    def takeDropped(self, paths: list[Path]) -> str:
        """A folder or an npz file becomes the images, a checkpoint the teacher."""
        path = paths[0]
        if len(paths) == 1 and path.suffix == SUFFIX:
            self.teacher.setTeacher(MODEL, str(path))
        elif len(paths) == 1 and (is_folder(path) or path.suffix.lower() == ".npz"):
            self.setData(str(path))
        else:
            return refused(paths, f"one folder of images, one .npz, or one teacher ({SUFFIX})")
        return ""

    def request(self) -> DistilRequest:
        """What is asked for.

        Raises
        ------
        ConstructError
            If settings contradict each other, or no images are chosen.
        """
        images, config, teacher = self.images.value(keeps=True), self.value(), None
        if images is None:
            raise ConfigurationError(f"expected images, got none yet; {self.images.missing()}")
        if self.teacher.trains():
            count = 0 if self._look is None else len(self._look.channels)
            config = config.changed(
                terms=NO_KD, channels=config.teacher_channels or tuple(range(max(count, 1)))
            )
        elif config.uses_teacher:
            teacher = self.teacher.value(keeps=True)
        return DistilRequest(
            images=images,
            share=float(self.images.share.get() or 0),
            teacher=teacher,
            config=config,
            output=self._file.output(),
            device=self._options.device(),
            resume=self._file.resumes(),
            replace=self._file.replaces(),
        )

    def launch(self, request: DistilRequest) -> None:
        self._memory.keep(self.value(), request.device)
        self._looking.cancel()
        self.progress.start(keep=request.resume and request.output == self._run)
        self._run = request.output
        self.control.setWords(verb=self._verb(), cancelled=_STOPPED)
        self._stop = threading.Event()
        self.start("Distil a student", partial(distil_job, stop=self._stop.is_set), request)

    def estimate(self) -> None:
        """Measure a few steps, as the button does."""
        if not self._ready():
            return
        request = self.made(self.request)
        if request is not None:
            self.control.setWords(verb=self._verb(), cancelled="Cancelled.")
            self.start("Estimate the distillation", estimate_job, request)

    def preview(self) -> None:
        """Ask the teacher about the visible region, as the button does."""
        if not self._ready():
            return
        request = self.made(self._preview_request)
        if request is not None:
            self.control.setWords(verb=self._verb(), cancelled=JobDock.cancelled)
            self.start("Preview the teacher", teacher_preview_job, request)

    def use(self) -> None:
        """Choose the student in Segment, which opens if it is not open."""
        self._use.use()

    def isLooking(self) -> bool:
        """Whether the images are being looked at."""
        return self._looking.is_busy

    def isPreparing(self) -> bool:
        """Whether libraries are being loaded that a run would otherwise wait for."""
        return self._ahead.isActive()

    def problem(self) -> Problem:
        if missing := self.images.missing():
            return Problem(missing)
        if self._error is not None:
            return problem_of(self._error)
        if self._look is None:
            return Problem("Looking at the images...")
        if said := self._options.problem() or self._options.channelProblem():
            return Problem(said, Level.WARNING)
        if said := self._teacher_problem():
            return Problem(said, Level.WARNING)
        return Problem(self._file.problem())

    def text(self, recipe: Callable[[DistilRequest], str]) -> str:
        if self.control.blockedReason():
            return ""
        text = recipe(self.request())
        if not text:
            self.control.showMessage(_NO_COMMAND)
        return text

    def _build_layout(self) -> None:
        channels, usual, file = form(), form(), form()
        holder = QWidget(self)
        holder.setLayout(channels)
        self._options.placeChannels(channels)
        for key in ("student", "steps", "patch", "terms"):
            self._options.moveRow(key, usual)
        file.addRow("Model", self._file.row)
        options = fold("Options", "Device, start, seed and all other settings", self._options, self)
        self._lay_out(
            self.images, self._found, holder, self.teacher, usual, options, file, self._file, self._estimate,
            self.progress, below=(self._use,),
        )  # fmt: skip
        tip = "Choose the trained network as the teacher of a student"
        self._as_teacher = button("Use as teacher", tip, self._on_as_teacher, self)
        self._next.addLine("Next:", self._as_teacher)
        self._offer(self._next)

    def _connect(self) -> None:
        self.images.valueChanged.connect(self._on_images)
        self._looking.returned.connect(self._on_look)
        self._looking.failed.connect(self._on_look_failed)
        self.teacher.valueChanged.connect(self._on_changed)
        self.teacher.previewRequested.connect(self.preview)
        self._options.valueChanged.connect(self._on_changed)
        self._file.changed.connect(self._on_file)
        self._estimate.requested.connect(self.estimate)
        self._use.used.connect(self._on_used)

    def _recall(self) -> None:
        config = self._memory.config()
        if config is not None:
            self.setValue(config)
            self._options.setDevice(self._memory.device())

    def _on_images(self, *_: object) -> None:
        """Look at the images in a thread, as a folder can hold many thousand files."""
        self._look, self._error = None, None
        other, self._looked_at = self._looked_at != self.images.key(), self.images.key()
        if self.images.missing():
            self._looking.cancel()
            self._found.setText("")
        else:
            images = self.made(self.images.value)
            if images is not None:
                self._looking.request(partial(look_steps, images, float(self.images.share.get() or 0)))
            if other:
                self._file.row.setValue(str(free_name(*self._suggestion())))
        self._on_changed()

    def _suggestion(self) -> tuple[Path, str]:
        folder, name = self.images.suggestion()
        return folder, f"{name}-{'teacher' if self.teacher.trains() else 'student'}"

    def _on_look(self, look: Look) -> None:
        self._look = look
        self._options.showNames(look.channels)
        self._found.setText("\n".join((f"{look.in_words()}.", *map(as_sentence, look.notices))))
        self._found.setToolTip(f"Channels: {', '.join(look.channels)}")
        self._ahead.start()
        self._refresh()

    def _on_look_failed(self, error: Exception) -> None:
        self._error = error
        self._found.setText("")
        self._refresh()

    def _on_file(self, *_: object) -> None:
        """A run that was stopped there can only go on with its own settings: these are shown, once."""
        output = self._file.output()
        if self._file.resumes() and output != self._run:
            self._run = output
            config = stopped_distillation(output)
            if config is not None:
                self.setValue(config)
        self._refresh()

    def _on_changed(self, *_: object) -> None:
        self._estimate.showEstimate("")
        self._refresh()
        value = self._options.known()
        if value is not None:
            self.valueChanged.emit(value)

    def _teacher_problem(self) -> str:
        """What the teacher, or the truth in its place, still needs."""
        config, drawn = self._options.known(), 0 if self._look is None else self._look.drawn
        if config is None:
            return ""
        if self.teacher.trains() or not config.uses_teacher:
            who = "A teacher is" if self.teacher.trains() else "Without a teacher the student is"
            return "" if drawn else f"{who} trained on drawn cells: choose a layer or a folder with some."
        return self.teacher.missing(layers=self.images.mode.get() == LAYERS)

    def _preview_request(self) -> PreviewRequest:
        images, teacher, config = self.images.value(), self.teacher.value(), self.value()
        if images is None:
            raise ConfigurationError(f"expected images, got none yet; {self.images.missing()}")
        channels, device = config.teacher_channels, self._options.device()
        if isinstance(images, LayerImages):
            axis = self.images.axis.get() if self.images.split() else None
            layer = self.images.nuclear.layer()
            return region_request(images, teacher, channels, layer, self._viewer, axis, device)
        return PreviewRequest(images, teacher, channels, {}, 0, str(images.path), device)

    def _ready(self) -> bool:
        return not self.control.isRunning() and self._look is not None and not self._teacher_problem()

    def _verb(self) -> str:
        return "Go on" if self._file.resumes() else "Train the teacher" if self.teacher.trains() else "Distil"

    def _on_event(self, event: Event) -> None:
        self.progress.showProgress(event)
        if isinstance(event, StepDone):
            self.control.offerEnd("Stop here and keep it", _KEEP_TIP, self._stop.set)
        elif isinstance(event, EpochDone):
            self._refresh()

    def _on_result(self, result: Estimated | Distilled | Previewed) -> None:
        if isinstance(result, Estimated):
            self._estimate.showEstimate(estimate_in_words(result.estimate))
            return
        if isinstance(result, Previewed):
            self._adder.add(preview_layers(result))
            self.control.summarise(f"The teacher found {int(result.cells.max(initial=0))} cells there.")
            return
        remember_model(result.output)
        self.control.summarise(distilled_in_words(result))
        self._as_teacher.setVisible(self.teacher.trains())
        if self.teacher.trains():
            self._next.offer()
        self.finished.emit()

    def _on_as_teacher(self, *_: object) -> None:
        path = self._file.output()
        self.teacher.setTeacher(MODEL, str(path))
        self._file.row.setValue(str(free_name(*self._suggestion())))

    def _on_used(self) -> None:
        self.control.showMessage("The model is in Segment.")

    def _on_running(self, running: bool) -> None:
        self._file.refresh()
        if not running and self.control.message() == _STOPPED and not self._file.resumes():
            self.control.showMessage(_NOTHING)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        running = self.control.isRunning()
        if not running:
            self.control.setWords(verb=self._verb(), cancelled=_STOPPED)
        self._use.setModel(self._file.output() if self._file.hasOutput() else None)
        ready = self._ready()
        self._estimate.button.setEnabled(ready)
        self.teacher.preview.setEnabled(ready)
        config = self._options.known()
        self.teacher.setEnabled(config is None or config.uses_teacher)
        super()._refresh()
