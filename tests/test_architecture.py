"""The rules of the house, held for every module, also for those written tomorrow."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from tests.private_use import defined, private_use

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


PERMITTED = {
    ("cli/viewer.py", "sys.argv is replaced"): "arguments of a module that is run, by the manual of runpy",
    ("export/ome_metadata.py", "'_creator'"): "a key of OME-Zarr's own files, by its specification",
    ("export/own_files.py", "'_creator'"): "a key of OME-Zarr's own files, by its specification",
    ("export/own_files.py", "'_overlay'"): "the end of a file's name",
    ("reading/pytorch/inert_pickle.py", "'torch._utils'"): "what old files hold; compared only",
    ("reading/pytorch/inert_pickle.py", "'_rebuild_tensor'"): "what old files hold; compared only",
    ("reading/pytorch/inert_pickle.py", "'_rebuild_tensor_v2'"): "what old files hold; compared only",
    ("reading/pytorch/inert_pickle.py", "'_rebuild_parameter'"): "what old files hold; compared only",
}
"""Uses that look private, and why each is none."""


def test_nobody_uses_private_parts_of_other_packages():
    """``napari._qt`` and its like change without notice; so do those of vispy, Qt, torch and Python."""
    sources = {path: path.read_text(encoding="utf-8") for path in MODULES}
    own = set().union(*(defined(ast.parse(source)) for source in sources.values()))
    uses = {
        (_relative(path), use.partition(": ")[2]): use
        for path, source in sources.items()
        for use in private_use(source, own)
    }
    assert {f"{use[0]}, {uses[use]}" for use in uses.keys() - PERMITTED.keys()} == set()
    assert PERMITTED.keys() - uses.keys() == set()  # no line outlives its reason


@pytest.mark.parametrize(
    "source",
    [
        "import napari._qt.qt_viewer",
        "from napari._qt import qt_viewer",
        "from vispy.app.backends import _qt",
        "def f():\n    from torch._inductor import config",
        "window = viewer.window._qt_window",
        "viewer.window._qt_window.statusBar().hide()",
        "class Worker(GeneratorWorker):\n    def stop(self):\n        return self._abort_requested",
        "sys._getframe(1)",
        "import sys as system\nsystem._current_frames()",
        "getattr(layer, '_overlays', {})",
        "hasattr(scene, '_update_pending')",
        "setattr(scene, '_update_pending', True)",
        "operator.attrgetter('_vispy_canvas')(canvas)",
        "vars(viewer)['_qt_window']",
        "NAME = '_qt_window'\nwindow = getattr(viewer.window, NAME)",
        "sys.modules['napari._qt.layer_controls']",
        "sys.modules.get('napari._vispy.canvas')",
        "MODULE = 'napari._qt'\nmodule = sys.modules[MODULE]",
        "module = sys.modules[f'napari.{name}']",
        "importlib.import_module('vispy.app.backends._qt')",
        "importlib.import_module(f'napari._qt.{name}')",
        "run([sys.executable, '-c', 'import napari; napari._qt.run()'])",
        "import gc\ngc.collect = print",
        "import napari\nsetattr(napari, 'Viewer', print)",
        "import sys\nsetattr(sys.modules['napari'], 'Viewer', print)",
        "from napari import Viewer\nViewer.add_layer = print",
    ],
)
def test_private_use_is_found_in_every_form(source):
    assert private_use(source, set()) != []


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def f(self, other):\n        self._mine = other._mine",
        "from napari.layers import Image\nImage.__init__",
        '"""A docstring tells of napari._qt."""',
        "f'{stem}_mask'",
        "row._replace(name='a')",
        "getattr(predictor, 'network')",
        "sys.modules.get('torch')",
        "from napari_construct.widgets import _mine",
    ],
)
def test_what_is_public_or_our_own_is_not_found(source):
    assert private_use(source, {"_mine"}) == []


PUBLIC = {"layers", "qt", "settings", "types", "utils", "viewer"}
"""The packages of napari's reference that the widgets may import from."""


def test_widgets_import_only_what_napari_documents():
    """And nothing of vispy, which is napari's own affair."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                root, _, rest = name.partition(".")
                known = root != "napari" or not rest or rest.split(".")[0] in PUBLIC
                found += [f"{_relative(path)}: {name}"] * (root == "vispy" or not known)
    assert found == []
