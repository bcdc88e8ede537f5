"""Nothing of the person who runs the tests: no catalogue, no weights, no hub cache of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for catalogue and weights."""
    from huggingface_hub import constants

    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    return folder
