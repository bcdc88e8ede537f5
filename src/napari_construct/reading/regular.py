"""Open files that are files: no pipe, device or socket, which may never end."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import cut
from napari_construct.reading.names import shown
from napari_construct.reading.places import is_folder
from napari_construct.types import PathLike

_AT_ONCE: Final = 2**20
_REMEDIES: Final = {
    errno.ENAMETOOLONG: "shorten its name",
    errno.ELOOP: "its links lead in a circle, remove one",
}


def open_regular(path: PathLike, what: str = "an image file") -> BinaryIO:
    """Open a regular file for reading bytes; links are followed.

    Parameters
    ----------
    path : str or path
        The file.
    what : str
        What the error says was expected.

    Raises
    ------
    InputError
        If there is nothing, a folder, a pipe, a device or a socket, or the system refuses.
    """
    path, name = Path(path), cut(shown(path), 300)
    try:
        # without O_NONBLOCK, opening a pipe waits for a writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        reason = "a link to nothing" if path.is_symlink() else "nothing there"
        raise InputError(f"{name}: expected {what}, found {reason}; check the path") from error
    except OSError as error:
        if is_folder(path):  # Windows refuses to open folders
            raise _folder(name, what) from error
        remedy = _REMEDIES.get(error.errno or 0, "check its permissions")
        raise InputError(
            f"{name}: expected {what}, but it cannot be opened ({error.strerror}); {remedy}"
        ) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{name}: expected {what}, got an impossible name ({error}); correct it") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise _folder(name, what)
    raise InputError(f"{name}: expected {what}, got a pipe, device or socket; save it as a file")


def sha256_of(path: PathLike) -> str:
    """SHA-256 of the bytes of a regular file; ``InputError`` as of :func:`open_regular`."""
    digest = hashlib.sha256()
    with open_regular(path, "a file") as stream:
        while part := stream.read(_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def _folder(name: str, what: str) -> InputError:
    return InputError(f"{name}: expected {what}, got a folder; name a file in it")
