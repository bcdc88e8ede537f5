"""What every test needs: checked shapes, images that may be shared, and no network."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.graphics_card import GraphicsCard

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from jaxtyping import install_import_hook

# Stays for the whole session: every jaxtyping hint of the package is checked while tests run, and only then
install_import_hook("napari_construct", "beartype.beartype")

ROOT = Path(__file__).resolve().parents[1]

collect_ignore = [] if importlib.util.find_spec("napari") else ["widgets"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Headless, the options in pyproject.toml need an owner."""
    owners = {"pytestqt": ("qt_api",), "pytest_xvfb": ("xvfb_width", "xvfb_height", "xvfb_colordepth")}
    for owner, options in owners.items():
        for option in options if importlib.util.find_spec(owner) is None else ():
            parser.addini(option, f"of {owner}, which is not installed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long form of the attack runs only when it is asked for: ``-m faults``."""
    if "faults" not in config.getoption("markexpr"):
        long = [item for item in items if item.get_closest_marker("faults")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def card() -> GraphicsCard:
    """The graphics card; the test is skipped where there is none."""
    import torch
    from tests.graphics_card import GraphicsCard

    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA graphics card that torch can use, which this machine lacks")
    return GraphicsCard()


@pytest.fixture(scope="session")
def assets() -> Path:
    """Small files that come with the tests; their README states source and licence."""
    return ROOT / "tests" / "assets"


@pytest.fixture(scope="session")
def camelyon(assets: Path) -> Path:
    """H&E at 0.25 um/px: ``train/{lymphoid,tumour}`` of 128 px, ``val/{img,mask}`` of 256 px."""
    return assets / "camelyon"


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of an encoder that knows words: a folder, as the hub lays it out, of a CLIP with random weights."""
    import json

    import torch
    from open_clip.model import CLIP
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    vision = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = CLIP(**config).state_dict()
    named = {"model_cfg": config, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(named), encoding="utf-8")
    save_file(
        {name: value.contiguous() for name, value in state.items()}, folder / "open_clip_model.safetensors"
    )
    return f"open_clip:local-dir:{folder}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and golden numbers beside the checkout; the test is skipped where they are absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the shared data in {folder}, which is absent here")
    return folder


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Path:
    """Real images beside the checkout; the test is skipped where they are absent."""
    return shared / "data"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, weights and catalogue, empty and not made yet, and no token of theirs."""
    from huggingface_hub import constants

    folder = tmp_path / "home"
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder
