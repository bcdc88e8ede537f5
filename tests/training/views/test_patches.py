"""Which pixels of a patch the network sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import run
from napari_construct.exceptions import ConfigurationError, InputError
from napari_construct.training.config.config import TrainingConfig
from napari_construct.training.views.patches import load_patches, plan_view

SPEC = TinyEncoder().spec  # multiple 32, 0.5 um/px


def config(**fields: object) -> TrainingConfig:
    return TrainingConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "patch", "size", "mpp", "window", "side"),
    [
        # resolution unknown: the whole patch, at its own size or the one asked for
        ({}, (128, 128), 128, None, 128, (128, 128)),
        ({}, (130, 150), 128, None, 128, (128, 148)),
        ({"image_size": 224}, (112, 112), 224, None, 112, (112, 112)),
        # GlaS as its README says: 112 px at 0.62 um/px shown at 224 px
        ({"image_size": 224, "patch_mpp": 0.62}, (112, 112), 224, 0.31, 112, (112, 112)),
        # resolution known: the encoder's own
        ({"patch_mpp": 0.25}, (256, 256), 128, 0.5, 128, (128, 128)),
        # resolution asked for
        ({"patch_mpp": 0.25, "mpp": 0.25, "image_size": 96}, (256, 256), 96, 0.25, 96, (256, 256)),
        ({"patch_mpp": 1.0, "mpp": 0.5}, (100, 100), 192, 0.5, 96, (100, 100)),
        ({"patch_mpp": 0.25, "mpp": 0.5, "image_size": 512}, (256, 256), 128, 0.5, 128, (128, 128)),
    ],
)
def test_view(
    fields: dict[str, object],
    patch: tuple[int, int],
    size: int,
    mpp: float | None,
    window: float,
    side: tuple[int, int],
) -> None:
    view = plan_view(config(**fields), SPEC, patch)
    assert (view.size, view.side) == (size, side)
    assert view.mpp == pytest.approx(mpp)
    assert view.window == pytest.approx(window)


@pytest.mark.parametrize(
    ("fields", "count"), [({"image_size": 224}, 1), ({"image_size": 224, "patch_mpp": 0.62}, 0), ({}, 0)]
)
def test_magnification_without_resolution_is_noticed(fields: dict[str, object], count: int) -> None:
    notices = plan_view(config(**fields), SPEC, (128, 128)).notices
    assert len(notices) == count
    assert all("rescaled by 1.8" in text for text in notices)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ConfigurationError, match="multiple of 32"):
        plan_view(config(image_size=100), SPEC, (128, 128))
    with pytest.raises(ConfigurationError, match="larger patches"):
        plan_view(config(), SPEC, (20, 20))
    with pytest.raises(ConfigurationError, match="patch_mpp"):
        plan_view(config(mpp=0.5), SPEC, (128, 128))


def test_memory_and_disk_give_the_same_batches(patches: ImageLevelDataset) -> None:
    kept = run(load_patches(patches, config(image_size=64), SPEC))
    read = run(load_patches(patches, config(image_size=64, memory_limit_mb=0), SPEC))
    assert (kept.in_memory, read.in_memory) == (True, False)
    order = [3, 0, 5]
    torch.testing.assert_close(kept.batch(order), read.batch(order), atol=0, rtol=0)
    assert kept.batch(order).shape == (3, 64, 64, 3)


def write(folder: Path, name: str, size: tuple[int, int], seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(values).save(folder / name)


def test_mixed_sizes_with_known_resolution_are_cut_and_mirrored(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "a", f"{i}.png", (64, 64), i)
    write(tmp_path / "b", "large.png", (100, 80))
    write(tmp_path / "b", "small.png", (40, 64))
    dataset = load_dataset(tmp_path)
    store = run(load_patches(dataset, config(patch_mpp=0.5), SPEC))
    large = np.asarray(Image.open(tmp_path / "b" / "large.png"))
    small = np.asarray(Image.open(tmp_path / "b" / "small.png"))
    batch = store.batch(range(5)).numpy()
    np.testing.assert_array_equal(batch[3], large[18:82, 8:72])
    np.testing.assert_array_equal(batch[4], np.concatenate([small, small[:-25:-1]]))
    places = {store.batch([3], torch.Generator().manual_seed(s)).numpy().tobytes() for s in range(5)}
    assert len(places) > 1


def test_mixed_sizes_without_resolution_are_resized(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "a", f"{i}.png", (64, 64), i)
    write(tmp_path / "b", "large.png", (128, 96))
    store = run(load_patches(load_dataset(tmp_path), config(), SPEC))
    assert store.batch([3]).shape == (1, 64, 64, 3)


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / "a", f"{i}.png", (64, 64), i)
    (tmp_path / "a" / "1.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"1\.png"):
        run(load_patches(load_dataset(tmp_path), config(), SPEC))
