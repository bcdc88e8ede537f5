"""What pyproject.toml declares is imported, and what is imported is declared."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = """
[project]
name = "napari-construct"
dependencies = ["numpy>=2", "Pillow"{base}]
[project.optional-dependencies]
extra = ["napari-construct[other]"{extra}]
test = ["pytest"{test}]
"""


@pytest.fixture(scope="module")
def check(root: Path) -> ModuleType:
    path = root / "scripts" / "check_dependencies.py"
    if not path.exists():
        pytest.skip("needs the scripts of a checkout")
    spec = importlib.util.spec_from_file_location("check_dependencies", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(
    check: ModuleType,
    folder: Path,
    code: str,
    tests: str = "",
    *,
    base: str = "",
    extra: str = "",
    test: str = "",
) -> list[str]:
    """Problems of a project whose package and tests are one file each, beyond those of excuses."""
    more = {"base": base, "extra": extra, "test": test}
    declared = {place: f', "{name}"' if name else "" for place, name in more.items()}
    (folder / "pyproject.toml").write_text(PROJECT.format(**declared))
    for name, text in (
        ("src", f"import os, numpy.linalg\nfrom PIL import Image\nfrom . import own\n{code}"),
        ("tests", f"import pytest\n{tests}"),
    ):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "one.py").write_text(text)
    return [problem for problem in check.problems(folder) if "excuses" not in problem]


def test_this_project_declares_what_it_imports_and_nothing_else(check: ModuleType) -> None:
    assert check.problems() == []


@pytest.mark.parametrize(
    "code",
    [
        "import scipy.stats",
        "def f():\n    from scipy import stats",
        "import importlib\nimportlib.import_module('scipy.x')",
    ],
)
def test_an_import_that_is_not_declared_is_found(check: ModuleType, tmp_path: Path, code: str) -> None:
    assert found(check, tmp_path, "") == []
    (problem,) = found(check, tmp_path, code)
    assert problem == "src/one.py imports scipy, which pyproject.toml does not declare (package scipy)"
    assert found(check, tmp_path, code, extra="SciPy>=1; python_version > '3'") == []


def test_a_declared_package_that_nobody_imports_is_found(check: ModuleType, tmp_path: Path) -> None:
    for place, name in (("base", "dependencies"), ("extra", "extra"), ("test", "test")):
        assert found(check, tmp_path, "", **{place: "cellpose>=4"}) == [
            f"pyproject.toml declares cellpose in {name}, and nothing imports it"
        ]


def test_the_package_may_not_import_what_only_tests_declare(check: ModuleType, tmp_path: Path) -> None:
    use = "import hypothesis"
    assert found(check, tmp_path, "", use, test="hypothesis") == []
    (problem,) = found(check, tmp_path, use, use, test="hypothesis")
    assert problem.startswith("src/one.py imports hypothesis")
    (problem,) = found(check, tmp_path, "", use, base="hypothesis")
    assert problem == "pyproject.toml declares hypothesis in dependencies, and nothing imports it"


def test_benchmarks_alone_may_import_what_they_compare_with(check: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "one.py").write_text("import sklearn.ensemble")
    assert found(check, tmp_path, "") == []
    (problem,) = found(check, tmp_path, "import sklearn")
    assert problem.startswith("src/one.py imports sklearn")


def test_modules_of_other_names_are_known_by_their_package(check: ModuleType, tmp_path: Path) -> None:
    code = "import pydensecrf.densecrf, llvmlite.ir"
    assert found(check, tmp_path, f"{code}, numba", base="pydensecrf2==1.1", extra="numba") == []
    assert len(found(check, tmp_path, code)) == 2
