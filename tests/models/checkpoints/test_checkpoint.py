"""Checkpoints: what goes in comes out, and nothing else gets in."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import pytest
import torch

from napari_construct.classes import ClassTable
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError
from napari_construct.models.checkpoints import locations
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    save_checkpoint,
)
from napari_construct.models.checkpoints.locations import resolve_model
from napari_construct.models.checkpoints.states import halved
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructNet

CLASSES = ClassTable.from_names(["tumour", "stroma"])
CONFIG = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)


def tiny_model(n_classes: int = 2, *, encoder_seed: int = 0, **changes: object) -> ConstructNet:
    config = CONFIG.model_copy(update=changes)
    model = build_model(config, TinyEncoder(seed=encoder_seed), n_classes, seed=3)
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.add_(0.01)
    return model.eval()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    checkpoint = checkpoint_of(
        tiny_model(),
        CLASSES,
        Calibration(temperature=2.5, presence_thresholds=(0.25, 0.75)),
        mpp=0.5,
        metrics={"miou": 0.5, "absent": float("nan")},
        data_fingerprint="f" * 64,
        training={"epochs": 1},
    )
    return save_checkpoint(tmp_path / "model.construct", checkpoint)


def rewrite(path: Path, change: dict[str, bytes | None], **zip_options: object) -> None:
    """Rebuild the archive with members replaced, added, or (None) removed."""
    with zipfile.ZipFile(path) as archive:
        members: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    members |= change
    with zipfile.ZipFile(path, "w", **zip_options) as archive:  # type: ignore[arg-type]
        for name, data in members.items():
            if data is not None:
                archive.writestr(name, data)


def edit_manifest(path: Path, **changes: object) -> None:
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    rewrite(path, {"manifest.json": json.dumps(manifest | changes).encode()})


def test_roundtrip_gives_the_same_network(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(
        build_from_checkpoint(loaded)(images).cam, tiny_model()(images).cam, rtol=0, atol=0
    )
    assert loaded.classes == CLASSES
    assert loaded.config == CONFIG
    assert loaded.calibration.presence_thresholds == (0.25, 0.75)
    assert (loaded.mpp, loaded.data_fingerprint, loaded.training["epochs"]) == (0.5, "f" * 64, 1)
    assert loaded.metrics == {"miou": 0.5, "absent": None}
    assert loaded.versions["torch"] == torch.__version__
    assert loaded.encoder_state is None


def test_equal_checkpoints_are_equal_files(saved: Path, tmp_path: Path) -> None:
    again = save_checkpoint(tmp_path / "again", load_checkpoint(saved))
    assert again.name == "again.construct"
    assert again.read_bytes() == saved.read_bytes()


def test_no_encoder_weights_unless_trained(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert sorted(archive.namelist()) == ["head.safetensors", "manifest.json"]
        assert json.loads(archive.read("manifest.json"))["encoder"]["trained"] is False


def test_trained_encoder_is_stored_and_restored(tmp_path: Path) -> None:
    model = tiny_model(encoder_seed=5)
    images = torch.rand(1, 3, 64, 64)
    unrounded = model(images).cam
    path = save_checkpoint(tmp_path / "m.construct", checkpoint_of(model, CLASSES, with_encoder=True))
    loaded = load_checkpoint(path)
    injected = TinyEncoder()
    before = injected.stem.weight.clone()
    model.encoder.load_state_dict(halved(model.encoder.state_dict()))  # type: ignore[attr-defined]
    torch.testing.assert_close(model(images).cam, unrounded, rtol=0, atol=1e-2)
    expected = model(images).cam
    torch.testing.assert_close(build_from_checkpoint(loaded)(images).cam, expected, rtol=0, atol=0)
    torch.testing.assert_close(build_from_checkpoint(loaded, injected)(images).cam, expected, rtol=0, atol=0)
    torch.testing.assert_close(injected.stem.weight, before, rtol=0, atol=0)


def test_gated_encoder_weights_are_never_stored(tmp_path: Path) -> None:
    model = tiny_model()
    model.encoder.spec = type(model.spec)(**{**_fields(model.spec), "redistributable": False})
    with pytest.raises(CheckpointError, match="licence"):
        checkpoint_of(model, CLASSES, with_encoder=True)
    sneaked = checkpoint_of(model, CLASSES)
    object.__setattr__(sneaked, "encoder_state", model.encoder.state_dict())
    with pytest.raises(CheckpointError, match="licence"):
        save_checkpoint(tmp_path / "gated.construct", sneaked)
    assert list(tmp_path.iterdir()) == []


def _fields(spec: object) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}  # type: ignore[attr-defined]


def test_missing_file_names_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.construct.*check the path"):
        load_checkpoint(tmp_path / "absent.construct")
    with pytest.raises(CheckpointError, match="bundled model"):
        resolve_model("no-such-model")


def test_every_truncation_is_found(saved: Path) -> None:
    data = saved.read_bytes()
    for length in sorted({0, 1, 100, len(data) // 4, len(data) // 2, len(data) - 22, len(data) - 1}):
        saved.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"model\.construct.*damaged"):
            load_checkpoint(saved)


def test_flipped_bits_are_found(saved: Path) -> None:
    data = saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        start = archive.getinfo("head.safetensors").header_offset + 60
    for offset in range(start, len(data) - 100, max(1, len(data) // 37)):
        saved.write_bytes(data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(saved)


def test_missing_member(saved: Path) -> None:
    rewrite(saved, {"head.safetensors": None})
    with pytest.raises(CheckpointError, match=r"its members are manifest\.json"):
        load_checkpoint(saved)


@pytest.mark.parametrize("name", ["../evil.safetensors", "/etc/evil", "extra.safetensors", "code.pkl"])
def test_unexpected_member(saved: Path, name: str) -> None:
    rewrite(saved, {name: b"x"})
    with pytest.raises(CheckpointError, match="members"):
        load_checkpoint(saved)
    assert sorted(p.name for p in saved.parent.iterdir()) == ["model.construct"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_member(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(CheckpointError, match="members"):
        load_checkpoint(saved)


def test_zip_bomb_is_refused_before_it_is_inflated(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        manifest = archive.read("manifest.json")
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("head.safetensors", bytes(50_000_000))
    assert saved.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match="not stored plainly"):
        load_checkpoint(saved)


def test_lying_size_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    entry = data.rindex(b"PK\x01\x02")  # the last central directory record
    data[entry + 20 : entry + 28] = (0xFFFFFFF0).to_bytes(4, "little") * 2
    saved.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


def test_lying_tensor_size_is_refused(saved: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    rewrite(saved, {"head.safetensors": len(header).to_bytes(8, "little") + header})
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


def test_pickle_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "best_cam.construct"
    torch.save({"state": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="members"):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"[" * 100_000, io.BytesIO(b"\x89PNG").getvalue()])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.construct"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"other\.construct"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"null", b"[" * 100_000, b'{"format": "something else"}', b'{"format_version": 1}', b"\xff\xfe"],
)
def test_other_manifests(saved: Path, manifest: bytes) -> None:
    rewrite(saved, {"manifest.json": manifest})
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


@pytest.mark.parametrize("version", [0, -1, "1", None, 1.5])
def test_odd_versions(saved: Path, version: object) -> None:
    edit_manifest(saved, format_version=version)
    with pytest.raises(CheckpointError, match="format version"):
        load_checkpoint(saved)


def test_newer_version_says_update(saved: Path) -> None:
    edit_manifest(saved, format_version=FORMAT_VERSION + 1, config={"from": "the future"})
    with pytest.raises(CheckpointError, match=r"model\.construct.*newer.*update"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"encoder": "tiny", "unknown": 1}},
        {"classes": {"classes": []}},
        {"mpp": "wide"},
        {"metrics": 3},
        {"encoder": None},
        {"calibration": {"temperature": -1}},
    ],
)
def test_contents_are_validated(saved: Path, change: dict[str, object]) -> None:
    edit_manifest(saved, **change)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


def test_wrong_class_count(saved: Path) -> None:
    edit_manifest(saved, classes=ClassTable.from_names("abc").model_dump(mode="json"))
    with pytest.raises(CheckpointError, match="3 classes"):
        load_checkpoint(saved)
    with pytest.raises(CheckpointError, match="expected 2 classes"):
        checkpoint_of(tiny_model(), ClassTable.from_names("abc"))


def test_another_encoder_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match=r"hash.*train the model again"):
        build_from_checkpoint(load_checkpoint(saved), TinyEncoder(seed=1))


def test_weights_of_another_wiring_are_refused(saved: Path) -> None:
    loaded = load_checkpoint(saved)
    state = dict(loaded.head_state)
    state["fusion.extra"] = state.pop("fusion.smooth.1.weight")
    object.__setattr__(loaded, "head_state", state)
    with pytest.raises(CheckpointError, match=r"fusion\.extra.*2 such tensors"):
        build_from_checkpoint(loaded)


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path, saved: Path) -> None:
    before = saved.read_bytes()
    model = tiny_model()
    with torch.no_grad():
        model.head.logit_scale.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="logit_scale"):
        save_checkpoint(saved, checkpoint_of(model, CLASSES))
    assert saved.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.construct"]


def test_bundled_names_resolve(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locations, "bundled_models", lambda: {"lymph-node": saved})
    assert resolve_model("lymph-node") == saved
    assert resolve_model(str(saved)) == saved


WRITER = textwrap.dedent("""
    import sys
    from pathlib import Path
    import torch
    from napari_construct.models.checkpoints.checkpoint import load_checkpoint, save_checkpoint

    path = Path(sys.argv[1])
    checkpoint = load_checkpoint(path)
    big = {**checkpoint.head_state, "ballast": torch.zeros(int(sys.argv[2]))}
    object.__setattr__(checkpoint, "head_state", big)
    print("ready", flush=True)
    while True:
        save_checkpoint(path, checkpoint)
        print("saved", flush=True)
""")


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
@pytest.mark.slow
def test_kill_while_writing_leaves_a_whole_file(saved: Path) -> None:
    for delay in (0.0, 0.01, 0.03, 0.08):
        command = [sys.executable, "-c", WRITER, str(saved), "4000000"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert load_checkpoint(saved).classes == CLASSES


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
@pytest.mark.slow
def test_full_disk_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    command = [sys.executable, "-c", WRITER, str(saved), "4000000"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 1
    assert "CheckpointError" in done.stderr
    assert "free some space" in done.stderr
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == ["model.construct"]


def test_checkpoint_needs_no_details() -> None:
    bare = Checkpoint(CONFIG, CLASSES, Calibration(), "0" * 64, {})
    assert (bare.mpp, dict(bare.metrics), bare.encoder_state) == (None, {}, None)
