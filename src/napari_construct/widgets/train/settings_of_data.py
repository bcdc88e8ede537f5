"""Keeps the settings that belong to the data in line with the patches on view."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject

from napari_construct.data.stated_mpp import StatedMpp
from napari_construct.training.loop.identity import stopped_run
from napari_construct.widgets.train.data import DataFound
from napari_construct.widgets.train.data_settings import DataSettings, with_data_of
from napari_construct.widgets.train.options import TrainOptions
from napari_construct.widgets.train.patches import TrainPatches
from napari_construct.widgets.train.pixel_size import PatchSizeRow


class SettingsOfData(QObject):
    """Other patches bring their own settings: those set for them before, what their files state, or none.

    Where a run on them was stopped, it can only go on with its own settings and classes: these are shown.

    Parameters
    ----------
    options : TrainOptions
        The settings on view.
    patches : TrainPatches
        The patches, their classes and files.
    question : PatchSizeRow
        Asks for the pixel size where the patches state none.
    """

    def __init__(
        self,
        options: TrainOptions,
        patches: TrainPatches,
        question: PatchSizeRow,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._options, self._patches, self._question = options, patches, question
        self._own: dict[str, DataSettings] = {}
        self._stated: StatedMpp | None = None
        self._run: Path | None = None
        patches.files.replaced.connect(self._on_replaced)
        patches.files.outputChanged.connect(self._take_stopped)
        patches.found.connect(self._on_found)
        patches.orderChosen.connect(self._on_order_chosen)
        question.answered.connect(self._on_answered)

    def begin(self, output: Path) -> None:
        """A run begins: what is on view is its own, also after it was stopped."""
        self._run = output

    def refresh(self) -> None:
        """Show what "automatic" means for the patches, and what is known of their pixel size."""
        config = self._options.known()
        if config is not None:
            self._options.showEpochs(config, self._patches.count())
        self._question.showKnown(self._stated, None if config is None else config.patch_mpp)
        if not self._patches.count():
            self._question.hide()

    def _on_replaced(self, before: str, now: str) -> None:
        """Other patches: what was set for those before does not hold for them."""
        config = self._options.known()
        if config is not None:
            self._own[before] = DataSettings(config, self._stated)
        kept = self._own.get(now, DataSettings())
        self._stated = kept.stated
        self._options.setDefault("patch_mpp", None if self._stated is None else self._stated.mpp)
        if config is not None:
            self._options.setValue(with_data_of(config, kept.config))

    def _on_found(self, found: DataFound) -> None:
        """The patches are known: take the pixel size that they state where none was typed."""
        config, before = self._options.known(), self._stated
        self._stated = found.mpp
        mpp = None if found.mpp is None else found.mpp.mpp
        self._options.setDefault("patch_mpp", mpp)
        untouched = config is not None and config.patch_mpp in (None, None if before is None else before.mpp)
        if config is not None and untouched and config.patch_mpp != mpp:
            self._options.setValue(config.changed(patch_mpp=mpp))
        self._take_stopped()

    def _take_stopped(self, *_: object) -> None:
        """Show settings and classes of the run that would go on, once."""
        model = self._patches.files.model
        if not self._patches.count() or not model.resumes() or model.output() == self._run:
            return
        self._run = model.output()
        run = stopped_run(self._run)
        if run is not None:
            self._options.setValue(run.config)
            self._patches.setTable(run.classes)

    def _on_order_chosen(self, order: tuple[str, ...] | None) -> None:
        """The masks are to be read in an order of their own."""
        config = self._options.known()
        if config is not None:
            self._options.setValue(config.changed(mask_order=order))

    def _on_answered(self, mpp: float) -> None:
        """The user said how large a pixel is."""
        self._options.field("patch_mpp").put(mpp)
