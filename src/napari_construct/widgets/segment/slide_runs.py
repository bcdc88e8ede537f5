"""What Segment shows and does with a whole slide."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from qtpy.QtWidgets import QWidget

from napari_construct.classes import ClassTable
from napari_construct.events import Event
from napari_construct.exceptions import InputError
from napari_construct.inference.settings import SegmentSettings
from napari_construct.widgets.jobs.predictors import GetPredictor, ModelChoice
from napari_construct.widgets.jobs.run_control import RunControl
from napari_construct.widgets.layers import twin_placement
from napari_construct.widgets.layers.whole_slide import slide_settings
from napari_construct.widgets.parts.recipes import slide_as_command, slide_as_python
from napari_construct.widgets.parts.source import SourceChooser
from napari_construct.widgets.segment.slide_job import MaskBegun, MaskGrown, SlideRequest, slide_job
from napari_construct.widgets.segment.slide_look import stem_of
from napari_construct.widgets.segment.slide_mask import SlideMask
from napari_construct.widgets.segment.slide_target import SlideTarget

_STOPPED: Final = "Stopped. What was found so far is kept; press the button again to go on."
_CHANNEL: Final = (
    "This model finds cells in one channel, in memory. Choose a part of the slide, or a model of stained "
    "sections."
)
_SIZE: Final = "Choose the pixel size of the slide: its file does not state it."


class SlideRuns(QWidget):
    """Asks for the folder, starts runs, and shows their mask; never on view itself.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the mask is added.
    source : SourceChooser
        Which slide.
    control : RunControl
        Runs the job.

    Attributes
    ----------
    target : SlideTarget
        The folder.
    mask : SlideMask
        The layer.
    """

    def __init__(
        self, viewer: Any, source: SourceChooser, control: RunControl, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.hide()
        self._source, self._control = source, control
        self._predictor: Any = None
        source.offerSlides()
        self.target = SlideTarget(source.form(), parent)
        self.mask = SlideMask(viewer, self)
        self._shown: Any = None
        self._since = ""

    def showModel(self, predictor: Any) -> None:
        """Go by a model; None while it is not known."""
        self._predictor = predictor

    def follow(self, settings: SegmentSettings | None) -> None:
        """Show what a run with these settings would do, where the whole slide is chosen."""
        slide = self._source.slide()
        if slide is not self._shown:
            self._shown = slide
            self.target.showSlide(slide)
        if slide is None or settings is None or self._control.isRunning() or self._lacks_size():
            return
        self.target.follow(self._predictor, slide_settings(settings, slide, self._source.layer()))

    def problem(self, *, student: bool) -> str:
        """Why the slide cannot be segmented; empty if it can, or none is chosen."""
        if self._source.slide() is None:
            return ""
        if student:
            return _CHANNEL
        return _SIZE if self._lacks_size() else self.target.problem()

    def request(
        self,
        model: ModelChoice,
        settings: SegmentSettings,
        load: GetPredictor,
        table: ClassTable | None,
        device: str,
    ) -> SlideRequest:
        """A run over the chosen slide.

        Raises
        ------
        InputError
            If no folder is chosen.
        """
        slide, layer = self._source.slide(), self._source.layer()
        if slide is None or not self.target.folder():
            raise InputError("expected a slide and a folder for its results, got none; choose both")
        return SlideRequest(
            slide=slide,
            name=layer.name,
            layer=layer.unique_id,
            place=twin_placement(layer),
            folder=Path(self.target.folder()).expanduser(),
            stem=stem_of(slide),
            model=model,
            settings=slide_settings(settings, slide, layer),
            shown=settings,
            get_predictor=load,
            table=table,
            device=device,
        )

    def launch(self, request: SlideRequest) -> None:
        """Start or go on with a run."""
        self._since = self.target.since()
        self._control.setWords(verb="Segment", cancelled=_STOPPED)
        self._control.run("Segment the slide", partial(slide_job, request))

    def take(self, event: Event) -> None:
        """Follow a run."""
        if isinstance(event, MaskBegun):
            self.mask.begin(event)
            if text := _gone_on(event, self._since):
                self._control.showMessage(text)
        elif isinstance(event, MaskGrown):
            self.mask.grow()

    def setRunning(self, *, running: bool) -> None:
        """A job begins, or is over."""
        self.target.setRunning(running=running)
        if not running:
            self.mask.end()

    def text(self, request: SlideRequest, *, as_script: bool) -> str:
        """The run as Python or as a command."""
        write = slide_as_python if as_script else slide_as_command
        return write(request.slide, request.model, request.settings, request.folder, request.device)

    def _lacks_size(self) -> bool:
        slide, wanted = self._source.slide(), getattr(self._predictor, "mpp", None)
        if slide is None or slide.mpp is not None or wanted is None:
            return False
        return self._source.size().mpp is None and self._source.givenSize() is None


def _gone_on(begun: MaskBegun, since: str) -> str:
    """What a run goes on with; empty where it begins."""
    (done, total), mask = begun.tiles, begun.mask
    if not done and not mask.done:
        return ""
    parts = f", {mask.done} of {mask.total} parts of the mask" if mask.done else ""
    return f"Going on with the run{f' of {since}' if since else ''}: {done} of {total} tiles{parts} are done."
