"""Prototypes: names, maps, what decides, patches, and those that a person places."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_construct.classes import ClassTable
from napari_construct.data.images import ImageFile, read_image
from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.events import Notice, run
from napari_construct.exceptions import CheckpointError, ConfigurationError, EncoderError, InputError
from napari_construct.inference.activation.cams import cam_steps
from napari_construct.inference.activation.predictor import Predictor
from napari_construct.inference.loading import load_model
from napari_construct.inference.prototypes.names import find_prototype, prototype_table, prototypes_of
from napari_construct.inference.prototypes.place import changed_predictor, place_region_steps, place_text
from napari_construct.inference.prototypes.settings import PrototypeSettings
from napari_construct.inference.prototypes.similarity_maps import PrototypeMaps, prototype_steps
from napari_construct.inference.prototypes.top_patches import PatchesFound, gallery, peaks, top_patches_steps
from napari_construct.inference.segment import segment
from napari_construct.inference.settings import SegmentSettings
from napari_construct.models.checkpoints.checkpoint import checkpoint_of, load_checkpoint, save_checkpoint
from napari_construct.models.checkpoints.placed_prototypes import without_placed
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig

TABLE = ClassTable.from_names(("tumour", "normal gland"))
SETTINGS = PrototypeSettings(tile=128, overlap=32)


def predictor_of(encoder: Any = None, **changes: Any) -> Predictor:
    config = ModelConfig(
        encoder="tiny",
        prototype_width=16,
        projection_hidden=16,
        fusion_width=16,
        prototypes_per_class=2,
        **changes,
    )
    encoder = encoder or TinyEncoder()
    made = build_model(config, encoder, 2, seed=3)
    return Predictor(checkpoint_of(made, TABLE, mpp=0.25), "cpu", encoder=encoder)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return predictor_of()


@pytest.fixture(scope="module")
def tissue(camelyon: Path) -> np.ndarray:
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return read_image(path).pixels


def maps_of(tissue: np.ndarray, predictor: Predictor, **changes: Any) -> PrototypeMaps:
    return run(prototype_steps(tissue, predictor, SETTINGS.changed(**changes), mpp=0.25, name="slide"))


def test_names_of_prototypes(predictor: Predictor) -> None:
    found = prototypes_of(predictor.checkpoint)
    assert [p.name for p in found] == ["tumour 1", "tumour 2", "normal gland 1", "normal gland 2"]
    assert find_prototype(found, "normal gland:2") is found[3]
    assert find_prototype(found, "tumour") is find_prototype(found, "") is found[0]
    numbered = tuple(replace(p, tissue=f"Gleason {3 + p.owner}") for p in found)
    assert find_prototype(numbered, "Gleason 4") is next(p for p in numbered if p.owner == 1)
    assert find_prototype(numbered, "Gleason 3 2") is numbered[1]
    with pytest.raises(ConfigurationError, match=r"normal gland 2\), got 'stroma 1'; choose one of these"):
        find_prototype(found, "stroma 1")
    table = prototype_table(found, TABLE)
    assert table.names == tuple(p.name for p in found)
    assert table[0].colour == TABLE[0].colour
    assert len({tissue.colour for tissue in table}) == 4
    unet = replace(predictor.checkpoint, config=ModelConfig(network="unet"))
    with pytest.raises(ConfigurationError, match="expected a model of the first stage, which has prototypes"):
        prototypes_of(unet)


@pytest.mark.parametrize("preset", ["construct", "published"])
def test_maps_agree_with_the_cam(tissue: np.ndarray, preset: str) -> None:
    published = {"preset": "published", "fusion": "none", "class_bias": False}
    predictor = predictor_of(**(published if preset == "published" else {}))
    whole = {"tile": 256, "overlap": 0}  # one tile, so that no blending comes between maximum and mean
    maps = maps_of(tissue, predictor, **whole)
    activation = run(cam_steps(tissue, predictor, SegmentSettings(**whole), mpp=0.25))
    scores = maps.gain * maps.similarity + maps.shift[:, None, None]
    temperature = 1.0 if predictor.published else predictor.calibration.temperature
    per_class = scores.reshape(2, 2, *scores.shape[1:]).max(1)
    np.testing.assert_allclose(per_class, activation.logits / temperature, atol=1e-4)
    assert maps.everything().shape == (4, 256, 256)
    np.testing.assert_array_equal(maps.of("normal gland 2"), maps.everything()[3])
    deciding = maps.deciding()
    for row, column in ((0, 0), (100, 17), (255, 255)):
        prototype, similarity = maps.at(row, column)
        np.testing.assert_allclose(similarity, maps.everything()[:, row, column], atol=1e-6)
        assert deciding[row, column] == prototype.index + 1
    low, high = maps.limits()
    assert -1 <= low < high <= 1


def test_tiles_change_little_and_a_cancel_acts_between_them(tissue: np.ndarray, predictor: Predictor) -> None:
    one, many = maps_of(tissue, predictor, tile=256, overlap=0), maps_of(tissue, predictor)
    assert np.abs(one.everything() - many.everything()).mean() < 0.02
    steps = prototype_steps(tissue, predictor, SETTINGS)
    next(steps)
    steps.close()


def square(tissue: np.ndarray) -> np.ndarray:
    region = np.zeros(tissue.shape[:2], bool)
    region[64:160, 32:128] = True
    return region


def test_a_painted_region_becomes_the_class_it_is_said_to_be(
    tissue: np.ndarray, predictor: Predictor
) -> None:
    region = square(tissue)
    decided = maps_of(tissue, predictor).deciding()
    for owner, name in enumerate(TABLE.names):
        events: list[Any] = []
        steps = place_region_steps(tissue, region, predictor, name, SETTINGS, mpp=0.25, name="slide")
        checkpoint = run(steps, events.append)
        changed = changed_predictor(predictor, checkpoint)
        maps = maps_of(tissue, changed)
        new = maps.prototypes[-1]
        assert (new.name, new.origin) == (f"{name} 3", "region of slide")
        owners = np.array([p.owner for p in maps.prototypes])[maps.deciding() - 1]
        assert (owners[region] == owner).mean() > 0.85
        assert "fitted without the new prototype" in [e for e in events if isinstance(e, Notice)][-1].message
        # elsewhere nothing changes but what looks like it
        kept = maps.deciding() != new.index + 1
        assert (maps.deciding()[kept] == decided[kept]).all()
    told = checkpoint.training["placed"][0]
    assert told["class"] == "normal gland"
    assert told["pixels"] == region.sum()
    assert len(told["image_sha256"]) == 64


def test_a_region_changes_the_mask_where_it_says_something_new() -> None:
    samples = files("napari_construct") / "data" / "samples"
    image = read_image(Path(str(samples / "lymph_node_tumour.png"))).pixels
    model = load_model("lymph-node", device="cpu")
    rows, columns = np.ogrid[:1024, :1024]
    disc = (rows - 923) ** 2 + (columns - 923) ** 2 <= 80**2  # in the tumour
    before = segment(image, model, crf=None, mpp=0.25).labels
    assert (before[disc] == 1).all()
    for value, name in enumerate(("tumour", "lymphoid"), start=1):
        steps = place_region_steps(image, disc, model, name, mpp=0.25)
        after = segment(image, changed_predictor(model, run(steps)), crf=None, mpp=0.25).labels
        assert (after[disc] == value).mean() > 0.9
        assert (after != before).mean() < (0.005 if name == "tumour" else 0.25)
        assert (after[before == 2] == 2).mean() > 0.99


def test_the_trained_part_stays_and_the_file_comes_back(
    tissue: np.ndarray, predictor: Predictor, tmp_path: Path
) -> None:
    steps = place_region_steps(tissue, square(tissue), predictor, "tumour", SETTINGS, mpp=0.25)
    checkpoint = run(steps)
    for name, value in predictor.checkpoint.head_state.items():
        assert torch.equal(checkpoint.head_state[name], value)
    path = save_checkpoint(tmp_path / "more.construct", checkpoint)
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("manifest.json"))["format_version"] == 3  # older releases refuse it
    back = load_model(path, device="cpu")
    assert back.checkpoint.config.placed == (0,)
    ours = changed_predictor(predictor, checkpoint)
    np.testing.assert_array_equal(maps_of(tissue, back).similarity, maps_of(tissue, ours).similarity)
    assert ours.encoder_sha256 == predictor.checkpoint.encoder_hash
    before = save_checkpoint(tmp_path / "before.construct", predictor.checkpoint)
    again = save_checkpoint(tmp_path / "again.construct", without_placed(load_checkpoint(path), 0))
    assert again.read_bytes() == before.read_bytes()
    with pytest.raises(ConfigurationError, match=r"expected a prototype that was placed \(0 to 0\), got 1"):
        without_placed(checkpoint, 1)
    wrong = replace(checkpoint, config=checkpoint.config.model_copy(update={"placed": (7,)}))
    with pytest.raises(CheckpointError, match="a placed prototype of class 7, where there are 2"):
        load_checkpoint(save_checkpoint(tmp_path / "wrong.construct", wrong))


def test_regions_that_cannot_be(tissue: np.ndarray, predictor: Predictor) -> None:
    def place(region: np.ndarray, tissue_class: str = "tumour") -> None:
        run(place_region_steps(tissue, region, predictor, tissue_class, SETTINGS, mpp=0.25))

    empty = np.zeros(tissue.shape[:2], bool)
    with pytest.raises(InputError, match="expected a painted region, got none; paint"):
        place(empty)
    dot = empty.copy()
    dot[10, 10] = True
    with pytest.raises(InputError, match="got a smaller one; paint a larger one"):
        place(dot)
    with pytest.raises(InputError, match=r"expected a region of the image's size \(256, 256\), got \(9, 9\)"):
        place(np.ones((9, 9), bool))
    with pytest.raises(ConfigurationError, match=r"expected a class of the model .*, got 'necrosis'"):
        place(square(tissue), "necrosis")


class Words(TinyEncoder):
    """A tiny encoder that knows words: an embedding is drawn from the text itself."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.spec = replace(self.spec, embedding_width=width)
        self.width = width

    def embed_images(self, images: torch.Tensor) -> torch.Tensor:
        return F.normalize(images.mean((2, 3)) @ torch.ones(3, self.width), dim=-1)

    def embed_texts(self, texts: Any) -> torch.Tensor:
        rows = [
            torch.randn(self.width, generator=torch.Generator().manual_seed(sum(map(ord, text))))
            for text in texts
        ]
        return F.normalize(torch.stack(rows), dim=-1)


