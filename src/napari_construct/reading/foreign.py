"""Text of others, shown harmlessly: in messages, terminals, tables, and as names of files.

A name, a key or a value may come from anybody: a file name, a class table, a checkpoint of the hub. It may
hold escape sequences of terminals, formulas of spreadsheets, or ten megabytes.
"""

from __future__ import annotations

import re
import reprlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from napari_construct.exceptions import ConfigurationError, ConstructError

LONGEST: Final = 80
"""Characters of foreign text that a message quotes."""

LONGEST_MESSAGE: Final = 1000
"""Characters of a message of a library that is passed on."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SECRET: Final = re.compile(
    r"(?i)([?&;](?:access_?|auth_?|api_?|hf_?|x-amz-)?(?:token|key|secret|password|passwd|pwd|sig(?:nature)?|"
    r"credential|auth|code)=)[^&#\s'\"]+"
)
_LOGIN: Final = re.compile(r"//[^/@\s'\"]*@")
_TOKEN: Final = re.compile(r"\bhf_(?!tokenizer_name)[A-Za-z0-9]{8,}")  # not that key of open_clip's
_NOT_IN_NAMES: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]+')
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


class _Short(reprlib.Repr):
    """Values that may be large or deeply nested, as in Python, but short."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxother = 3, LONGEST
        self.maxstring = self.maxlong = LONGEST

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write integers of more than 4300 digits
        return super().repr_int(x, level) if x.bit_length() < 1000 else "a number of hundreds of digits"


def quoted(value: Any, longest: int = LONGEST) -> str:
    """A foreign value as Python writes it, without control characters, in at most ``longest`` characters.

    Text gets quotation marks. The cut is shown by dots.
    """
    if isinstance(value, str):
        return repr(value) if len(value) <= longest else f"{value[: longest - 3]!r}..."
    return cut(printable(_Short().repr(value)), longest)


def cut(text: str, longest: int = LONGEST) -> str:
    """The beginning of a text, with dots where it was cut."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def harmless(name: object, longest: int = LONGEST) -> str:
    """A foreign name in a sentence, without quotation marks: printable, and not endless."""
    return printable(cut(str(name), longest))


def printable(text: str, keep: str = "") -> str:
    r"""A text without anything that a terminal obeys: control characters become ``\x1b``.

    Bytes of names that are not UTF-8 (lone surrogates) and marks that reverse the direction of writing are
    written out in the same way.

    Parameters
    ----------
    text : str
        Any length; letters of all languages stay.
    keep : str
        Characters that stay although they are not printable, such as line breaks.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def passed_on(error: BaseException) -> str:
    """The message of a library's error, on one line, harmless and of bounded length."""
    text = cut(str(error), LONGEST_MESSAGE)
    return cut(printable(" ".join(without_secrets(text).split())), LONGEST_MESSAGE // 4)


def without_secrets(text: str) -> str:
    """A text whose web addresses have no user, password or token any more."""
    text = _LOGIN.sub("//***@", text)
    return _TOKEN.sub("hf_***", _SECRET.sub(r"\1***", text))


def table_cell(value: Any) -> Any:
    """A value for a table of comma-separated text that a spreadsheet does not take for a formula.

    Text that begins as a formula gets an apostrophe in front, which spreadsheets hide; :func:`cell_text`
    takes it away. Numbers stay, also those written as text.
    """
    if not isinstance(value, str) or not value.lstrip("'").startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def cell_text(cell: str) -> str:
    """The text that :func:`table_cell` was given."""
    if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA):
        return cell[1:]
    return cell


def file_name(text: str, longest: int = 100) -> str:
    """A foreign name as the name of one file: no folders, drives, device names or control characters."""
    name = _NOT_IN_NAMES.sub("_", text).strip(" .")[:longest].rstrip(" .")
    return f"_{name}" if not name or _RESERVED.fullmatch(name) else name


def path_inside(folder: Path, name: object, error: type[ConstructError] = ConfigurationError) -> Path:
    """The path of a file that a ledger or a record names; it must stay in its folder.

    Parameters
    ----------
    folder : Path
        Where the file must lie.
    name : object
        As it was read; text with forward slashes.
    error : type
        Class of the error.

    Raises
    ------
    ConstructError
        If it is no text, or leads out of the folder ("../", an absolute path, a drive). Links that somebody
        made in the folder are followed.
    """
    if isinstance(name, str) and name and "\0" not in name:
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        anchored = posix.is_absolute() or windows.drive or windows.root
        if not anchored and ".." not in (*posix.parts, *windows.parts):
            return folder / name
    raise error(
        f"{folder}: expected the name of a file in this folder, got {quoted(name)}; the file that names it "
        "was changed by something else"
    )
