"""Which files of a folder are results of napari-construct, and no images to work on."""

from __future__ import annotations

from pathlib import Path

from napari_construct.batch.ledger import LEDGER_NAME, read_ledger
from napari_construct.batch.share import share_ledgers
from napari_construct.exceptions import ConstructError
from napari_construct.export.own_files import files_of, is_own, is_pyramid, record_path
from napari_construct.reading.places import is_file, is_folder


class OwnResults:
    """Tells results of napari-construct: by their mark, a record beside them, or a ledger around them."""

    def __init__(self) -> None:
        self._ledgers: dict[Path, frozenset[Path]] = {}
        self._records: dict[Path, frozenset[str]] = {}

    def __call__(self, path: Path) -> bool:
        # an OME-Zarr holds the image itself: alone, without record or ledger, it is one; not a label pyramid
        marked = is_pyramid(path) if is_folder(path) else is_own(path)
        return marked or self._in_record(path) or path in self._in_ledgers(path.parent)

    def _in_record(self, path: Path) -> bool:
        record = record_path(path)
        if record not in self._records:
            self._records[record] = frozenset(files_of(record).values())
        return path.name in self._records[record]

    def _in_ledgers(self, folder: Path) -> frozenset[Path]:
        if folder not in self._ledgers:
            places = (folder, *folder.parents)
            ledgers = (path for place in places for path in (place / LEDGER_NAME, *share_ledgers(place)))
            self._ledgers[folder] = frozenset[Path]().union(*map(_named_in, ledgers))
        return self._ledgers[folder]


def _named_in(ledger: Path) -> frozenset[Path]:
    """Files of a ledger; none if it cannot be read."""
    if not is_file(ledger):
        return frozenset()
    try:
        _, entries = read_ledger(ledger)
    except (ConstructError, OSError):
        return frozenset()
    return frozenset(ledger.parent / str(name) for entry in entries.values() for name in entry.files.values())
