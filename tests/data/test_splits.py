from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_construct.data.image_level import ImageLevelDataset, load_dataset
from napari_construct.data.splits import group_names, split_groups
from napari_construct.exceptions import ConfigurationError, DatasetError


def _dataset(names, labels):
    return ImageLevelDataset(
        tuple(Path(n) for n in names), np.array(labels, np.uint8), ("a", "b"), tuple(names)
    )


def test_group_names():
    names = ("x/TCGA-A1-A0SK-DX1_xmin1[10].png", "TCGA-A2-A0T2-DX1_xmin5[01].png")
    assert group_names(names, "TCGA-..-....") == ("TCGA-A1-A0SK", "TCGA-A2-A0T2")
    assert group_names(("p01_a.png", "p12_b.png"), r"(p\d+)_") == ("p01", "p12")
    with pytest.raises(DatasetError, match=r"x\.png: expected a name whose start matches"):
        group_names(("p01_a.png", "x.png"), r"(p\d+)_")
    with pytest.raises(ConfigurationError, match="regular expression"):
        group_names(("a",), "(")


def test_glas_patients_are_never_shared(shared_data):
    dataset = load_dataset(shared_data / "glas" / "train")
    patients = np.array(group_names(dataset.names, r"(p\d+)_"))
    splits = split_groups(dataset, r"(p\d+)_", folds=4)
    for split in splits:
        assert not set(patients[split.train]) & set(patients[split.val])
        assert set(patients[split.val]) == set(split.val_groups)
        assert 0.15 < len(split.val) / len(dataset) < 0.35
    np.testing.assert_array_equal(np.sort(np.concatenate([s.val for s in splits])), np.arange(len(dataset)))
    (holdout,) = split_groups(dataset, r"(p\d+)_", holdout=0.2)
    assert 0.1 < len(holdout.val) / len(dataset) < 0.3


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_patch_once_and_no_empty_fold(data):
    groups = data.draw(
        st.lists(st.integers(0, 12), min_size=2, max_size=60).filter(lambda g: len(set(g)) > 1)
    )
    folds = data.draw(st.integers(2, len(set(groups))))
    seed = data.draw(st.integers(0, 5))
    bits = data.draw(st.lists(st.integers(0, 3), min_size=len(groups), max_size=len(groups)))
    dataset = _dataset([f"g{g}_{i}.png" for i, g in enumerate(groups)], [[b & 1, b >> 1] for b in bits])
    splits = split_groups(dataset, r"(g\d+)_", folds=folds, seed=seed)
    assert len(splits) == folds
    for split in splits:
        assert len(split.val) > 0
        assert len(split.train) > 0
        assert not set(split.train_groups) & set(split.val_groups)
        assert sorted([*split.train, *split.val]) == list(range(len(groups)))
    assert sorted(np.concatenate([s.val for s in splits])) == list(range(len(groups)))


def test_labels_are_spread():
    """Eight groups of equal size, four of each class: each of four folds gets one of either."""
    names = [f"g{g}_{i}.png" for g in range(8) for i in range(5)]
    labels = [[1, 0] if g < 4 else [0, 1] for g in range(8) for _ in range(5)]
    for split in split_groups(_dataset(names, labels), r"(g\d)_", folds=4, seed=3):
        val = np.array(labels)[split.val]
        assert val.sum(axis=0).tolist() == [5, 5]


def test_same_seed_same_split():
    names = [f"g{g}_{i}.png" for g in range(10) for i in range(3)]
    dataset = _dataset(names, [[1, 0]] * 30)
    first, second, other = (split_groups(dataset, r"(g\d)_", seed=s)[0].val_groups for s in (1, 1, 2))
    assert first == second
    assert len(first) == 2
    assert first != other


def test_too_few_groups_and_wrong_numbers():
    dataset = _dataset(["a_1.png", "a_2.png"], [[1, 0], [0, 1]])
    with pytest.raises(DatasetError, match=r"at least 2 groups .* got 1 \(a\)"):
        split_groups(dataset, "[a-z]")
    with pytest.raises(ConfigurationError, match="holdout between"):
        split_groups(dataset, "[a-z]", holdout=1.0)
    with pytest.raises(ConfigurationError, match="at least 2 folds"):
        split_groups(dataset, "[a-z]", folds=1)
