"""A person labels patches: several classes a patch, undo and redo, progress; nothing is lost in a kill."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from napari_construct.classes import ClassTable
from napari_construct.data.images import read_image
from napari_construct.data.labels.labelled_folder import LABELS
from napari_construct.exceptions import ConfigurationError, ConstructError, DatasetError
from napari_construct.export.locks import locked_folder
from napari_construct.labelling.description import (
    CONTEXT,
    PATCHES,
    CutPatch,
    Description,
    check_classes,
    read_description,
)
from napari_construct.labelling.history import Change, History
from napari_construct.labelling.journal import Journal
from napari_construct.labelling.order import Order, ordered
from napari_construct.labelling.progress import LabelProgress, progress_of
from napari_construct.labelling.table import Labels, LabelsFile
from napari_construct.reading.names import named
from napari_construct.reading.places import is_file
from napari_construct.types import PathLike, RGBImage


class LabelSession:
    """The labels of a folder of patches; use it in a ``with`` block, or call :meth:`close`.

    Every label is on disk before the next one is taken, in a journal; :meth:`save` writes the table that
    training reads, and so does closing. One session at a time works on a folder.

    Parameters
    ----------
    folder : str or path
        Of :func:`~napari_construct.cut_patches`.

    Attributes
    ----------
    folder : Path
        The folder.
    patches : tuple of CutPatch
        Where each patch comes from; their numbers, from 0, are used below.

    Raises
    ------
    DatasetError
        If it is no such folder, its files are damaged, or patches are missing.
    ConfigurationError
        If another session has the folder open, or cutting it was not finished.
    ConstructError
        If the system refuses to write there.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        about = read_description(self.folder)
        if not about.complete:
            raise ConfigurationError(
                f"{self.folder}: expected a folder with all patches, got one whose cutting was not finished; "
                "cut them again into it"
            )
        self._stack = ExitStack()
        self._stack.enter_context(locked_folder(self.folder))
        try:
            self._open(about)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, about: Description) -> None:
        self._about = about
        self.patches: tuple[CutPatch, ...] = about.patches
        missing = [p.file for p in self.patches if not is_file(self.folder / PATCHES / p.file)]
        if missing:
            raise DatasetError(
                f"{self.folder / PATCHES}: expected the patches of the folder, found no {named(missing)}; "
                "bring them back"
            )
        self._table = LabelsFile(self.folder, about.classes, self.patches, about.former)
        self._closed = False
        self._labels: list[Labels] = self._table.read()
        self._numbers = {patch.file: i for i, patch in enumerate(self.patches)}
        self._journal = Journal(self.folder)
        self._history = History()
        since = self._journal.read(self.classes.names)
        self._unsaved = False
        for file, labels in since.items():
            if file in self._numbers:
                self._labels[self._numbers[file]] = labels
                self._unsaved = True
        self.save()

    def __enter__(self) -> LabelSession:  # noqa: PYI034  # the checker of types at run time knows no Self
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.patches)

    @property
    def classes(self) -> ClassTable:
        """The classes that are labelled."""
        return self._about.classes

    @property
    def model(self) -> str:
        """The model of the guesses; empty without one."""
        return self._about.model

    @property
    def whole(self) -> bool:
        """Whether each patch is a whole image."""
        return self._about.settings.get("whole") is True

    @property
    def table(self) -> Path:
        """``labels.csv``, which training reads."""
        return self.folder / LABELS

    def labels(self, number: int) -> frozenset[int] | None:
        """Classes of a patch, from 0; empty: none of them; None: not labelled yet."""
        return self._labels[number]

    def pixels(self, number: int) -> RGBImage:
        """(h, w, 3) uint8: a patch.

        Raises
        ------
        InputError
            If its file cannot be read.
        """
        return read_image(self.folder / PATCHES / self.patches[number].file).pixels

    def around(self, number: int) -> RGBImage | None:
        """(h, w, 3) uint8: a patch in the middle of three by three of its size; None where there is none."""
        name = self.patches[number].context
        path = self.folder / CONTEXT / name
        if not name or not is_file(path):
            return None
        try:
            return read_image(path).pixels
        except ConstructError:
            return None  # the patch itself is there

    def guess(self, number: int) -> tuple[tuple[str, float], ...]:
        """The model's classes and their probabilities in a patch, the likeliest first; empty without."""
        guess = self.patches[number].guess
        found = zip(self._about.guessed, guess, strict=False)
        return tuple(sorted(found, key=lambda one: -one[1]))

    def order(self, by: Order = "cut") -> tuple[int, ...]:
        """Numbers of the patches in an order; see :mod:`~.order`."""
        return ordered([patch.guess or None for patch in self.patches], by)

    def progress(self) -> LabelProgress:
        """How far it is."""
        return progress_of(self._labels, self.classes.names)

    def toggle(self, number: int, tissue: int) -> None:
        """Say that a class is in a patch, or is not where that was said before; the others stay.

        A patch that loses its last class is not labelled any more: "none of them" is said by :meth:`set`.
        """
        before = self._labels[number] or frozenset()
        self.set(number, (before ^ {tissue}) or None)

    def set(self, number: int, labels: Iterable[int] | None) -> None:
        """Label a patch.

        Parameters
        ----------
        number : int
            Of the patch.
        labels : iterable of int or None
            Its classes, from 0; empty: none of them; None: not labelled.

        Raises
        ------
        ConfigurationError
            If there is no such class.
        ConstructError
            If the system refuses to write; the label is then not taken.
        """
        wanted = None if labels is None else frozenset(labels)
        if wanted is not None and not wanted <= set(range(len(self.classes))):
            raise ConfigurationError(
                f"expected classes from 0 to {len(self.classes) - 1}, got {sorted(wanted)}; choose among them"
            )
        before = self._labels[number]
        if wanted != before:
            self._put(number, wanted)
            self._history.add(Change(number, before, wanted))

    def undo(self) -> int | None:
        """Take back the last label of this session; the patch it was of, or None where there is none."""
        change = self._history.last()
        if change is None:
            return None
        self._put(change.number, change.before)
        self._history.back()
        return change.number

    def redo(self) -> int | None:
        """Give again what :meth:`undo` took back; the patch it was of, or None where there is none."""
        change = self._history.next()
        if change is None:
            return None
        self._put(change.number, change.after)
        self._history.forth()
        return change.number

    def change_classes(self, classes: ClassTable) -> None:
        """Rename or colour the classes, in their order, and add others behind them.

        Patches that were labelled before do not show the added ones, as far as the table says.

        Raises
        ------
        ConfigurationError
            If classes are missing, or have names that a table cannot hold.
        """
        if len(classes) < len(self.classes):
            raise ConfigurationError(
                f"expected the {len(self.classes)} classes of the folder, or more, got {len(classes)}; "
                "labels would be lost"
            )
        check_classes(classes)
        self.save()
        # the names of before stay there: a kill before the table is written must not part the two
        former = self._about.classes.names
        self._about = self._about.model_copy(update={"classes": classes, "former": former})
        self._about.write(self.folder)
        self._table.rename(classes)
        self._unsaved = True
        self.save()

    def save(self) -> None:
        """Write the table, if there are labels that it has not.

        Raises
        ------
        ConfigurationError
            If another program wrote the table meanwhile.
        ConstructError
            If the system refuses; the labels stay in the journal.
        """
        if self._unsaved:
            self._table.write(self._labels)
            self._unsaved = False
        self._journal.clear()

    def close(self) -> None:
        """Save, and let others have the folder; a closed session takes no labels."""
        if self._closed:
            return
        try:
            self.save()
        finally:
            self._closed = True
            self._journal.close()
            self._stack.close()

    def _put(self, number: int, labels: Labels) -> None:
        if self._closed:
            raise ConfigurationError(
                f"{self.folder}: expected an open session, got one that was closed; open it"
            )
        self._journal.add(self.patches[number].file, labels, self.classes.names)
        self._labels[number] = labels
        self._unsaved = True
