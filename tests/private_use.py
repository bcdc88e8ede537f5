"""Finds where a module uses private parts of other packages, of the standard library and of the interpreter.

Private is what begins with one underscore. It is found in imports, in attributes (also at the end of a
chain, and those that a class would inherit) and in strings (of ``getattr``, ``sys.modules``,
``import_module``, or of a program that is started). Replacing a part of another package is found too. What
the package defines itself is its own affair.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_name_", "_value_", "_missing_"}
"""Of named tuples and enumerations: the underscore only keeps them apart from fields."""

_NAME = re.compile(r"_[a-zA-Z]\w*")
_DOTTED = re.compile(r"\b[a-zA-Z]\w*(?:\.\w+)*\._[a-zA-Z]\w*")


def is_private(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name not in DOCUMENTED


def defined(tree: ast.AST) -> set[str]:
    """Private names that a module defines: functions, classes, variables, attributes of ``self``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            found.add(node.attr)
    return {name for name in found if is_private(name)}


def private_use(source: str, own: set[str]) -> list[str]:
    """Each use of a private part of another package; ``own`` are the names that our package defines."""
    tree = ast.parse(source)
    own = own | defined(tree)
    imported, found = _imported(tree), []
    for node in ast.walk(tree):
        found += [f"line {node.lineno}: {what}" for what in _uses(node, own, imported)]
    for node, whole in _strings(tree):
        found += [f"line {node.lineno}: {what}" for what in _in_string(node.value, own, whole)]
    return found


def _uses(node: ast.AST, own: set[str], imported: set[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _foreign(alias.name))
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if not node.level and _foreign(name))
    elif isinstance(node, ast.Attribute):
        if is_private(node.attr) and (node.attr not in own or _is_theirs(node.value, imported)):
            yield ast.unparse(node)
        elif isinstance(node.ctx, ast.Store) and _is_theirs(node.value, imported):
            yield f"{ast.unparse(node)} is replaced"
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"setattr", "delattr"}:
        yield from [ast.unparse(node)] if _is_theirs(node.args[0], imported) else []
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "sys.modules":
        yield from [] if isinstance(node.slice, ast.Constant) else [f"{ast.unparse(node)}: unknown"]


def _in_string(text: str, own: set[str], whole: bool) -> Iterator[str]:
    """A name alone, as for ``getattr``, or a path with dots anywhere in the text."""
    if whole and is_private(text) and text not in own:
        yield repr(text)
    yield from (repr(path) for path in _DOTTED.findall(text) if _foreign(path))


def _foreign(path: str) -> bool:
    return not path.startswith(("napari_construct.", "self.")) and any(map(is_private, path.split(".")))


def _is_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _is_theirs(node: ast.AST, imported: set[str]) -> bool:
    """Whether this is what another package defines, by its name or out of ``sys.modules``."""
    named = isinstance(node, ast.Name) and node.id in imported
    return named or ast.unparse(node).startswith("sys.modules[")


def _imported(tree: ast.AST) -> set[str]:
    """Names under which a module has other packages' modules, and what it took from them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("napari_construct"):
            found |= {a.asname or a.name for a in node.names if not node.level}
    return found - {"napari_construct"}


def _strings(tree: ast.AST) -> Iterator[tuple[ast.Constant, bool]]:
    """Strings that a program may use, no docstrings; and whether each is a whole one or a part."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node, id(node) not in parts
