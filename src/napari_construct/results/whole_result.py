"""Write a result as a whole: its files and the record that names them, or nothing.

The record names its files with size and SHA-256, and comes last. When an earlier result is replaced, its
record goes first. So after a kill at any moment there is the earlier result, the new one, or files without a
record, which say themselves what their classes are; never a record beside files of another result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_construct.export.atomic import unwritable
from napari_construct.export.digests import digest
from napari_construct.export.locks import hidden_folder, locked_for_a_moment
from napari_construct.export.own_files import RECORD_FORMAT, refuse_others
from napari_construct.export.record import write_record
from napari_construct.export.together import replace_together


def write_whole(
    paths: Mapping[str, Path],
    record: Mapping[str, Any],
    write: Callable[[Mapping[str, Path]], None],
    *,
    overwrite: bool = False,
) -> None:
    """Make files in a hidden folder beside their places, and move them when the last one is complete.

    Earlier results are replaced; a file that we did not make is an error. Where the system refuses in
    between, the earlier result is put back.

    Parameters
    ----------
    paths : mapping of str to Path
        By kind, all in one folder; "record" must be among them.
    record : mapping
        Of the result; names, sizes and hashes of the files are added.
    write : callable
        Writes every file but the record, to the paths that it gets by kind.
    overwrite : bool
        Also replace files that napari-construct did not make.

    Raises
    ------
    ConfigurationError
        If a file that napari-construct did not make would be replaced.
    ConstructError
        If the folder cannot be written.
    """
    names = {kind: path.name for kind, path in paths.items()}
    folder = paths["record"].parent
    _refuse_others(paths, overwrite)
    try:
        with hidden_folder(folder) as hidden:
            made = {kind: hidden / name for kind, name in names.items()}
            write({kind: path for kind, path in made.items() if kind != "record"})
            found = {kind: digest(path) for kind, path in made.items() if kind != "record"}
            about = {
                "files": names,
                "sizes": {kind: one.size for kind, one in found.items()},
                "sha256": {kind: one.sha256 for kind, one in found.items()},
            }
            write_record(made["record"], {"format": RECORD_FORMAT, **record, **about})
            members = [(made[kind], paths[kind]) for kind in found]
            with locked_for_a_moment(paths["record"]):  # or two runs mix their files
                replace_together(members, (made["record"], paths["record"]))
    except OSError as error:
        raise unwritable(folder, error) from error


def _refuse_others(paths: Mapping[str, Path], overwrite: bool) -> None:
    """Refuse to replace what others made; while another run replaces our own, its record is not there."""
    if not paths["record"].parent.is_dir():
        return
    with locked_for_a_moment(paths["record"]):
        refuse_others(paths.values(), overwrite=overwrite)
