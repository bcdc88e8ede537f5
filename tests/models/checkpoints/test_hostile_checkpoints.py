"""Checkpoints that were damaged or made to harm: one sentence, in bounded time and memory."""

from __future__ import annotations

import io
import json
import os
import resource
import stat
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_construct.classes import ClassTable
from napari_construct.encoders.catalogue.lookup import create_encoder, encoder_hash
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import CheckpointError, ConstructError, EncoderError
from napari_construct.inference.loading import load_model
from napari_construct.models.checkpoints.build_from_checkpoint import build_from_checkpoint
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.calibration import Calibration
from napari_construct.models.network.config import ModelConfig

CLASSES = ClassTable.from_names(["tumour", "stroma"])
SMALL = {"prototype_width": 8, "projection_hidden": 8, "fusion_width": 8}
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small checkpoint, of some 20 kB."""
    model = build_model(ModelConfig(encoder="tiny", **SMALL), TinyEncoder(), 2)
    checkpoint = checkpoint_of(model, CLASSES, Calibration(class_offsets=(0.5, -0.5)), mpp=0.5)
    return save_checkpoint(tmp_path_factory.mktemp("whole") / "m", checkpoint).read_bytes()


@pytest.fixture
def path(whole: bytes, tmp_path: Path) -> Path:
    found = tmp_path / "m.construct"
    found.write_bytes(whole)
    return found


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json")), archive.read("head.safetensors")


def rewrite(path: Path, manifest: Any = None, head: bytes | None = None) -> None:
    old, weights = parts(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(old if manifest is None else manifest))
        archive.writestr("head.safetensors", weights if head is None else head)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("temperature", "2.5", "calibration.temperature: expected"),
        ("temperature", NAN, "no finite number"),
        ("temperature", INF, "no finite number"),
        ("temperature", [1.0], "calibration.temperature: expected"),
        ("temperature", True, "calibration.temperature: expected"),
        ("temperature", 0, "calibration.temperature: expected"),
        ("class_offsets", [0.1], "1 class offsets, where there are 2 classes"),
        ("class_offsets", [0.1] * 3, "3 class offsets, where there are 2 classes"),
        ("class_offsets", [NAN, 0], "no finite number"),
        ("class_offsets", ["0", "1"], "calibration.class_offsets"),
        ("class_offsets", [[0], [1]], "calibration.class_offsets"),
        ("presence_thresholds", [0.5], "1 presence thresholds, where there are 2 classes"),
        ("presence_thresholds", [0.5, INF], "no finite number"),
        ("presence_thresholds", "many", "calibration.presence_thresholds"),
        ("background", {"sigma": INF}, "no finite number"),
        ("background", {"min_area": INF}, "no finite number"),
        ("background", {"brightness": "200"}, "calibration.background.brightness"),
        ("crf", "maybe", "calibration.crf"),
        ("views", "seven", "calibration.views"),
        ("unknown", 1, "calibration.unknown"),
    ],
)
def test_calibration_is_checked(path: Path, part: str, value: Any, said: str) -> None:
    manifest, _ = parts(path)
    manifest["calibration"][part] = value
    rewrite(path, manifest)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        load_checkpoint(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"mpp": "0.5"}, {"mpp": NAN}, {"mpp": INF}, {"mpp": -1}, {"mpp": 0}, {"mpp": [0.5]}, {"mpp": True},
        {"classes": {"classes": [{"name": "a\x07"}]}},
        {"classes": {"classes": [{"name": "a"}, {"name": "a"}]}},
        {"classes": {"classes": [{"name": "a", "colour": "<script>"}, {"name": "b"}]}},
        {"encoder": {"hash": "x", "redistributable": False}},
        {"encoder": {"hash": "0" * 64, "redistributable": "yes"}},
        {"config": {"encoder": "tiny", **SMALL, "placed": [0]}},
        {"config": {"encoder": "tiny", **SMALL, "std": [0, 1, 1]}},
        {"config": {"encoder": "tiny", **SMALL, "mean": [NAN, 1, 1]}},
        {"config": {"encoder": "tiny", **SMALL, "prototypes_per_class": 64}},
        {"config": {"encoder": "tiny" * 1000, **SMALL}},
        {"training": {"scale": "1"}}, {"training": {"scale": INF}}, {"training": {"placed": [1]}},
        {"training": {"epoch": "last"}}, {"training": {"history": "long"}}, {"training": [1]},
        {"metrics": [1]}, {"versions": {"torch": 2}}, {"data_fingerprint": {"a": 1}},
        {"data_fingerprint": "f" * 10_000_000},
    ],
    ids=lambda change: str(change)[:50],
)  # fmt: skip
def test_everything_else_is_checked_too(path: Path, change: dict[str, Any]) -> None:
    manifest, _ = parts(path)
    rewrite(path, manifest | change)
    with pytest.raises(CheckpointError, match="damaged") as caught:
        load_checkpoint(path)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_weights_that_are_not_finite_are_refused(path: Path, value: float) -> None:
    state = safetensors.torch.load(parts(path)[1])
    state["prototypes.vectors"][0, 0] = value
    rewrite(path, head=safetensors.torch.save(state))
    with pytest.raises(CheckpointError, match=r"NaN or infinite values in prototypes\.vectors"):
        load_checkpoint(path)


def test_weights_of_another_type_are_refused(path: Path) -> None:
    state = safetensors.torch.load(parts(path)[1])
    state["logit_scale"] = torch.tensor(14)
    rewrite(path, head=safetensors.torch.save(state))
    with pytest.raises(CheckpointError, match=r"logit_scale is of type torch\.int64"):
        build_from_checkpoint(load_checkpoint(path))


def tensors(n: int) -> bytes:
    header = json.dumps({f"{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(n)})
    return len(header).to_bytes(8, "little") + header.encode()


def members(n: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for i in range(n):
            archive.writestr(zipfile.ZipInfo(str(i)), b"")
    return stream.getvalue()


@pytest.mark.parametrize("n", [20_001, 100_000])
def test_many_empty_tensors_are_refused_at_once(path: Path, n: int) -> None:
    rewrite(path, head=tensors(n))
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=r"more than 20000 tensors|a header of"):
        load_checkpoint(path)
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("tail", [b"", b"\0" * 1000], ids=["members", "and a tail"])
def test_many_members_are_refused_at_once(path: Path, tail: bytes) -> None:
    path.write_bytes(members(5000) + tail)
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=r"a directory of|does not end"):
        load_checkpoint(path)
    assert time.monotonic() - start < 1


def test_absurd_heads_take_no_memory(path: Path) -> None:
    """A configuration of 4 GB with the weights of a small one: compared, not built."""
    checkpoint = load_checkpoint(path)
    large = checkpoint.config.model_copy(update={"fusion_width": 2048, "adapter_hidden": 4096})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="use the checkpoint with its own configuration"):
        build_from_checkpoint(replace(checkpoint, config=large))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_pipes_folders_and_links_to_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.construct")
    (tmp_path / "link.construct").symlink_to(tmp_path / "absent")
    for name, said in (
        ("pipe.construct", "a pipe"),
        ("link.construct", "a link to nothing"),
        (".", "a folder"),
    ):
        with pytest.raises(CheckpointError, match=said):
            load_checkpoint(tmp_path / name)


def test_encrypted_members_and_links_are_refused(path: Path, whole: bytes) -> None:
    flagged = bytearray(whole)
    flagged[flagged.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(flagged)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)
    path.write_bytes(whole)
    manifest, weights = parts(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        link = zipfile.ZipInfo("head.safetensors")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, weights)
    with pytest.raises(CheckpointError, match="not stored plainly"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "encoder", ["smp:tu-hf-hub:evil/model", "smp:tu-local-dir:/tmp", "smp:../x", "no-such"]
)
def test_a_checkpoint_names_no_repositories_and_folders(path: Path, encoder: str) -> None:
    manifest, _ = parts(path)
    manifest["config"]["encoder"] = encoder
    rewrite(path, manifest)
    with pytest.raises(EncoderError, match="expected an encoder"):
        build_from_checkpoint(load_checkpoint(path))


def test_a_folder_is_named_by_its_user_and_hashed_before_it_is_built(
    small_clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = create_encoder(small_clip)
    model = build_model(ModelConfig(encoder=small_clip, **SMALL), student, 2)
    path = save_checkpoint(tmp_path / "m", checkpoint_of(model, CLASSES))
    with pytest.raises(CheckpointError, match=r"may not choose folders .* \(--encoder-weights FOLDER"):
        load_model(path, device="cpu")
    folder = Path(small_clip.partition("local-dir:")[2])
    for named in (folder, folder / "open_clip_model.safetensors"):
        loaded = load_model(path, device="cpu", encoder_weights=named)
        assert loaded.encoder_sha256 == encoder_hash(student)
    monkeypatch.setenv("NAPARI_CONSTRUCT_HOME", str(tmp_path))
    entry = {"id": "mine", "loader": "open_clip", "model": f"local-dir:{folder}"}
    words = dict.fromkeys(("note", "source", "licence", "licence_terms", "citation"), "-")
    (tmp_path / "encoders.json").write_text(json.dumps({"encoder": [entry | words]}))
    assert load_model(path, device="cpu").encoder_sha256 == encoder_hash(student)
    other = tmp_path / "other"
    other.mkdir()
    state = safetensors.torch.load_file(folder / "open_clip_model.safetensors")
    state["logit_scale"] += 1
    safetensors.torch.save_file(state, other / "open_clip_model.safetensors")
    (other / "open_clip_config.json").write_text("[" * 1000)  # not even read
    with pytest.raises(CheckpointError, match=r"with hash .*train the model again"):
        load_model(path, device="cpu", encoder_weights=other)


def survives(path: Path, data: bytes) -> None:
    """A damaged file gives our error, or the same checkpoint where the damage changes nothing."""
    path.write_bytes(data)
    start = time.monotonic()
    try:
        build_from_checkpoint(load_checkpoint(path))
    except ConstructError as error:
        assert len(str(error)) < 1000  # noqa: PT017
    assert time.monotonic() - start < 10


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_manifests_give_our_error(path: Path, data: st.DataObject) -> None:
    """Any JSON in the place of any value of the manifest."""
    manifest, _ = parts(path)
    value = data.draw(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=5,
        )
    )
    place: Any = manifest
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = value
        break
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("head.safetensors", parts(path)[1])
    survives(path.with_name("mutated.construct"), buffer.getvalue())
