"""One line per error; the traceback only with ``--debug``."""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper
from typing import Any, Final

import typer
from typer.core import TyperGroup

from napari_construct.exceptions import ConstructError
from napari_construct.reading.foreign import cut, passed_on, without_secrets
from napari_construct.reading.names import shown

LONGEST_ERROR: Final = 2000
"""Characters of an error in a terminal."""

_OF_A_NAME: Final = frozenset(
    {
        errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT,
        errno.ENOTDIR, errno.ENXIO, errno.EPERM, errno.EROFS, errno.EINVAL,
    }
)  # fmt: skip

CANCELLED: Final = 130
"""Exit code after Ctrl-C, as in shells."""


class OneLineErrors(TyperGroup):
    """Command group that shows errors as one line and exits with the documented exit code."""

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # names of files may hold any bytes
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):  # these two are RuntimeErrors as well
            raise
        except KeyboardInterrupt as error:
            typer.echo("cancelled", err=True)
            raise typer.Exit(CANCELLED) from error
        except ConstructError as error:
            raise _shown(error, ctx, 2) from error
        except (OSError, UnicodeError, MemoryError, RuntimeError) as error:  # full disks, torch
            raise _shown(error, ctx, 2 if _is_of_a_name(error) else 1) from error


def _shown(error: BaseException, ctx: Any, code: int) -> BaseException:
    """Show an error and return the exception to raise: the exit, or with ``--debug`` the error itself."""
    if ctx.params.get("debug"):
        return error
    typer.echo(f"error: {cut(without_secrets(one_line(error)), LONGEST_ERROR)}", err=True)
    if not isinstance(error, ConstructError) and not _is_of_a_name(error):
        typer.echo("run napari-construct --debug ... to see the traceback", err=True)
    return typer.Exit(code)


def one_line(error: BaseException) -> str:
    """Message of an error on one line; its type if it has no message."""
    text = shown(" ".join(str(error).split()))
    if isinstance(error, ConstructError):
        return text
    return _last_resort(error) or f"{type(error).__name__}: {text}".rstrip(": ")


def _is_of_a_name(error: BaseException) -> bool:
    """Whether the system refused a path that the user named: nothing else went wrong."""
    if isinstance(error, RuntimeError):  # of pathlib, before Python 3.13
        return str(error).startswith("Symlink loop")
    return isinstance(error, OSError) and error.filename is not None and error.errno in _OF_A_NAME


def _last_resort(error: BaseException) -> str:
    """A sentence for what no reader or writer has turned into an error of its own; empty for other errors."""
    if isinstance(error, OSError) and error.filename is not None:
        path = error.filename if isinstance(error.filename, str) else repr(error.filename)
        return (
            f"{path}: cannot be used ({error.strerror or type(error).__name__}); check the path, its "
            "permissions and the disk"
        )
    if isinstance(error, RuntimeError) and _is_of_a_name(error):
        return f"expected a file or folder, got links in a circle ({passed_on(error)}); check the path"
    if isinstance(error, UnicodeError):
        return f"expected text in UTF-8, got something else ({passed_on(error)}); rename or convert it"
    if isinstance(error, RecursionError):
        return "expected files of ordinary depth, got one nested too deeply; check what was given"
    if isinstance(error, MemoryError):
        reason = passed_on(error) or "none left"
        return (
            f"expected enough memory for this, got too little ({reason}); give a smaller part, or close "
            "other programs"
        )
    return ""
