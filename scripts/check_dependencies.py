"""Check that pyproject.toml declares what is imported, and nothing else.

The package may import what the base and the extras for users declare; tests, benchmarks and scripts also
what the extras for developers declare. Whatever is declared must be imported there, or be named below with
a reason.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]

FOR_DEVELOPERS: Final = frozenset({"test", "test-gui", "dev"})
"""Extras whose packages the package itself may not import."""

NOT_IMPORTED: Final[Mapping[str, str]] = {
    "imagecodecs": "tifffile decodes LZW, JPEG and JPEG 2000 with it",
    "cryptography": "dask.distributed makes keys for workers on this machine with it",
    "openslide-bin": "the library of openslide-python, which loads it",
    "beartype": "jaxtyping checks hints with it while tests run",
    "pytest-cov": "plugin of pytest",
    "pytest-timeout": "plugin of pytest",
    "pytest-xdist": "plugin of pytest",
    "pytest-qt": "plugin of pytest",
    "pytest-xvfb": "plugin of pytest",
    "build": "command of the gate",
    "import-linter": "command of the gate",
    "mypy": "command of the gate",
    "ruff": "command of the gate",
    "tox": "command",
    "twine": "command of the gate",
    "scipy-stubs": "hints for mypy",
    "types-pyyaml": "hints for mypy",
}
"""What is declared without an import, and why."""

COMPARED_WITH: Final[Mapping[str, str]] = {"sklearn": "the random forest of benchmarks/teach.py"}
"""Modules that benchmarks alone may import: what they compare with where it is installed."""

BROUGHT_ALONG: Final[Mapping[str, str]] = {"llvmlite": "numba", "triton": "torch", "vispy": "napari"}
"""Modules of packages that another package chooses the version of: declaring them could only be wrong."""

MODULES_OF: Final[Mapping[str, str]] = {"pydensecrf": "pydensecrf2"}
"""Packages of modules that are not always installed, where the names differ."""

_IMPORTERS: Final = frozenset({"import_module", "importorskip"})


_installed = cache(packages_distributions)  # a second and more, each time


def normalised(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported_modules(path: Path) -> Iterator[str]:
    """Top-level modules that a file imports, also by ``import_module("name")`` and its like."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and node.args and _name(node.func) in _IMPORTERS:
            first = node.args[0]
            names = [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
        else:
            continue
        yield from (name.partition(".")[0] for name in names)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def imports(root: Path, folders: Iterable[str]) -> dict[str, Path]:
    """Modules of others that files import, each with a file that does."""
    files = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    # benchmarks and scripts import their neighbours by name
    neighbours = [path for folder in ("benchmarks", "scripts") for path in (root / folder).glob("*")]
    own = {path.stem for path in neighbours if path.suffix == ".py" or (path / "__init__.py").is_file()}
    own |= {"napari_construct", "tests", *sys.stdlib_module_names}
    return {module: path for path in files for module in imported_modules(path) if module not in own}


def declared(project: Mapping[str, object]) -> tuple[set[str], dict[str, set[str]]]:
    """Names of the base's packages, and of each extra's; an extra that is part of another is left out."""
    name = normalised(str(project["name"]))

    def names(requirements: object) -> set[str]:
        found = {
            normalised(re.match(r"[\w.-]+", text).group())  # type: ignore[union-attr]
            for text in requirements  # type: ignore[attr-defined]
        }
        return found - {name}

    extras: Mapping[str, object] = project.get("optional-dependencies", {})  # type: ignore[assignment]
    return names(project["dependencies"]), {extra: names(texts) for extra, texts in extras.items()}


def package_of(module: str, installed: Mapping[str, list[str]]) -> set[str]:
    """Packages that a module may come from."""
    module = BROUGHT_ALONG.get(module, module)
    known = installed.get(module) or [MODULES_OF.get(module, module)]
    return {normalised(name) for name in known}


def problems(root: Path = ROOT) -> list[str]:
    """What is imported and not declared, or declared and not imported; one sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base, extras = declared(project)
    installed = _installed()
    users = base.union(*(names for extra, names in extras.items() if extra not in FOR_DEVELOPERS))
    everything = base.union(*extras.values())
    found: list[str] = []
    used: set[str] = set()
    of_package: set[str] = set()
    for folders, allowed in ((("src",), users), (("tests", "benchmarks", "scripts"), everything)):
        for module, path in sorted(imports(root, folders).items()):
            packages = package_of(module, installed)
            used |= packages
            of_package |= packages if folders == ("src",) else set()
            if folders != ("src",) and module in COMPARED_WITH and path.is_relative_to(root / "benchmarks"):
                continue
            if not packages & allowed:
                found.append(
                    f"{path.relative_to(root)} imports {module}, which pyproject.toml does not declare "
                    f"(package {' or '.join(sorted(packages))})"
                )
    excused = set(NOT_IMPORTED)
    for where, names in (("dependencies", base), *extras.items()):
        needed = used if where in FOR_DEVELOPERS else of_package
        found += [
            f"pyproject.toml declares {name} in {where}, and nothing imports it"
            for name in sorted(names - needed - excused)
        ]
    found += [
        f"scripts/check_dependencies.py excuses {name}, which pyproject.toml does not declare"
        for name in sorted(excused - everything)
    ]
    return found


def main() -> int:
    found = problems()
    for problem in found:
        print(problem)
    if not found:
        print("pyproject.toml declares what is imported, and nothing else")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
