"""The rules of the house, held for every module, also for those written tomorrow."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import napari_construct

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "napari_construct"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "torchvision", "timm", "napari", "qtpy", "PyQt6", "PySide6", "magicgui", "superqt", "vispy")
GUI = ("napari", "qtpy", "PyQt6", "PySide6", "magicgui", "superqt", "pyqtgraph", "vispy")


def _relative(path):
    return path.relative_to(PACKAGE).as_posix()


def _loaded(code, names):
    """Which of the modules are loaded after ``code`` ran in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*sorted(set({names!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_contracts_hold(root):
    if importlib.util.find_spec("importlinter") is None:
        pytest.skip("needs import-linter, which is not installed here")
    code = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_importing_the_package_loads_nothing_heavy():
    assert _loaded("import napari_construct", HEAVY) == []


@pytest.mark.parametrize("module", ["types", "exceptions", "events", "classes", "cli"])
def test_foundation_and_command_line_start_light(module):
    """``--help`` answers at once, and the class table opens on a machine without torch."""
    assert _loaded(f"import napari_construct.{module}", HEAVY) == []


def test_only_widgets_load_napari_and_qt():
    rooms = sorted(
        {path.relative_to(PACKAGE).parts[0] for path in MODULES if path.parent != PACKAGE} - {"widgets"}
    )
    assert "data" in rooms
    modules = [
        ".".join(("napari_construct", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] in rooms
    ]
    code = f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)"
    assert _loaded(code, GUI) == []


def test_public_names_resolve_and_match_the_stub():
    public = set(napari_construct.__all__)
    for name in public:
        assert getattr(napari_construct, name) is not None
    assert set(dir(napari_construct)) == public
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        napari_construct.nothing  # noqa: B018
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imported = {
        alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    (listed,) = [ast.literal_eval(n.value) for n in stub.body if isinstance(n, ast.Assign)]
    assert set(listed) == public
    assert imported | {"__version__"} == public


@pytest.mark.parametrize("path", MODULES, ids=_relative)
def test_module(path):
    """Under 500 lines, with a docstring, without assert, and without print outside of the command line."""
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") < 500
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    assert asserts == []
    prints = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == [] or _relative(path).startswith("cli/")


def test_no_module_refers_to_private_parts_of_another_room():
    """``from napari_construct.room.module import _name`` couples rooms by what may change tomorrow."""
    found = []
    for path in MODULES:
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_construct."):
                same = node.module.split(".")[1] == room
                found += [
                    f"{_relative(path)}: {a.name}" for a in node.names if a.name.startswith("_") and not same
                ]
    assert found == []


def test_nobody_uses_private_parts_of_napari():
    """``napari._qt`` and its like change without notice; npe2 and the public viewer are enough."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [
                f"{_relative(path)}: {name}" for name in names if name.startswith("napari.") and "._" in name
            ]
    assert found == []
