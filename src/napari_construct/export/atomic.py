"""Results that are either complete or not there; errors say what helps."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_construct.exceptions import ConstructError
from napari_construct.types import PathLike
from napari_construct.whole_files import replacing


@contextmanager
def atomic(path: PathLike) -> Iterator[Path]:
    """Give a temporary path beside ``path``, and move it there when the block ends well.

    The folder is made if it is missing. Otherwise as :func:`~napari_construct.whole_files.replacing`.

    Raises
    ------
    ConstructError
        If the system refuses to write, with its reason.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: PathLike, error: OSError) -> ConstructError:
    """The error for what the system refuses to write, with what helps."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENAMETOOLONG:
        remedy = "give the image and the folders shorter names"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "check the permissions or choose another folder"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP):
        remedy = "choose another folder or name"
    else:
        remedy = "free some space or choose another folder"
    return ConstructError(f"{path}: cannot be written ({reason}); {remedy}")
