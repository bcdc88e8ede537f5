"""Text that may be packed: a plain file, gzip, or the one member of a zip file; bounded while it is read."""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

from napari_construct.exceptions import InputError
from napari_construct.reading.foreign import passed_on, quoted
from napari_construct.reading.regular import open_regular
from napari_construct.reading.texts.text import at
from napari_construct.reading.zip_directory import check_directory
from napari_construct.types import PathLike

PIECE: Final = 2**20
"""Bytes that are unpacked at once."""

_DAMAGED: Final = (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
_PACKED: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def packed_text(
    path: PathLike, what: str, *, endings: tuple[str, ...], largest: int
) -> Generator[str, None, None]:
    """The text of a file in pieces of about a megabyte; the content decides how it is packed.

    Parameters
    ----------
    path : str or path
        A regular file: UTF-8, gzip of that, or a zip file. No name within an archive is opened or used
        otherwise.
    what : str
        What the error says was expected.
    endings : tuple of str
        Of the members of a zip file that are meant, in small letters; there must be one.
    largest : int
        Bytes of the unpacked text at most; what is beyond is never unpacked.

    Raises
    ------
    InputError
        If it is missing, damaged, larger, encrypted, in another encoding, or an archive of several such
        files.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    seen = 0
    with ExitStack() as stack:
        try:
            stream = _unpacked(stack, stack.enter_context(open_regular(path, what)), path, what, endings)
            while data := stream.read(PIECE):
                seen += len(data)
                if seen > largest:
                    break
                yield decoder.decode(data)
            else:
                yield decoder.decode(b"", final=True)
                return
        except UnicodeDecodeError as error:
            raise InputError(
                f"{at(path)}: expected {what} in UTF-8, got another encoding or no text (near byte "
                f"{max(seen - PIECE, 0) + error.start}); save it as UTF-8"
            ) from error
        except InputError:
            raise
        except _DAMAGED as error:
            raise InputError(
                f"{at(path)}: expected {what}, it cannot be unpacked ({passed_on(error)}); get it again"
            ) from error
    raise InputError(
        f"{at(path)}: expected {what} of at most {largest:,} bytes, got more when it was unpacked; check "
        "which file it is"
    )


def holds_member(path: PathLike, endings: tuple[str, ...]) -> bool:
    """Whether a file is a zip archive with a member of such an ending; nothing is unpacked."""
    try:
        with open_regular(path, "an archive") as stream:
            check_directory(stream)
            return any(_is_meant(one, endings) for one in zipfile.ZipFile(stream).infolist())
    except (InputError, *_DAMAGED):
        return False


def _unpacked(stack: ExitStack, stream: BinaryIO, path: PathLike, what: str, endings: tuple[str, ...]) -> Any:
    start = stream.read(4)
    stream.seek(0)
    if start.startswith(b"\x1f\x8b"):
        packed: Any = gzip.GzipFile(fileobj=stream)
        return stack.enter_context(packed)
    if not start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return stream
    check_directory(stream)
    archive = stack.enter_context(zipfile.ZipFile(stream))
    members = [one for one in archive.infolist() if _is_meant(one, endings)]
    if len(members) != 1:
        names = ", ".join(quoted(one.filename) for one in members[:3])
        raise InputError(
            f"{at(path)}: expected an archive with one {' or '.join(endings)}, got {len(members)}"
            f"{f' ({names} ...)' if names else ''}; unpack it and name one file"
        )
    if members[0].flag_bits & 1 or members[0].compress_type not in _PACKED:
        raise InputError(
            f"{at(path)}: expected {what}, got an archive that is encrypted or packed in an unusual way; "
            "unpack it and name the file"
        )
    return stack.enter_context(archive.open(members[0]))


def _is_meant(member: zipfile.ZipInfo, endings: tuple[str, ...]) -> bool:
    """Not the shadows that macOS adds."""
    name = member.filename.rsplit("/", 1)[-1].lower()
    shadow = member.filename.startswith("__MACOSX/") or name.startswith(".")
    return name.endswith(endings) and not shadow