def test_words_become_a_prototype_where_the_encoder_knows_words(tissue: np.ndarray) -> None:
    predictor = predictor_of(Words())
    changed = changed_predictor(predictor, place_text(predictor, "tumour", "solid nests | keratin pearls"))
    new = prototypes_of(changed.checkpoint)[-1]
    assert (new.name, new.origin) == ("tumour 3", "text: solid nests | keratin pearls")
    placed = changed.network.head.placed  # as the trained ones: through the same layers, unshifted
    assert float(placed.offsets[0]) == 0
    assert float(placed.vectors[0].norm()) == pytest.approx(1, abs=1e-5)
    cam, before = (
        run(cam_steps(tissue, p, SegmentSettings(tile=256, overlap=0), mpp=0.25)).logits
        for p in (changed, predictor)
    )
    assert (cam[0] >= before[0]).all()
    np.testing.assert_array_equal(cam[1], before[1])
    twice = changed_predictor(changed, place_text(changed, "normal gland", "round glands"))
    assert twice.checkpoint.config.placed == (0, 1)
    with pytest.raises(ConfigurationError, match="expected words that describe the class, got none"):
        place_text(predictor, "tumour", "  ")


def test_no_words_without_a_text_encoder_or_another_space(predictor: Predictor) -> None:
    with pytest.raises(EncoderError, match="expected an encoder that embeds texts, got one for images only"):
        place_text(predictor, "tumour", "glands")
    with pytest.raises(EncoderError, match=r"expected prototypes in the 24 dimensions of .*, got 16"):
        place_text(predictor_of(Words(24)), "tumour", "glands")


