"""What tests of files in napari share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from napari.settings import get_settings
from npe2 import PluginManager, PluginManifest

from napari_construct.widgets.files.preferred import PLUGIN


@pytest.fixture
def plugins(root: Path) -> Iterator[None]:
    """napari's own readers and the manifest of this working tree, and no preference yet."""
    manager = PluginManager.instance()
    if PLUGIN not in manager:
        manager.register(PluginManifest.from_file(root / "src" / "napari_construct" / "napari.yaml"))
    if "napari" not in manager:
        manager.register(PluginManifest.from_distribution("napari"))
    get_settings().plugins.extension2reader = {}
    yield
    get_settings().plugins.extension2reader = {}
