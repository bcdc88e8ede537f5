"""Labels of a slide, shard by shard: valid at once, whole or not at all, the same bytes after every kill."""

from __future__ import annotations

import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_construct.classes import ClassTable
from napari_construct.exceptions import ConfigurationError, ConstructError, InputError
from napari_construct.export.label_pyramid import LabelPyramid
from napari_construct.export.ome_zarr import halved, write_ome_zarr
from napari_construct.export.own_files import is_own, is_pyramid
from napari_construct.export.pyramid_plan import PyramidPlan, Shard
from napari_construct.reading.marks import HIDDEN

CLASSES = ClassTable.from_names(("tumour", "lymphoid", "fat"))
SHAPE = (910, 1190)
SMALL: dict[str, Any] = {"shard": 256, "chunk": 64}


def labels(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Blocks of classes; the upper left shard, among others, is glass."""
    rng = np.random.default_rng(0)
    fine = np.kron(rng.integers(0, 4, (shape[0] // 9 + 1, shape[1] // 7 + 1)), np.ones((9, 7)))
    found = fine.astype(np.uint8)[: shape[0], : shape[1]]
    found[:300, :600] = 0
    return found


def maps(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    found = np.random.default_rng(1).integers(0, 256, (3, *shape), dtype=np.uint8)
    found[:, :300, :600] = 0
    return found


def fill(pyramid: LabelPyramid, shards: Any = None) -> None:
    whole, all_maps = labels(pyramid.plan.shape), maps(pyramid.plan.shape)
    for top, left, h, w in pyramid.left() if shards is None else shards:
        part = np.s_[top : top + h, left : left + w]
        found = all_maps[:, *part] if pyramid.plan.probabilities else None
        pyramid.write(top, left, whole[part], found, record={"top": top})


def files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()
    }


def create(folder: Path, **options: Any) -> LabelPyramid:
    return LabelPyramid.create(folder / "slide.ome.zarr", SHAPE, CLASSES, **{**SMALL, "mpp": 0.25, **options})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pyramid = create(tmp_path_factory.mktemp("undisturbed"), probabilities=True)
    fill(pyramid)
    pyramid.finish()
    return pyramid.path


def test_levels_are_those_of_a_mask_written_at_once(undisturbed: Path, tmp_path: Path) -> None:
    write_ome_zarr(tmp_path / "a.ome.zarr", np.zeros((*SHAPE, 3), np.uint8), labels(), CLASSES, 0.25)
    theirs = zarr.open_group(tmp_path / "a.ome.zarr" / "labels" / "tissue", mode="r")
    ours = zarr.open_group(undisturbed / "labels" / "tissue", mode="r")
    mean = maps()
    kept = [about["path"] for about in ours.attrs["ome"]["multiscales"][0]["datasets"]]
    assert kept == ["0", "1", "2"]
    for level in kept:
        np.testing.assert_array_equal(ours[level][:], theirs[level][:])
        stored = zarr.open_array(undisturbed / "probabilities" / level, mode="r")
        np.testing.assert_array_equal(stored[:], mean)
        mean = halved(mean, averaged=True)
    scales = theirs.attrs["ome"]["multiscales"][0]["datasets"]
    assert ours.attrs["ome"]["multiscales"][0]["datasets"] == scales[:3]


@pytest.mark.parametrize("state", ["empty", "half", "finished"])
def test_valid_from_the_first_moment_on(tmp_path: Path, state: str) -> None:
    models = pytest.importorskip("ome_zarr_models.v05", reason="needs ome-zarr-models")
    pyramid = create(
        tmp_path, probabilities=True, downsample=2.0, source="../../../slide.svs", about={"a": [1]}
    )
    if state != "empty":
        fill(pyramid, pyramid.left()[: 9 if state == "half" else None])
    if state == "finished":
        pyramid.finish()
    root = zarr.open_group(pyramid.path, mode="r")
    found = models.ImageLabel.from_zarr(root["labels/tissue"])
    assert found.ome_attributes.image_label.source.image == "../../../slide.svs"
    models.Image.from_zarr(root["probabilities"])
    assert models.Labels.from_zarr(root["labels"]).ome_attributes.labels == ["tissue"]
    about = root["labels/tissue"].attrs["ome"]
    assert about["image-label"]["properties"][2] == {"label-value": 3, "class": "fat"}
    assert about["image-label"]["colors"][0]["rgba"] == [0xE6, 0x9F, 0, 255]
    # a pixel of level 1 stands for 4 x 4 of the slide: its centre is 1.5 of its pixels from that of the first
    assert about["multiscales"][0]["datasets"][1]["coordinateTransformations"] == [
        {"type": "scale", "scale": [1.0, 1.0]},
        {"type": "translation", "translation": [0.375, 0.375]},
    ]
    assert is_own(pyramid.path)
    assert is_pyramid(pyramid.path)
    assert LabelPyramid.open(pyramid.path) == pyramid
    assert pyramid.plan.about == {"a": [1]}
    assert pyramid.complete == (state == "finished")
    assert len(pyramid.left()) == {"empty": 20, "half": 11, "finished": 0}[state]


def test_what_is_written_is_there_in_all_levels_at_once(tmp_path: Path) -> None:
    pyramid = create(tmp_path)
    fill(pyramid, [Shard(512, 768, 256, 256)])
    for level in range(3):
        found = zarr.open_array(pyramid.path / "labels" / "tissue" / str(level), mode="r")[:]
        wanted = labels()[:: 2**level, :: 2**level][: found.shape[0], : found.shape[1]]
        part = np.s_[512 >> level : 768 >> level, 768 >> level : 1024 >> level]
        np.testing.assert_array_equal(found[part], wanted[part])
        found[part] = 0
        assert not found.any()


def test_glass_has_no_files(undisturbed: Path, tmp_path: Path) -> None:
    assert "labels/tissue/0/c/0/0" not in files(undisturbed)
    assert "labels/tissue/0/c/3/4" in files(undisturbed)
    pyramid = create(tmp_path, probabilities=True)
    before = files(pyramid.path)
    for top, left, *_ in pyramid.left():
        pyramid.write(top, left, None)
    pyramid.finish()
    assert files(pyramid.path).keys() == before.keys()


def test_written_again_only_the_last_counts(tmp_path: Path) -> None:
    pyramid = create(tmp_path)
    pyramid.write(0, 0, np.full((256, 256), 3, np.uint8))
    fill(pyramid, pyramid.plan.shards())  # the first one is glass after all
    pyramid.finish()
    other = create(tmp_path / "other")
    fill(other)
    other.finish()
    assert files(pyramid.path) == files(other.path)
    pyramid.finish()
    with pytest.raises(ConfigurationError, match="finished one; create it again"):
        pyramid.write(0, 0, None)


def test_records_are_kept_until_the_end(tmp_path: Path) -> None:
    pyramid = create(tmp_path)
    fill(pyramid, pyramid.left()[:7])
    again = pickle.loads(pickle.dumps(pyramid))
    assert [(shard.left, record) for shard, record in again.records()][5:] == [
        (0, {"top": 256}),
        (256, {"top": 256}),
    ]
    with pytest.raises(ConfigurationError, match="all of the 20 shards, got all but 13"):
        again.finish()
    fill(again)
    again.finish()
    assert not list(again.records())
    assert not [name for name in files(again.path) if HIDDEN in name]


@pytest.mark.parametrize(
    ("top", "left", "block", "probabilities", "message"),
    [
        (0, 0, (255, 256), None, r"whole shard at row 0, column 0: 256 x 256 pixels, got \(255, 256\)"),
        (768, 1024, (256, 256), None, "142 x 166 pixels"),
        (100, 0, (256, 256), None, "multiples of 256"),
        (1024, 0, (256, 256), None, "inside of 910 x 1190"),
        (-256, 0, (256, 256), None, "inside of 910 x 1190"),
        (0, 0, (256, 256), (3, 256, 256), "without probabilities"),
    ],
)
def test_other_blocks_are_refused(tmp_path: Path, top, left, block, probabilities, message) -> None:
    pyramid = create(tmp_path)
    given = None if probabilities is None else np.zeros(probabilities, np.uint8)
    with pytest.raises(InputError, match=message):
        pyramid.write(top, left, np.zeros(block, np.uint8), given)
    assert len(pyramid.left()) == 20


def test_other_values_are_refused(tmp_path: Path) -> None:
    pyramid = create(tmp_path, probabilities=True)
    block = np.zeros((256, 256), np.uint8)
    with pytest.raises(InputError, match="labels from 0 to 3"):
        pyramid.write(0, 0, block + 4, np.zeros((3, 256, 256), np.uint8))
    with pytest.raises(InputError, match="uint8"):
        pyramid.write(0, 0, block.astype(np.int64), np.zeros((3, 256, 256), np.uint8))
    with pytest.raises(InputError, match="block with probabilities"):
        pyramid.write(0, 0, block)
    with pytest.raises(InputError, match=r"probabilities \(3, 256, 256\) uint8, got \(2, 256, 256\) float64"):
        pyramid.write(0, 0, block, np.zeros((2, 256, 256)))


@pytest.mark.parametrize(
    "options",
    [{"shard": 300}, {"chunk": 512}, {"mpp": -1.0}, {"shard": 1, "chunk": 1, "shape": (10**6,) * 2}],
)
def test_impossible_plans(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        LabelPyramid.create(
            tmp_path / "a.ome.zarr", **{"shape": SHAPE, "classes": CLASSES, **SMALL, **options}
        )
    assert not list(tmp_path.iterdir())


def test_what_others_made_stays(tmp_path: Path) -> None:
    (tmp_path / "slide.ome.zarr").mkdir()
    (tmp_path / "slide.ome.zarr" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="folder that it did not make"):
        create(tmp_path)
    with pytest.raises(InputError, match="expected a label pyramid"):
        LabelPyramid.open(tmp_path / "slide.ome.zarr")
    with pytest.raises(InputError, match="nothing there"):
        LabelPyramid.open(tmp_path / "none.ome.zarr")
    (own := create(tmp_path / "b")).write(0, 0, None)
    assert len(create(tmp_path / "b").left()) == 20
    (own.path / "other_group").mkdir()
    with pytest.raises(ConfigurationError, match="folder that it did not make"):
        create(tmp_path / "b")


def test_levels_end_where_shards_get_small() -> None:
    plan = PyramidPlan(shape=(100_000, 80_000), classes=CLASSES)
    assert plan.grid == (25, 20)
    assert plan.levels == 7
    assert PyramidPlan(shape=(900, 20), classes=CLASSES).levels == 3
    assert sum(h * w for _, _, h, w in plan.shards()) == 100_000 * 80_000


def child(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """This file as a program: goes on with a pyramid, from the first or the last shard left, and tells."""
    command = [sys.executable, "-c", f"import runpy; runpy.run_path({__file__!r})['go_on'](*{arguments!r})"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def go_on(folder: str, share: int, of: int) -> None:
    pyramid = LabelPyramid.open(folder)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    fill(pyramid, [shard for i, shard in enumerate(pyramid.plan.shards()) if i % of == share])
    sys.stdout.write("done\n")


def test_killed_at_random_moments_the_bytes_are_the_same(undisturbed: Path, tmp_path: Path) -> None:
    pyramid = create(tmp_path, probabilities=True)
    at, kills = random.Random(0), 0
    before: set[Shard] = set(pyramid.left())
    while pyramid.left() and kills < 6:
        with child(str(pyramid.path), 0, 1) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(at.uniform(0, 0.25))
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        left = set(pyramid.left())
        for top, start, h, w in before - left:  # what is said to be written is
            part = np.s_[top : top + h, start : start + w]
            stored = zarr.open_array(pyramid.path / "labels" / "tissue" / "0", mode="r")[part]
            np.testing.assert_array_equal(stored, labels()[part])
        zarr.open_array(pyramid.path / "labels" / "tissue" / "0", mode="r")[:]  # and nothing is half there
    assert kills >= 3
    (pyramid.path / "labels" / "tissue" / "0" / "c" / f"{HIDDEN}0-0.part").write_bytes(b"half")
    fill(LabelPyramid.open(pyramid.path))
    pyramid.finish()
    assert files(pyramid.path) == files(undisturbed)


def test_several_processes_write_at_the_same_time(undisturbed: Path, tmp_path: Path) -> None:
    pyramid = create(tmp_path, probabilities=True)
    processes = [child(str(pyramid.path), share, 3) for share in range(3)]
    while any(process.poll() is None for process in processes):
        for level in range(pyramid.plan.levels):  # what is there can be read all the time
            zarr.open_array(pyramid.path / "labels" / "tissue" / str(level), mode="r")[:]
    for process in processes:
        output, errors = process.communicate()
        assert output == "ready\ndone\n", errors
    pyramid.finish()
    assert files(pyramid.path) == files(undisturbed)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_that_is_full(undisturbed: Path, tmp_path: Path) -> None:
    """Files that may not grow stand for it: the shards of the probabilities no longer fit."""
    pyramid = create(tmp_path, probabilities=True)
    fill(pyramid, pyramid.left()[:8])
    before = files(pyramid.path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(ConstructError, match=r"slide.ome.zarr: cannot be written .*free some space"):
            fill(pyramid)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    after = files(pyramid.path)
    assert before.items() <= after.items()
    assert not [name for name in after if name.endswith(".part")]
    assert len(pyramid.left()) == 12
    fill(pyramid)
    pyramid.finish()
    assert files(pyramid.path) == files(undisturbed)


def test_every_file_is_synced_before_it_gets_its_name(tmp_path: Path, monkeypatch) -> None:
    """A power cut cannot be had here: the order of the system's calls is looked at instead."""
    pyramid = create(tmp_path)
    said: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        said.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        said.append(("move", str(path)))
        said.append(("name", str(target)))
        return replace(path, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see which file is synced")
    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    fill(pyramid, [Shard(768, 1024, 142, 166)])
    moves = [i for i, (what, _) in enumerate(said) if what == "move"]
    assert len(moves) == 4  # three levels and the mark
    for i in moves:
        assert said[i - 1] == ("sync", said[i][1])
        assert said[i + 2] == ("sync", str(Path(said[i + 1][1]).parent))
    level = pyramid.path / "labels" / "tissue" / "0"
    for new in (level, level / "c", level / "c" / "3"):
        assert ("sync", str(new)) in said
    assert said[moves[-1] + 1][1].endswith(f"{HIDDEN}shards/3-4.json")
