"""Splits into training and validation patches without a common patient.

Patches of one slide are similar. Scores on a patch whose neighbour was trained on are too high. So whole
groups, not patches, are split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_construct.data.image_level import ImageLevelDataset
from napari_construct.exceptions import ConfigurationError, DatasetError


@dataclass(frozen=True, slots=True)
class Split:
    """Indices into a dataset, both increasing, and the groups behind them."""

    train: NDArray[np.intp]
    val: NDArray[np.intp]
    train_groups: tuple[str, ...]
    val_groups: tuple[str, ...]


def group_names(names: Sequence[str], pattern: str) -> tuple[str, ...]:
    """Patient or slide of every patch.

    Parameters
    ----------
    names : sequence of str
        Names of the patches as in ``ImageLevelDataset.names``; folders are ignored.
    pattern : str
        Regular expression matched at the start of the file name. Its first bracketed part is the
        group, or the whole match where there is none: ``TCGA-..-....`` or ``(p[0-9]+)_``.

    Raises
    ------
    ConfigurationError
        If the pattern is not a regular expression.
    DatasetError
        If a name does not match; it is named.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(
            f"expected a regular expression, got {pattern!r} ({error}); correct it"
        ) from error
    groups = []
    for name in names:
        found = compiled.match(name.rsplit("/", 1)[-1])
        if found is None:
            raise DatasetError(
                f"{name}: expected a name whose start matches {pattern!r}, got another; adapt the pattern"
            )
        groups.append(found[1] if compiled.groups and found[1] is not None else found[0])
    return tuple(groups)


def split_groups(
    dataset: ImageLevelDataset, pattern: str, *, folds: int | None = None, holdout: float = 0.2, seed: int = 0
) -> tuple[Split, ...]:
    """Assign whole groups to folds so that patches and labels are spread as evenly as possible.

    Greedy: groups come in falling order of size (ties in an order drawn from ``seed``); each goes
    where the weighted sum of squared loads - patches, and positives of each class, as shares of
    the whole - grows least.

    Parameters
    ----------
    dataset : ImageLevelDataset
        Dataset to split.
    pattern : str
        Regular expression for the group, see :func:`group_names`.
    folds : int, optional
        Number of folds: as many splits, each group validated once.
    holdout : float
        Without ``folds``: one split with about this share of the patches in validation.
    seed : int
        Order of groups of equal size.

    Returns
    -------
    tuple of Split
        ``folds`` splits, or one.

    Raises
    ------
    DatasetError
        If there are fewer groups than folds.
    """
    if folds is None and not 0 < holdout < 1:
        raise ConfigurationError(f"expected a holdout between 0 and 1, got {holdout}; 0.2 is usual")
    if folds is not None and folds < 2:
        raise ConfigurationError(f"expected at least 2 folds, got {folds}; use holdout for a single split")
    shares = np.full(folds, 1 / folds) if folds is not None else np.array([holdout, 1 - holdout])
    of_patch = group_names(dataset.names, pattern)
    groups = tuple(sorted(set(of_patch)))
    position = {group: i for i, group in enumerate(groups)}
    member = np.array([position[group] for group in of_patch], dtype=np.intp)
    if len(groups) < len(shares):
        raise DatasetError(
            f"expected at least {len(shares)} groups for {pattern!r}, got {len(groups)} "
            f"({', '.join(groups)}); adapt the pattern or use fewer folds"
        )
    fold = deal_groups(dataset.labels, member, len(groups), shares, seed)
    validated = range(len(shares)) if folds is not None else range(1)
    return tuple(_split(groups, member, fold == i) for i in validated)


def deal_groups(
    labels: NDArray[np.uint8], member: NDArray[np.intp], count: int, shares: NDArray[np.float64], seed: int
) -> NDArray[np.intp]:
    """Fold of every group; no fold stays empty.

    Parameters
    ----------
    labels : ndarray
        (n, k) 0 or 1: what each patch has, to be spread evenly.
    member : ndarray
        (n,) group of each patch.
    count : int
        Groups.
    shares : ndarray
        Part of the patches that each fold shall get.
    seed : int
        Order of groups of equal size.
    """
    loads = np.column_stack([np.ones(len(labels)), labels])
    loads = loads / np.maximum(loads.sum(axis=0), 1)
    weight = np.zeros((count, loads.shape[1]))
    np.add.at(weight, member, loads)
    order = np.random.default_rng(seed).permutation(count)
    order = order[np.argsort(-weight[order, 0], kind="stable")]
    fold = np.full(count, -1, dtype=np.intp)
    filled = np.zeros((len(shares), loads.shape[1]))
    for position, group in enumerate(order):
        growth = ((filled + weight[group]) ** 2 - filled**2).sum(axis=1) / shares
        empty = filled[:, 0] == 0
        if count - position <= empty.sum():  # the last groups go to folds that have none yet
            growth[~empty] = np.inf
        fold[group] = np.argmin(growth)
        filled[fold[group]] += weight[group]
    return fold


def _split(groups: tuple[str, ...], member: NDArray[np.intp], in_val: NDArray[np.bool_]) -> Split:
    return Split(
        np.flatnonzero(~in_val[member]),
        np.flatnonzero(in_val[member]),
        tuple(group for group, val in zip(groups, in_val, strict=True) if not val),
        tuple(group for group, val in zip(groups, in_val, strict=True) if val),
    )
