"""Models for others: never an encoder's weights, always a card; to a hub repository and back."""

from __future__ import annotations

import base64
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import encoder_hash
from napari_construct.encoders.networks.conch import ConchEncoder
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.decision.record import model_record
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.models.library.sharing import export_model, import_model, pull_model, push_model
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructHead

pytestmark = pytest.mark.usefixtures("home")

CONFIG = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = build_model(CONFIG, TinyEncoder(), 2)
    table = ClassTable.from_names(("tumour", "a|b"))
    checkpoint = checkpoint_of(
        made, table, mpp=0.5, metrics={"oracle": {"miou": 0.51234}}, training={"epochs": 3}
    )
    return save_checkpoint(tmp_path / "mine.construct", checkpoint)


def test_export_holds_no_encoder_and_a_card(model: Path, tmp_path: Path) -> None:
    written = export_model(model, tmp_path / "out", name="shared", licence="CC-BY-4.0")
    with zipfile.ZipFile(written["model"]) as archive:
        assert sorted(archive.namelist()) == ["head.safetensors", "manifest.json"]
    card = written["card"].read_text(encoding="utf-8")
    for words in (
        "license: cc-by-4.0",
        "# shared",
        "oracle: miou | 0.5123",
        "a\\|b",
        "0.5 um per pixel",
        "epochs",
    ):
        assert words in card
    assert "Licence: MIT" in card  # the encoder's
    assert load_checkpoint(written["model"]).encoder_hash in card


def test_weights_that_may_not_be_passed_on_stay_whatever_the_file_says(model: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(model)
    lying = replace(
        checkpoint,
        config=checkpoint.config.model_copy(update={"encoder": "conch"}),
        encoder_state={"visual.proj": torch.ones(2)},
        redistributable=True,
    )
    path = save_checkpoint(tmp_path / "lying.construct", lying)
    with pytest.raises(
        CheckpointError, match=r"expected no weights of conch .* train again with the encoder"
    ):
        export_model(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    own = checkpoint_of(build_model(CONFIG, TinyEncoder(), 2), checkpoint.classes, with_encoder=True)
    export_model(save_checkpoint(tmp_path / "own.construct", own), tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "out" / "own.construct") as archive:
        assert "encoder.safetensors" in archive.namelist()


def test_imported_models_are_found_by_name(model: Path, home: Path) -> None:
    kept = import_model(model, name="theirs")
    assert kept == home / "models" / "theirs.construct"
    assert resolve_model("theirs") == kept
    model.write_bytes(model.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"mine\.construct.*damaged"):
        import_model(model)


def test_another_encoder_only_when_asked_for(model: Path) -> None:
    checkpoint, other = load_checkpoint(model), TinyEncoder(seed=7)
    with pytest.raises(CheckpointError, match=r"with hash .* or allow any encoder .*any_encoder"):
        build_from_checkpoint(checkpoint, other)
    taken = Predictor(checkpoint, "cpu", encoder=other, any_encoder=True)
    found = model_record(taken)["encoder_sha256"]  # the record tells what looked, not what should have
    assert found == encoder_hash(other) != checkpoint.encoder_hash


class Hub(ThreadingHTTPServer):
    """What pushing and pulling need of the hub: repositories of small files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.refuse: int | None = None
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *arguments: Any) -> None:
        pass

    def _send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"X-Repo-Commit": "c" * 40, "ETag": f'"{len(content):040d}"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, content: Any, status: int = 200) -> None:
        self._send(json.dumps(content).encode(), status, Content_Type="application/json")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.server
        hub.seen.append(f"{self.command} {self.path}")
        if hub.refuse is not None:
            self._json({}, hub.refuse)
        elif "/resolve/" in self.path:
            content = hub.files.get(self.path.rpartition("/")[2])
            self._send(content or b"", 404 if content is None else 200)
        elif "/tree/" in self.path:
            self._json(
                [{"type": "file", "path": p, "size": len(c), "oid": "0" * 40} for p, c in hub.files.items()]
            )
        else:
            self._json(
                {"id": "me/model", "sha": "c" * 40, "siblings": [{"rfilename": name} for name in hub.files]}
            )

    def do_POST(self) -> None:
        hub = self.server
        hub.seen.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if hub.refuse is not None:
            self._json({"error": "no"}, hub.refuse)
        elif self.path.endswith("/repos/create"):
            self._json({"url": f"{hub.url}/me/model", "name": "me/model"})
        elif "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            self._json(
                {
                    "files": [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked
                    ]
                }
            )
        elif "/commit/" in self.path:
            for line in body.splitlines():
                row = json.loads(line)
                if row["key"] == "file":
                    hub.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            self._json(
                {"commitUrl": f"{hub.url}/me/model/commit/{'c' * 40}", "commitOid": "c" * 40, "success": True}
            )
        else:
            self._json({})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    from huggingface_hub import constants, hf_api

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with Hub() as running:
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(hf_api, "ENDPOINT", running.url, raising=False)
        monkeypatch.setattr(hf_api.api, "endpoint", running.url)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_to_a_hub_repository_and_back(server: Hub, model: Path, home: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected a hub token to upload with, got none; log in"):
        push_model(model, "me/model")
    home.mkdir(exist_ok=True)
    (home / "token").write_text("hf_" + "x" * 34)
    push_model(model, "hf-hub:me/model", licence="MIT")
    assert {"README.md", "mine.construct"} <= server.files.keys()
    assert server.files["mine.construct"] == model.read_bytes()
    assert b"license: mit" in server.files["README.md"]
    pulled = pull_model("hf-hub:me/model")
    assert pulled == home / "models" / "mine.construct"
    assert pulled.read_bytes() == model.read_bytes()
    server.files["second.construct"] = b"x"
    with pytest.raises(CheckpointError, match=r"expected one \.construct file, got mine\.construct, second"):
        pull_model("me/model")
    server.refuse = 403
    with pytest.raises(CheckpointError, match=r"me/model: expected access"):
        pull_model("me/model")
    with pytest.raises(CheckpointError, match=r"expected a repository as OWNER/NAME|me/model"):
        push_model(model, "no/such/name")


@pytest.mark.parametrize("preset", ["published", "construct"])
def test_a_checkpoint_on_conch_is_small(preset: Any, tmp_path: Path) -> None:
    config = ModelConfig.of_preset(preset, encoder="conch", prototype_width=512, prototypes_per_class=4)
    start = torch.randn(4, 4, 512)
    head = ConstructHead(ConchEncoder().spec, start, config)
    table = ClassTable.from_names(("tumour", "stroma", "lymphocytes", "necrosis"))
    made = Checkpoint(config, table, Calibration(), "0" * 64, head.state_dict())
    size = save_checkpoint(tmp_path / "conch.construct", made).stat().st_size
    assert size < 30_000_000
