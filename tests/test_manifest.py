"""The manifest that napari reads: in the package, valid, and pointing at things that exist."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import yaml
from npe2 import PluginManifest

NAME = "napari-construct"


@pytest.fixture(scope="module")
def manifest_path(root):
    return root / "src" / "napari_construct" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest(manifest_path):
    return PluginManifest.from_file(manifest_path)


def test_root_symlink_is_the_manifest(root, manifest_path):
    link = root / "napari.yaml"
    assert link.read_bytes() == manifest_path.read_bytes()
    if sys.platform != "win32":
        assert link.is_symlink()
        assert link.resolve() == manifest_path.resolve()


def test_npe2_validates(manifest):
    assert manifest.name == NAME
    assert manifest.display_name == NAME


def test_entry_point_leads_to_the_manifest(manifest):
    (entry,) = [e for e in entry_points(group="napari.manifest") if e.name == NAME]
    assert entry.value == "napari_construct:napari.yaml"
    assert PluginManifest.from_distribution(NAME).model_dump() | {"package_metadata": None} == (
        manifest.model_dump() | {"package_metadata": None}
    )


def test_no_key_of_one_npe2_version_only(manifest_path):
    """npe2 0.9 does not know these keys and would refuse the whole manifest."""
    text = json.dumps(yaml.safe_load(manifest_path.read_text(encoding="utf-8")))
    assert "default_dock_area" not in text
    assert "tabify" not in text


def test_every_command_starts_with_the_package_and_imports(manifest):
    commands = manifest.contributions.commands or []
    for command in commands:
        assert command.id.startswith(f"{NAME}.")
        assert command.title
    if commands:
        pytest.importorskip("napari", reason="the commands' widgets need napari")
    for command in commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_contribution_names_a_command_that_exists(manifest):
    known = {command.id for command in manifest.contributions.commands or []}
    used = set()
    for kind in ("widgets", "readers", "writers", "sample_data"):
        for contribution in getattr(manifest.contributions, kind) or []:
            used |= {getattr(contribution, "command", None)} - {None}
    for items in (manifest.contributions.menus or {}).values():
        used |= {item.command for item in items if getattr(item, "command", None)}
    assert used == known


def test_finding_the_manifest_loads_neither_napari_nor_qt():
    code = (
        "import sys; from npe2 import PluginManifest; PluginManifest.from_distribution('napari-construct');"
        "print(sorted({'napari', 'torch', 'PyQt6', 'qtpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