def source(key: str, pixels: np.ndarray | None) -> Any:
    def read() -> ImageFile:
        if pixels is None:
            raise InputError(f"{key}: expected an image, got none; copy it again")
        return ImageFile(pixels, 0.25, (), Path(key))

    return SimpleNamespace(key=key, read=read)


def test_top_patches_of_many_images_and_a_broken_one(tissue: np.ndarray, predictor: Predictor) -> None:
    sources = [source("a", tissue), source("broken", None), source("b", tissue[::-1].copy())]
    events: list[Any] = []
    settings = SETTINGS.changed(prototype="normal gland 1", count=5, per_image=3)
    found = run(top_patches_steps(sources, predictor, settings), events.append)
    assert found.prototype.name == "normal gland 1"
    assert found.failed == (("broken", "expected an image, got none; copy it again"),)
    values = [patch.similarity for patch in found.patches]
    assert len(values) == 5
    assert values == sorted(values, reverse=True)
    maps = maps_of(tissue, predictor)
    best = max(p.similarity for p in found.patches if p.key == "a")
    assert best == pytest.approx(float(maps.similarity[2].max()))
    for patch in found.patches:
        pixels = tissue if patch.key == "a" else tissue[::-1]
        h, w = patch.pixels.shape[:2]
        np.testing.assert_array_equal(
            patch.pixels, pixels[patch.row : patch.row + h, patch.column : patch.column + w]
        )
    assert [len(e.top.patches) for e in events if isinstance(e, PatchesFound)] == [3, 5]
    page = gallery(found.patches, side=32, columns=3)
    assert page.shape == (2 * 36 + 4, 3 * 36 + 4, 3)
    json.dumps([patch.as_dict() for patch in found.patches])


def test_peaks_do_not_overlap_much_and_stay_inside() -> None:
    similarity = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    found = peaks(similarity, (160, 240), (20.0, 30.0), 64, 8)
    assert found[0][2] == similarity.max()
    assert [f[2] for f in found] == sorted((f[2] for f in found), reverse=True)
    for row, column, _ in found:
        assert 0 <= row <= 160 - 64
        assert 0 <= column <= 240 - 64
    assert len(peaks(similarity, (160, 240), (20.0, 30.0), 500, 8)) == 1
