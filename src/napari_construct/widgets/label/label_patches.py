"""The dock widget Label patches: patches of the user's own tissue, labelled with digit keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_construct.data.labels.labelled_folder import is_labelled_folder
from napari_construct.exceptions import ConstructError
from napari_construct.labelling.session import LabelSession
from napari_construct.reading.places import is_folder
from napari_construct.widgets.fields.controls import button
from napari_construct.widgets.fields.drops import refused
from napari_construct.widgets.fields.layout import fold
from napari_construct.widgets.fields.message_label import Problem
from napari_construct.widgets.label.form import CutForm
from napari_construct.widgets.label.gallery import LabelGallery
from napari_construct.widgets.label.job import cut_job
from napari_construct.widgets.label.recipes import cut_as_command, cut_as_python
from napari_construct.widgets.label.request import CutRequest
from napari_construct.widgets.parts.dock import JobDock
from napari_construct.widgets.parts.hand_over import to_train

if TYPE_CHECKING:
    import napari.viewer


class LabelPatches(JobDock[CutRequest, Path]):
    """Cuts patches in a thread, and labels them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose image layers are offered, and whose Train gets the labels.

    Attributes
    ----------
    form : CutForm
        What is cut.
    gallery : LabelGallery
        The patches and their labels.
    """

    verb = "Cut patches"
    cancelled = "Cancelled; nothing was written."
    recipes = cut_as_python, cut_as_command
    copy_tip = "Copy this cut as {}: pasted back it gives the same patches"

    def __init__(self, viewer: napari.viewer.Viewer, *, parent: QWidget | None = None) -> None:
        super().__init__(viewer, parent)
        self._cut: CutRequest | None = None
        self.form = CutForm(viewer, self)
        self.gallery = LabelGallery(self)
        tip = "Open the labelled patches in Train"
        self._train = button("Train on these", tip, self.train, self)
        tip = "Images, number of patches, classes and folder; open or close"
        self._fold = fold("Patches to label", tip, self.form, self)
        self._fold.expand(animate=False)
        self.gallery.hide()
        self._rest = QWidget(self)  # below the form, until there is a gallery to take the space
        self._rest.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._lay_out(self._fold, self._rest, self.gallery, below=(self._train,), grows=self.gallery)
        self.form.valueChanged.connect(self._on_changed)
        self.form.failed.connect(self._on_failed)
        self.gallery.failed.connect(self._on_failed)
        self.gallery.changed.connect(self._on_labelled)
        self.gallery.sessionChanged.connect(self._on_session)
        self.closed.connect(self.gallery.close_session)
        self._refresh()

    def openFolder(self, folder: str) -> None:
        """Label the patches of a folder, or go on with it."""
        self.form.setOutput(folder)
        if self._is_open():
            self._open(self.form.output())
        else:
            self.run()

    def session(self) -> LabelSession | None:
        """What is labelled; None while nothing is."""
        return self.gallery.session()

    def train(self, *_: object) -> None:
        """Save, and hand the folder to Train."""
        session = self.session()
        if session is None:
            return
        try:
            session.save()
        except ConstructError as error:
            self._on_failed(error)
            return
        to_train(self._viewer, session.folder)

    def takeDropped(self, paths: list[Path]) -> str:
        """A folder with patches is opened; another folder, a slide or an image is cut."""
        if len(paths) > 1:
            return refused(paths, "one folder of images, one slide or image, or one folder with patches")
        if is_folder(paths[0]) and is_labelled_folder(paths[0]):
            self.openFolder(str(paths[0]))
        else:
            self.form.setSource(str(paths[0]))
            self._fold.expand(animate=False)
        return ""

    def request(self) -> CutRequest:
        return self.form.value()

    def launch(self, request: CutRequest) -> None:
        self._cut = None if request.opens else request
        if request.opens:
            self._open(request.output)
        else:
            self.start("Cut patches", cut_job, request)

    def problem(self) -> Problem:
        if self._is_open():
            return Problem("Label the patches with the keys. For others, choose another folder above.")
        return Problem(self.form.problem())

    def text(self, recipe: Callable[[CutRequest], str]) -> str:
        if self._is_open():  # as they were cut, where that was here
            cut, request = self._cut, self.request()
            return recipe(cut if cut is not None and cut.output == request.output else request)
        return super().text(recipe)

    def _open(self, folder: Path) -> None:
        """Open a folder with patches; the one before is closed first, it may be the same."""
        self.gallery.close_session()
        session = self.made(lambda: LabelSession(folder))
        if session is None:
            return
        self.control.forget()
        self.form.classes.setValue(session.classes)
        self.gallery.showSession(session)
        self.gallery.setFocus()

    def _on_result(self, result: Path) -> None:
        self._open(result)
        session = self.session()
        if session is not None:
            said = f"{len(session)} patches of {_groups(session)} in {result.name}"
            self.control.summarise(f"{said}.")
        self.finished.emit()

    def _on_session(self) -> None:
        """Show the gallery while something is labelled, else the form."""
        there = self.session() is not None
        (self._fold.collapse if there else self._fold.expand)(animate=False)
        self._rest.setHidden(there)
        self.gallery.setVisible(there)
        self._refresh()

    def _on_changed(self) -> None:
        self._refresh()
        if not self.control.blockedReason():
            self.valueChanged.emit(self.form.settings.known())

    def _on_labelled(self) -> None:
        self._refresh_train()

    def _refresh(self, *_: object) -> None:
        opens = self.form.opens() and not self._is_open()
        self.control.setAction("Open the patches of " if opens else "", self._name() if opens else "")
        super()._refresh()
        self._refresh_train()

    def _refresh_train(self) -> None:
        session = self.session()
        some = session is not None and session.progress().labelled > 0
        self._train.setVisible(session is not None)
        self._train.setEnabled(some)

    def _is_open(self) -> bool:
        """Whether the chosen folder is the one that is being labelled."""
        session = self.session()
        return session is not None and self.form.output() == session.folder

    def _name(self) -> str:
        return self.form.output().name


def _groups(session: LabelSession) -> str:
    count = len({patch.group for patch in session.patches})
    return f"{count} image{'s' if count > 1 else ''}"
