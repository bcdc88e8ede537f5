"""Checkpoints of the released code: read, never run."""

from __future__ import annotations

import os
import pickle
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError, EncoderError
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint
from napari_construct.models.checkpoints.released_checkpoint import import_authors_checkpoint
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructNet
from napari_construct.reading.pytorch.read import Inert, read_pytorch

WIDTH = 16


class Conchlike(TinyEncoder):
    """An encoder that stands for CONCH: not redistributable."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed=seed, encoder_id="conch")
        self.spec = type(self.spec)(
            **{
                name: {"redistributable": False}.get(name, getattr(self.spec, name))
                for name in type(self.spec).__dataclass_fields__
            }
        )


@pytest.fixture
def omegaconf(monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """A package that is there when the authors save, and gone when the user reads."""
    module = types.ModuleType("omegaconf_of_the_authors")

    class DictConfig(dict):  # type: ignore[type-arg]
        def __init__(self, content: Any = None, **more: Any) -> None:
            super().__init__(content or {})
            self.flags = more

        def __reduce__(self) -> Any:
            return (DictConfig, ({"lr": 2e-5},), {"_metadata": {"flags": [1]}}, None, iter(self.items()))

    DictConfig.__module__ = module.__name__
    DictConfig.__qualname__ = "DictConfig"
    module.DictConfig = DictConfig  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    yield DictConfig
    monkeypatch.delitem(sys.modules, module.__name__, raising=False)


def released_state(model: ConstructNet) -> dict[str, Tensor]:
    """The state of a network under the names of the released code, encoder and teacher included."""
    state = {f"clip_adapter.model.{k}": v for k, v in model.encoder.state_dict().items()}
    state["segformer_teacher.patch_embed1.proj.weight"] = torch.ones(2, 3)
    for name, value in model.head.state_dict().items():
        head, _, rest = name.partition(".")
        theirs = name.replace("adapters.", "structure_adapters.", 1)
        if head == "adaptive_layers":
            theirs = f"l_fc{int(rest[0]) + 1}{rest[1:]}"
        state["prototypes" if head == "prototypes" else theirs] = value
    return state


@pytest.fixture
def trained() -> ConstructNet:
    config = ModelConfig.of_preset("published", prototype_width=WIDTH, projection_hidden=8)
    model = build_model(config, Conchlike(), 4, seed=3)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.02)
    return model.eval()


def save(path: Path, trained: ConstructNet, config: Any = None, prefix: str = "", **changes: Any) -> Path:
    state = {f"{prefix}{k}": v for k, v in (released_state(trained) | changes).items()}
    optimiser = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 2e-5}]}
    torch.save({"cfg": config, "iter": 4999, "optimizer": optimiser, "model": state}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_gives_the_same_maps_and_leaves_the_encoder_behind(
    trained: ConstructNet, omegaconf: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    path = save(tmp_path / "best_cam.pth", trained, omegaconf({"lr": 2e-5}), prefix)
    monkeypatch.delitem(sys.modules, omegaconf.__module__)
    checkpoint, notices = import_authors_checkpoint(path, encoder=Conchlike())
    assert checkpoint.classes.names == ("TUM", "STR", "LYM", "NEC")
    assert checkpoint.config.preset == "published"
    assert checkpoint.training["settings"] == {"iter": 4999}
    assert "omegaconf_of_the_authors.DictConfig" in notices[1]
    stored = save_checkpoint(tmp_path / "imported.construct", checkpoint)
    with zipfile.ZipFile(stored) as archive:
        assert sorted(archive.namelist()) == ["head.safetensors", "manifest.json"]
    again = build_from_checkpoint(load_checkpoint(stored), Conchlike())
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(again(images).cam, trained(images).cam, rtol=0, atol=0)


def test_nothing_in_the_file_is_run(
    trained: ConstructNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    class Attack:
        def __reduce__(self) -> Any:
            return (os.system, ("touch attacked",))

    path = save(tmp_path / "best_cam.pth", trained, [Attack(), {"deep": Attack()}])
    checkpoint, notices = import_authors_checkpoint(path, encoder=Conchlike())
    assert not (tmp_path / "attacked").exists()
    assert "system" in notices[1]
    assert len(checkpoint.classes) == 4


@pytest.mark.parametrize(
    "value",
    [
        eval,
        nn.Linear(2, 2),
        {1, 2},
        {"a": {frozenset({3}): complex(1, 2)}},
        bytearray(b"x"),
        Path("x"),
        slice(3),
        torch.float32,
        torch.Size([2]),
        nn.Parameter(torch.ones(2)),
        range(4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_lies_beside_the_weights_is_no_obstacle(value: Any, tmp_path: Path) -> None:
    torch.save({"value": value, "weights": torch.arange(6.0).view(2, 3).T}, tmp_path / "x.pth")
    content, _ = read_pytorch(tmp_path / "x.pth")
    torch.testing.assert_close(content["weights"].load(), torch.arange(6.0).view(2, 3).T)


def test_placeholders_take_any_state(tmp_path: Path, omegaconf: type) -> None:
    torch.save([omegaconf({"a": 1})], tmp_path / "x.pth")
    content, inert = read_pytorch(tmp_path / "x.pth")
    assert isinstance(content[0], Inert)
    assert content[0].of == "omegaconf_of_the_authors.DictConfig"
    assert inert == {"omegaconf_of_the_authors.DictConfig"}


def test_other_and_damaged_files_are_named(trained: ConstructNet, tmp_path: Path) -> None:
    path = save(tmp_path / "best_cam.pth", trained)
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"best_cam\.pth: expected a (complete )?PyTorch file"):
            import_authors_checkpoint(path, encoder=Conchlike())
    path.write_bytes(pickle.dumps({"model": 1}))
    with pytest.raises(CheckpointError, match=r"version 1\.6 or newer"):
        import_authors_checkpoint(path, encoder=Conchlike())
    torch.save({"visual.proj": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match=r"without its adaptive layers .* .--encoder ID"):
        import_authors_checkpoint(path, encoder=Conchlike())
    with pytest.raises(CheckpointError, match="found nothing there; check the path"):
        import_authors_checkpoint(tmp_path / "absent.pth", encoder=Conchlike())


def test_another_encoder_other_classes_and_other_versions(trained: ConstructNet, tmp_path: Path) -> None:
    path = save(tmp_path / "best_cam.pth", trained)
    with pytest.raises(
        CheckpointError, match=r"expected the encoder conch .* differs in .*--encoder-weights"
    ):
        import_authors_checkpoint(path, encoder=Conchlike(seed=1))
    with pytest.raises(CheckpointError, match=r"prototypes for 3 classes, got 4, .*--classes"):
        import_authors_checkpoint(path, encoder=Conchlike(), classes=ClassTable.from_names("abc"))
    two = import_authors_checkpoint(path, encoder=Conchlike(), classes=ClassTable.from_names("ab"))[0]
    assert two.config.prototypes_per_class == 2
    unknown = save(tmp_path / "new.pth", trained, **{"text_proj.0.weight": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"with the unknown text_proj\.0\.weight"):
        import_authors_checkpoint(unknown, encoder=Conchlike())
    odd = save(tmp_path / "odd.pth", trained, **{"l_fc2.fc2.bias": torch.ones(5)})
    with pytest.raises(CheckpointError, match=r"adaptive_layers\.1\.fc2\.bias of shape \(8,\), got \(5,\)"):
        import_authors_checkpoint(odd, encoder=Conchlike())


def test_without_conch_it_says_how_to_get_it(
    trained: ConstructNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(EncoderError, match=r"conch: expected its weights .* models download conch"):
        import_authors_checkpoint(save(tmp_path / "best_cam.pth", trained))
