"""What messages tell users to type exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from napari_construct.cli import app

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])")
COMMAND = re.compile(r"'napari-construct ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)")
OTHERS = {"--help", "--with", "--local-dir", "--nthreads", "--array"}
"""Of the library, of napari, and of the hub's own command."""

PIP = {
    "--dest", "--disable-pip-version-check", "--hash", "--no-cache-dir", "--no-deps", "--no-input",
    "--only-binary", "--progress-bar", "--require-hashes", "--requirement", "--retries", "--timeout",
}  # fmt: skip
"""Of pip, which downloads packages of the registry."""


def commands(group: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command with its options."""
    yield name, {option for p in group.params for option in (*p.opts, *p.secondary_opts)}
    for word, command in getattr(group, "commands", {}).items():
        yield from commands(command, f"{name} {word}".strip())


def texts(path: Path) -> Iterator[str]:
    """The string constants of a module; what is put into them is cut out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(getattr(part, "value", "")) if isinstance(part, ast.Constant) else "X"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_options_and_commands_in_messages_exist(root: Path) -> None:
    known = dict(commands(typer.main.get_command(app)))
    options = set.union(*known.values()) | OTHERS | PIP
    named = [text for path in sorted((root / "src").rglob("*.py")) for text in texts(path)]
    asked = {option for text in named for option in OPTION.findall(text)}
    assert "--any-encoder" in asked
    assert asked - options == set()
    told = {command for text in named for command in COMMAND.findall(text)}
    assert "models download" in told
    assert {command for command in told if command not in known and command.split()[0] not in known} == set()
    groups = {name for name in known if any(other.startswith(f"{name} ") for other in known)}
    assert {command for command in told if command.split()[0] in groups and command not in known} == set()


def test_a_model_of_another_encoder_can_be_allowed_wherever_one_is_loaded() -> None:
    """The refusal names ``--any-encoder``: each command that takes weights of an encoder has it."""
    known = dict(commands(typer.main.get_command(app)))
    taking = {name for name, options in known.items() if "--encoder-weights" in options}
    assert {"segment", "calibrate", "second-stage"} <= taking
    lacking = {name for name in taking if "--any-encoder" not in known[name]}
    assert lacking == {"models import"}  # which compares the file's own copy of the encoder
