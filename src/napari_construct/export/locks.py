"""One writer at a time: locks that the operating system releases however their holder ends.

A lock is a small file that its holder keeps locked and removes at the end. After a kill the file stays and
is locked no more, so the next run takes it at once. It names its holder, for the message to whoever comes
second. Libraries for this leave their file behind, which would lie among the user's results. File systems
that know no locks give one to everybody: it works there as it did without.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

from napari_construct.exceptions import ConfigurationError, ConstructError
from napari_construct.export.atomic import unwritable
from napari_construct.reading.marks import HIDDEN
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.json import parse_json

FOLDER_LOCK: Final = ".napari-construct.lock"
"""Name of the lock file of a folder."""

_LOCK: Final = ".lock"
_ABANDONED: Final = 3600.0
"""Seconds after which a hidden folder without a lock, of an earlier version, belongs to nobody."""
_LONGEST: Final = 4096
_PAUSE: Final = 0.02
"""Seconds between two attempts."""
_UNSUPPORTED: Final = {
    getattr(errno, name, 0) for name in ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK", "EINVAL")
}

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, 2**30, os.SEEK_SET)  # a byte behind the text, which others must be able to read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        return True


def locked_folder(folder: Path, patience: float = 0.0) -> AbstractContextManager[None]:
    """Hold the lock of an output folder, which is made if it is missing; wait ``patience`` seconds for it.

    Raises
    ------
    ConfigurationError
        If another run holds it; the message says which.
    ConstructError
        If the system refuses.
    """
    return _held(folder / FOLDER_LOCK, folder, patience)


def held_by(folder: Path) -> str:
    """Who holds the lock of an output folder, as a part of a sentence; empty where nobody does.

    Nothing is written, and the folder need not exist.
    """
    lock = folder / FOLDER_LOCK
    try:
        descriptor = os.open(lock, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return ""
    try:
        return "" if _lock(descriptor) else _holder(lock)
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def with_locks(folder: Path) -> list[Path]:
    """Files of a folder that have a lock, which is held or was left behind; they need not exist."""
    names = (path.name for path in folder.iterdir())
    return [folder / name[1 : -len(_LOCK)] for name in names if name.startswith(".") and name.endswith(_LOCK)]


def locked_file(path: Path | None) -> AbstractContextManager[None]:
    """Hold the lock of one output file; its folder is made if it is missing. Nothing where there is none.

    Raises
    ------
    ConfigurationError
        If another run holds it; the message says which.
    ConstructError
        If the system refuses.
    """
    return nullcontext() if path is None else _held(path.with_name(f".{path.name}{_LOCK}"), path)


@contextmanager
def locked_for_a_moment(path: Path, patience: float = 60.0) -> Iterator[None]:
    """Hold the lock of an output file for a step that is soon over; wait for another run's.

    Parameters
    ----------
    path : Path
        File in a folder that exists.
    patience : float
        Seconds.

    Raises
    ------
    ConfigurationError
        If another run holds it all this time.
    ConstructError
        If the system refuses.
    """
    with _held(path.with_name(f".{path.name}{_LOCK}"), path, patience):
        yield


@contextmanager
def hidden_folder(folder: Path) -> Iterator[Path]:
    """A new hidden folder in ``folder`` for half-written files; those of killed runs are removed.

    Raises
    ------
    OSError
        If the system refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    while True:
        hidden = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=folder))
        try:
            descriptor = _take(hidden / _LOCK)
        except FileNotFoundError:
            continue  # it was still empty when another run tidied up
        if descriptor is not None:
            break
    try:
        yield hidden
    finally:
        _clear(hidden)
        os.close(descriptor)
        _clear(hidden)  # Windows removes no open file


def remove_abandoned(folder: Path) -> None:
    """Remove hidden folders that killed runs left in ``folder``, never one of a run at work."""
    with suppress(OSError), os.scandir(folder) as found:
        left = [Path(entry) for entry in found if entry.name.startswith(HIDDEN)]
        for path in left:
            if path.is_dir() and not path.is_symlink():
                _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    lock = path / _LOCK
    if not lock.is_file():
        with suppress(OSError):
            path.rmdir()
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        descriptor = os.open(lock, os.O_RDWR)
        try:
            free = _lock(descriptor)
            if free:
                _clear(path)
        finally:
            os.close(descriptor)
        if free:
            _clear(path)


def _clear(path: Path) -> None:
    """Remove a hidden folder, its lock last: a kill on the way leaves what the next run removes."""
    with suppress(OSError):
        for inside in path.iterdir():
            if inside.is_dir() and not inside.is_symlink():
                shutil.rmtree(inside, ignore_errors=True)
            elif inside.name != _LOCK:
                inside.unlink(missing_ok=True)
    with suppress(OSError):
        (path / _LOCK).unlink(missing_ok=True)
        path.rmdir()


@contextmanager
def _held(lock: Path, target: Path, patience: float = 0.0) -> Iterator[None]:
    end = time.monotonic() + patience
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        while (descriptor := _take(lock)) is None and time.monotonic() < end:
            time.sleep(_PAUSE)
    except OSError as error:
        raise unwritable(target, error) from error
    if descriptor is None:
        raise ConfigurationError(
            f"{target}: expected an output that no other run is writing to, got one that {_holder(lock)}; "
            "wait until it ends, stop it, or choose another output"
        )
    try:
        _write_holder(descriptor)
        yield
    finally:
        if os.name == "posix":  # before the lock goes: whoever comes then finds that its file is gone
            with suppress(OSError):
                lock.unlink()
        os.close(descriptor)
        if os.name != "posix":
            with suppress(OSError):
                lock.unlink()


def _take(path: Path) -> int | None:
    """Descriptor of the lock file, which is locked; None if another process holds it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        descriptor = os.open(path, flags, 0o666)
        try:
            if not _lock(descriptor):
                os.close(descriptor)
                return None
            # a holder that ended just now has removed the file: its lock is worth nothing then
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _write_holder(descriptor: int) -> None:
    now = time.strftime("%Y-%m-%d %H:%M")
    text = json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": now})
    with suppress(OSError):  # a full disk: the lock holds without
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, text.encode())


def _holder(lock: Path) -> str:
    """Who holds a lock, as far as its file says it."""
    try:
        with open_regular(lock, "a lock") as stream:
            found = parse_json(stream.read(_LONGEST), str(lock))
        process, host, since = int(found["process"]), str(found["host"])[:80], str(found["since"])[:20]
    except (ConstructError, OSError, ValueError, LookupError, TypeError):
        return "another process is using"
    return f"process {process} on {host!r} has been using since {since!r}"
