"""The choice of patches: what is rare is among them, and the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from tests.labelling.conftest import SIDE, sheet

from napari_construct.events import run
from napari_construct.labelling.choose import chosen_steps, shared_out
from napari_construct.labelling.settings import CutSettings
from napari_construct.labelling.sources import sources_of
from napari_construct.labelling.spread import looks, spread_choice, stain_of


def test_centres_cover_what_random_draws_miss():
    rng = np.random.default_rng(0)
    common, rare = rng.normal(0, 1, (980, 8)), rng.normal(0, 0.3, (20, 8)) + 12
    features = np.concatenate([common, rare]).astype(np.float32)
    assert any(i >= 980 for i in spread_choice(features, 5))
    missed = [all(i < 980 for i in np.random.default_rng(s).permutation(1000)[:5]) for s in range(100)]
    assert np.mean(missed) > 0.8


def test_every_start_is_spread_and_each_patch_comes_once():
    features = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    assert spread_choice(features, 10) == spread_choice(features, 50)[:10]
    assert sorted(spread_choice(features, 50)) == list(range(50)) == sorted(spread_choice(features, 99))
    assert spread_choice(np.zeros((3, 2), np.float32), 3) == [0, 1, 2]
    assert spread_choice(np.zeros((0, 2), np.float32), 3) == []


def test_looks_weigh_texture_and_stain_whatever_their_scale():
    rng = np.random.default_rng(2)
    texture, stain = rng.normal(size=(40, 30)).astype(np.float32), rng.normal(size=(40, 6)).astype(np.float32)
    found = looks(texture, stain)
    np.testing.assert_allclose(np.abs(found), np.abs(looks(1000 * texture, stain / 7)), atol=1e-4)
    size = (found.astype(np.float64) ** 2).sum(axis=1).mean()
    assert 1.4 < size < 1.6
    assert np.isfinite(looks(texture[:1], stain[:1])).all()


def test_stain_is_density():
    assert np.allclose(stain_of(np.full((4, 4, 3), 255, np.uint8)), 0, atol=1e-6)
    np.testing.assert_allclose(
        stain_of(np.full((4, 4, 3), 127, np.uint8)), [np.log(2)] * 3 + [0] * 3, atol=1e-6
    )


def test_glass_is_no_stain():
    half = np.full((8, 8, 3), 245, np.uint8)
    half[:4] = (150, 90, 160)
    np.testing.assert_allclose(stain_of(half), stain_of(half[:4]), atol=1e-5)


def test_shares_are_even_and_bounded():
    assert shared_out(10, [100, 100]) == [5, 5]
    assert shared_out(10, [2, 100, 100]) == [2, 4, 4]
    assert shared_out(10, [2, 0, 3]) == [2, 0, 3]
    assert sum(shared_out(7, [50] * 20)) == 7


def test_the_rare_texture_of_an_image_is_chosen(tmp_path: Path):
    kinds = [["even"] * 8 for _ in range(8)]
    kinds[5][2] = "striped"
    kinds[1][6] = "dotted"
    path = tmp_path / "rare.png"
    Image.fromarray(sheet(kinds)).save(path)
    sources, _ = sources_of([path])
    settings = CutSettings(count=4, side=SIDE, encoder="mini")
    chosen = run(chosen_steps(sources, settings))
    places = {(one.row // SIDE, one.column // SIDE) for one in chosen}
    assert {(5, 2), (1, 6)} <= places
    assert chosen == run(chosen_steps(sources, settings))
    drawn = [
        {
            (one.row // SIDE, one.column // SIDE)
            for one in run(chosen_steps(sources, settings.changed(choice="random", seed=seed)))
        }
        for seed in range(20)
    ]
    assert np.mean([{(5, 2), (1, 6)} <= places for places in drawn]) < 0.2
