from __future__ import annotations

import pytest
import torch

from napari_construct.exceptions import ConfigurationError
from napari_construct.inference.activation.devices import available_devices, resolve_device


def _pretend(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(("cuda", "mps", "best"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_takes_the_fastest(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool, best: str) -> None:
    _pretend(monkeypatch, cuda, mps)
    assert resolve_device("auto") == torch.device(best)


def test_absent_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, 2, False)
    assert available_devices() == ("cuda:0", "cuda:1", "cpu")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    for name in ("cuda:2", "mps", "xpu"):
        with pytest.raises(ConfigurationError, match="choose one of these, or auto"):
            resolve_device(name)
    with pytest.raises(ConfigurationError, match="check the spelling"):
        resolve_device("graphics card")
