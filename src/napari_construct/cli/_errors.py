"""One line per error; the traceback only with ``--debug``."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Any, Final

import typer
from typer.core import TyperGroup

from napari_construct.exceptions import ConstructError
from napari_construct.reading.names import shown

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
        except (OSError, MemoryError, RuntimeError) as error:  # full disks, torch
            raise _shown(error, ctx, 1) from error


def _shown(error: BaseException, ctx: Any, code: int) -> BaseException:
    """Show an error and return the exception to raise: the exit, or with ``--debug`` the error itself."""
    if ctx.params.get("debug"):
        return error
    typer.echo(f"error: {one_line(error)}", err=True)
    if not isinstance(error, ConstructError):
        typer.echo("run napari-construct --debug ... to see the traceback", err=True)
    return typer.Exit(code)


def one_line(error: BaseException) -> str:
    """Message of an error on one line; its type if it has no message."""
    text = shown(" ".join(str(error).split()))
    return text if isinstance(error, ConstructError) else f"{type(error).__name__}: {text}".rstrip(": ")
