"""The catalogue of teachers: what it says, and what it answers when something is missing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from napari_construct.crossmodal.protocol import Teacher
from napari_construct.crossmodal.teachers.catalogue import find_teacher, load_teacher
from napari_construct.crossmodal.teachers.entries import entries, read_entries
from napari_construct.crossmodal.teachers.weights import own_folder
from napari_construct.exceptions import CheckpointError, ConfigurationError

pytestmark = pytest.mark.usefixtures("home")


def test_every_teacher_of_the_issue_is_there_and_its_weights_are_described() -> None:
    ids = [entry.id for entry in entries()]
    assert ids == [
        "sam_vit_h",
        "sam_vit_l",
        "sam_vit_b",
        "cellsam",
        "cellpose_sam",
        "channel_unet",
        "precomputed",
    ]
    for entry in entries():
        assert entry.spec.id == entry.id
        assert entry.licence
        assert entry.licence_terms.endswith(".")
        if entry.package is not None:
            assert entry.files
            assert entry.channels == ("nuclear", "membrane")
    assert [entry.id for entry in entries() if entry.gated] == ["cellsam"]


@pytest.mark.parametrize("model", ["vit_b"])  # the others take longer; all three were counted
def test_numbers_of_weights_are_those_of_the_library(model: str) -> None:
    library = pytest.importorskip("segment_anything", reason="needs segment_anything (extra crossmodal)")
    import torch

    with torch.device("meta"):
        sam = library.sam_model_registry[model]()
    assert find_teacher(f"sam_{model}").parameters == sum(p.numel() for p in sam.parameters())


def test_an_unknown_teacher_gets_the_list_and_a_guess() -> None:
    with pytest.raises(ConfigurationError, match=r"sam_vit_h.*precomputed.*did you mean 'sam_vit_b'\?"):
        load_teacher("sam_vitb")


@pytest.mark.parametrize("name", ["sam_vit_h", "sam_vit_l", "sam_vit_b"])
def test_missing_weights_say_where_to_get_them_and_where_they_go(name: str, home: Path) -> None:
    entry = find_teacher(name)
    with pytest.raises(CheckpointError) as caught:
        load_teacher(name)
    text = str(caught.value)
    for part in (name, entry.files[0], "Apache-2.0", "GB", entry.source, str(own_folder(entry))):
        assert part in text
    assert str(own_folder(entry)).startswith(str(home))
    with pytest.raises(
        CheckpointError, match=r"nowhere\.pth: expected the file of weights of Segment Anything"
    ):
        load_teacher(name, "nowhere.pth")


@pytest.mark.parametrize("name", ["cellpose_sam", "cellsam", "sam_vit_b"])
def test_a_missing_library_gets_the_command_that_installs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (tmp_path / "w.pth").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=re.escape(f"run {find_teacher(name).install}")):
        load_teacher(name, tmp_path / "w.pth")


def test_unknown_settings_and_devices_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.float32))
    with pytest.raises(ConfigurationError, match="colour: expected a known name"):
        load_teacher("precomputed", tmp_path, colour="red")
    with pytest.raises(ConfigurationError, match="overlap"):
        load_teacher("sam_vit_b", tmp_path, overlap=2.0)
    with pytest.raises(ConfigurationError, match="device"):
        load_teacher("sam_vit_b", tmp_path / "a.npy", device="quantum")


def test_a_folder_and_a_file_of_ours_are_teachers_by_themselves(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.float32))
    teacher = load_teacher(tmp_path)
    assert isinstance(teacher, Teacher)
    assert teacher.spec.id == "precomputed"
    with pytest.raises(ConfigurationError, match="precomputed: expected the folder"):
        load_teacher("precomputed")
    with pytest.raises(CheckpointError, match=r"mine\.construct"):
        load_teacher(tmp_path / "mine.construct")
    with pytest.raises(CheckpointError, match="--train-teacher"):
        load_teacher("channel_unet")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1", "tables"),
        ('[[teacher]]\nid = "a"', "title: expected a value"),
        ('[[teacher]]\nid = "A b"\n', "id: expected"),
        ("[[teacher", "TOML|catalogue"),
    ],
)
def test_a_wrong_catalogue_names_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=rf"t\.toml.*({message})"):
        read_entries(tmp_path / "t.toml")
