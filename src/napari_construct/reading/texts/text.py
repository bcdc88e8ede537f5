"""Text files of bounded size."""

from __future__ import annotations

import codecs
from typing import Final

from napari_construct.exceptions import ConfigurationError, ConstructError, InputError
from napari_construct.reading.foreign import cut, passed_on
from napari_construct.reading.names import shown
from napari_construct.reading.regular import open_regular
from napari_construct.types import PathLike

LARGEST: Final = 16 * 2**20
"""Bytes of a text file, unless its reader states another limit."""

LARGEST_SETTINGS: Final = 2**20
"""Bytes of a file of settings."""

_START: Final = 4096
"""Bytes in which the first sign of a text is looked for."""

_OTHER_ENCODINGS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(
    path: PathLike,
    *,
    what: str = "a text file",
    largest: int = LARGEST,
    error: type[ConstructError] = ConfigurationError,
) -> str:
    """The text of a regular file in UTF-8, with or without a mark at its start.

    Parameters
    ----------
    path : str or path
        The file; links are followed, pipes and devices are refused.
    what : str
        What the error says was expected: "a class table".
    largest : int
        Bytes that are read at most; a larger file is an error.
    error : type
        Class of the error.

    Raises
    ------
    ConstructError
        If the file is missing, no regular file, too large, or holds no UTF-8 text.
    """
    return decoded(read_bytes(path, what=what, largest=largest, error=error), at(path), what, error)


def read_bytes(path: PathLike, *, what: str, largest: int, error: type[ConstructError]) -> bytes:
    """The bytes of a regular file of bounded size; parameters and errors as of :func:`read_text`."""
    try:
        with open_regular(path, what) as stream:
            data = stream.read(largest + 1)
    except InputError as found:
        raise error(str(found)) from found
    except OSError as found:
        raise error(f"{at(path)}: cannot be read ({found.strerror or found}); check the disk") from found
    if len(data) > largest:
        raise error(
            f"{at(path)}: expected {what} of at most {_in_words(largest)}, got a larger file; check which "
            "file it is"
        )
    return data


def decoded(data: bytes, where: str, what: str, error: type[ConstructError]) -> str:
    """Bytes as text.

    Parameters
    ----------
    data : bytes
        UTF-8.
    where, what, error
        Place and expectation of the error message, and its class.
    """
    for mark, name in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            raise error(f"{where}: expected {what} in UTF-8, got {name}; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as found:
        raise error(
            f"{where}: expected {what} in UTF-8, got another encoding (byte {data[found.start]:#04x} at "
            f"{found.start}); save it as UTF-8"
        ) from found
    if "\0" in text:
        raise error(f"{where}: expected {what}, got a file that holds zero bytes; it is no text or damaged")
    return text


def holds_json(path: PathLike, what: str, error: type[ConstructError] = ConfigurationError) -> bool:
    """Whether a text file is to be read as JSON: its first sign opens an object or a list.

    The suffix decides only where the text does not begin so: a ``.json`` is never anything else.
    Parameters and errors as of :func:`read_text`.
    """
    try:
        with open_regular(path, what) as stream:
            start = stream.read(_START).removeprefix(codecs.BOM_UTF8).lstrip()
    except InputError as found:
        raise error(str(found)) from found
    except OSError as found:
        raise error(f"{at(path)}: cannot be read ({found.strerror or found}); check the disk") from found
    return start.startswith((b"{", b"[")) or str(path).lower().endswith(".json")


def at(path: object) -> str:
    """A path in a message: harmless, and not endless."""
    return cut(shown(str(path)), 300)


def _in_words(count: int) -> str:
    """Bytes for people: "16 MiB"."""
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 2**10} KiB"


def unreadable(where: str, what: str, found: BaseException | str) -> str:
    """The sentence for text that its format does not allow."""
    reason = found if isinstance(found, str) else passed_on(found)
    return f"{where}: expected {what}, got {reason}; correct the text"
