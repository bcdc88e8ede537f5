"""The dock widget Distil single-channel student: images of several channels in, a one-channel network out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.crossmodal.config import NO_KD, DistilConfig
from napari_construct.crossmodal.stopped import stopped_distillation
from napari_construct.exceptions import ConfigurationError
from napari_construct.models.checkpoints.locations import SUFFIX
from napari_construct.reading.places import is_folder
from napari_construct.widgets.distil.curves import CURVES
from napari_construct.widgets.distil.data import Look
from napari_construct.widgets.distil.found_images import FoundImages
from napari_construct.widgets.distil.images import LAYERS, ImagesInput
from napari_construct.widgets.distil.job import Distilled, distil_job, estimate_job, load_libraries
from napari_construct.widgets.distil.kept import distil_memory
from napari_construct.widgets.distil.options import DistilOptions
from napari_construct.widgets.distil.recipes import distil_as_command, distil_as_python
from napari_construct.widgets.distil.request import MODEL, DistilRequest
from napari_construct.widgets.distil.teacher import TeacherInput
from napari_construct.widgets.distil.teacher_preview import (
    Previewed,
    PreviewRequest,
    preview_layers,
    preview_request,
    teacher_preview_job,
)
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold, form
from napari_construct.widgets.fields.message_label import Level, Problem
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.runs.model_file import ModelFile, free_name
from napari_construct.widgets.runs.run_dock import RunDock

if TYPE_CHECKING:
    import napari.viewer

_NO_COMMAND: Final = (
    "Layers of the viewer have no command line: copy as Python and paste it into napari's console, or save "
    "the layers as files."
)


class DistilStudent(RunDock[DistilConfig, DistilRequest, Distilled]):
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
    """

    verb = "Distil"
    recipes = distil_as_python, distil_as_command
    titles = "Distil a student", "Estimate the distillation"
    jobs = distil_job, estimate_job
    stopped = "Stopped; the state of the run is kept beside the model's file. Press Go on to go on."
    nothing = "Cancelled; nothing was written."
    keep_tip = (
        "Take no more steps and finish the student as it is now: it is averaged and scored as at the end"
    )

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, "time", CURVES, load_libraries, parent)
        self._memory = distil_memory()
        self._looked_at: object = None
        self._run: Path | None = None
        self.images = ImagesInput(viewer, self)
        self.teacher = TeacherInput(viewer, self)
        self._options = DistilOptions(self)
        self._file = ModelFile("File of the student", self)
        self._found = FoundImages(self)
        self._build_layout()
        self._connect()
        self._recall()
        self._on_images()

    def setData(self, path: str) -> None:
        """Choose images of files."""
        self.images.setFiles(path)

    def setLayers(self, nuclear: Any, membrane: Any = None, *, axis: int | None = None) -> None:
        """Choose images of layers."""
        self.images.setLayers(nuclear, membrane, axis=axis)

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
            look = self._found.value()
            count = 0 if look is None else len(look.channels)
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

    def preview(self) -> None:
        """Ask the teacher about the visible region, as the button does."""
        request = self.made(self._preview_request) if self.isReady() else None
        if request is not None:
            self._start_as(JobDock.cancelled, "Preview the teacher", teacher_preview_job, request)

    def isReady(self) -> bool:
        there = self._found.value() is not None and not self._teacher_problem()
        return there and not self.control.isRunning()

    def isLooking(self) -> bool:
        """Whether the images are being looked at."""
        return self._found.isLooking()

    def problem(self) -> Problem:
        if missing := self.images.missing():
            return Problem(missing)
        if problem := self._found.problem():
            return problem
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
        self._found.found.connect(self._on_look)
        self._found.failed.connect(self._refresh)
        self.teacher.valueChanged.connect(self._on_changed)
        self.teacher.previewRequested.connect(self.preview)
        self._file.changed.connect(self._on_file)
        self._follow_run()

    def _begin(self, request: DistilRequest) -> None:
        self._memory.keep(self.value(), request.device)
        self._found.stop()
        self._run = request.output

    def _on_images(self, *_: object) -> None:
        """Look at other images, and name a student after them."""
        other, self._looked_at = self._looked_at != self.images.key(), self.images.key()
        missing = self.images.missing()
        images = None if missing else self.made(self.images.value)
        self._found.look(images, float(self.images.share.get() or 0))
        if other and not missing:
            self._file.row.setValue(str(free_name(*self._suggestion())))
        self._on_changed()

    def _suggestion(self) -> tuple[Path, str]:
        folder, name = self.images.suggestion()
        return folder, f"{name}-{'teacher' if self.teacher.trains() else 'student'}"

    def _on_look(self, look: Look) -> None:
        self._options.showNames(look.channels)
        self._ahead.start()
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

    def _teacher_problem(self) -> str:
        """What the teacher, or the truth in its place, still needs."""
        config, look = self._options.known(), self._found.value()
        if config is None:
            return ""
        if self.teacher.trains() or not config.uses_teacher:
            who = "A teacher is" if self.teacher.trains() else "Without a teacher the student is"
            return (
                ""
                if look is not None and look.drawn
                else f"{who} trained on drawn cells: choose a layer or a folder with some."
            )
        return self.teacher.missing(layers=self.images.mode.get() == LAYERS)

    def _preview_request(self) -> PreviewRequest:
        images, teacher, config = self.images.value(), self.teacher.value(), self.value()
        if images is None:
            raise ConfigurationError(f"expected images, got none yet; {self.images.missing()}")
        axis = self.images.axis.get() if self.images.split() else None
        layer, device = self.images.nuclear.layer(), self._options.device()
        return preview_request(images, teacher, config.teacher_channels, layer, self._viewer, axis, device)

    def _verb(self) -> str:
        return "Go on" if self._file.resumes() else "Train the teacher" if self.teacher.trains() else "Distil"

    def _on_result(self, result: Any) -> None:
        if isinstance(result, Previewed):
            self._adder.add(preview_layers(result))
            self.control.summarise(f"The teacher found {int(result.cells.max(initial=0))} cells there.")
        else:
            super()._on_result(result)

    def _on_done(self, done: Distilled) -> None:  # noqa: ARG002 - what follows is the same for all
        self._as_teacher.setVisible(self.teacher.trains())
        if self.teacher.trains():
            self._next.offer()

    def _on_as_teacher(self, *_: object) -> None:
        path = self._file.output()
        self.teacher.setTeacher(MODEL, str(path))
        self._file.row.setValue(str(free_name(*self._suggestion())))

    def _refresh(self, *_: object) -> None:
        self.teacher.preview.setEnabled(self.isReady())
        config = self._options.known()
        self.teacher.setEnabled(config is None or config.uses_teacher)
        super()._refresh()
