"""Import every module but the widgets' where napari, Qt and magicgui are not installed.

Usage: python check_headless.py PREFIX, with the environment's folder as PREFIX.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path

GUI = (
    "napari", "qtpy", "superqt", "magicgui", "pyqtgraph", "vispy", "app_model",
    "PyQt5", "PyQt6", "PySide2", "PySide6",
)  # fmt: skip


def main() -> int:
    present = [name for name in GUI if importlib.util.find_spec(name) is not None]
    if present:
        print(f"expected an environment without {', '.join(GUI)}, found {', '.join(present)}")
        return 1
    import napari_construct

    where = Path(napari_construct.__file__).resolve()
    if not where.is_relative_to(Path(sys.argv[1]).resolve()):
        print(f"expected the installed wheel below {sys.argv[1]}, imported {where}")
        return 1
    names = [
        module.name
        for module in pkgutil.walk_packages(napari_construct.__path__, "napari_construct.", onerror=_stop)
        if not module.name.startswith("napari_construct.widgets") and not module.name.endswith("__main__")
    ]
    for name in names:
        importlib.import_module(name)
    print(f"{len(names)} modules imported without napari, Qt and magicgui")
    return 0


def _stop(name: str) -> None:
    if not name.startswith("napari_construct.widgets"):
        raise ImportError(name)


if __name__ == "__main__":
    sys.exit(main())
