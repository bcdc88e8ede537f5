"""Training from stored frozen features: an epoch only runs the head.

A feature is rounded to half precision before it is used for the first time, and views of a block are
always encoded together: whether a feature was found on the disk or had to be computed again (a file may
have been removed to make room, or damaged) changes no number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.data.feature_cache import FeatureCache
from napari_construct.events import Event, Steps
from napari_construct.exceptions import ConfigurationError
from napari_construct.training.loop.precision import autocast
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.randomness import generator
from napari_construct.training.views.batch import Features, TrainingBatch, mosaic_batch
from napari_construct.training.views.fixed_views import CentreViews, FixedViews
from napari_construct.training.views.sampling import Sampler


class FeatureStore:
    """Features of student and teacher by key of a view.

    Parameters
    ----------
    cache : FeatureCache
        Stores the features.
    task : TrainingTask
        Its encoders, frozen.
    student, teacher : str
        Hashes of the encoders.
    dtype : torch.dtype or None
        Of autocast.
    device : torch.device
        Device of encoders and features.
    """

    def __init__(
        self,
        cache: FeatureCache,
        task: TrainingTask,
        student: str,
        teacher: str | None,
        dtype: torch.dtype | None,
        device: torch.device,
    ) -> None:
        self.cache, self.task, self.device, self.dtype = cache, task, device, dtype
        config = task.model.head.config
        self._roles = {"student": f"{student}|{config.mean}|{config.std}|{dtype}"}
        if "distillation" in task.terms:
            self._roles["teacher"] = f"{teacher}|{task.levels}|{task.published}|{dtype}"

    def has(self, key: str, *, with_teacher: bool = True) -> bool:
        """Whether all features of a view are stored (files may be damaged)."""
        return all(self._key(role, key) in self.cache for role in self._chosen(with_teacher))

    def get(self, key: str, *, with_teacher: bool = True) -> Features | None:
        """Features of one view (1, c, h, w), on the CPU; None if some are missing."""
        found = [self.cache.get(self._key(role, key)) for role in self._chosen(with_teacher)]
        levels = [tuple(entry[name] for name in sorted(entry)) for entry in found if entry is not None]
        return Features(*levels) if len(levels) == len(found) else None

    def put(
        self, keys: Sequence[str], images: Float[Tensor, "b 3 h w"], *, with_teacher: bool = True
    ) -> list[Features]:
        """Encode views and store their features; returns them as :meth:`get` would."""
        with torch.no_grad(), autocast(self.dtype, self.device):
            encoded = {"student": self.task.model.features(images)}
            if with_teacher:
                encoded["teacher"] = self.task.targets(images)
        rows = []
        for number, key in enumerate(keys):
            kept = []
            for role in self._chosen(with_teacher):
                levels = {f"{i:02}": level[number : number + 1] for i, level in enumerate(encoded[role])}
                stored = self.cache.put(self._key(role, key), levels)
                kept.append(tuple(stored[name] for name in sorted(stored)))
            rows.append(Features(*kept))
        return rows

    def stack(self, rows: Sequence[Features]) -> Features:
        """Join single views, on the device."""
        student = zip(*(row.student for row in rows), strict=True)
        teacher = zip(*(row.teacher for row in rows), strict=True)
        return Features(
            *(tuple(torch.cat(level).to(self.device) for level in of) for of in (student, teacher))
        )

    def _chosen(self, with_teacher: bool) -> list[str]:
        return list(self._roles) if with_teacher else ["student"]

    def _key(self, role: str, key: str) -> str:
        return hashlib.sha256(f"{role}|{self._roles[role]}|{key}".encode()).hexdigest()


class CachedBatches:
    """Batches of stored features.

    Parameters
    ----------
    store : FeatureStore
        The features.
    views : FixedViews
        The views.
    labels : Tensor
        (n, k) float.
    sampler : Sampler
        Which patches a step sees; which view of each is drawn from the seed.
    """

    def __init__(
        self, store: FeatureStore, views: FixedViews, labels: Float[Tensor, "n k"], sampler: Sampler
    ) -> None:
        self.store, self.views, self.labels, self.sampler = store, views, labels, sampler
        self.processes = store.task.processes

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.steps_per_epoch

    def fill(self) -> Steps[None]:
        """Compute missing features, block by block; each process does its share.

        Raises
        ------
        ConfigurationError
            If the cache is too small for this run.
        """
        store, blocks = self.store, self.views.blocks
        own = range(self.processes.rank, len(blocks), self.processes.count)
        for number, block in enumerate(own):
            keys = self.views.keys(block)
            if not all(store.has(key) for key in keys):
                self._check_room(store.put(keys, self.views.images(block, store.device))[0])
            if number % 10 == 0 or number == len(own) - 1:
                yield Event("features", min((number + 1) * self.processes.count, len(blocks)), len(blocks))
        self.processes.sum(torch.zeros(1, device=store.device))  # wait for the others' shares

    def batch(self, step: int) -> TrainingBatch:
        config, indices = self.views.config, self.sampler.indices(step)
        draw = generator(config.seed, "view", step)
        chosen = torch.randint(config.views_per_patch, (len(indices),), generator=draw).tolist()
        rows = self.processes.part(len(indices))
        views = list(zip(chosen, indices, strict=True))[rows.start : max(rows.stop, rows.start + 1)]
        features = self.store.stack([self._features(*view) for view in views])
        labels, device = self.labels, self.store.device
        own = labels[[patch for _, patch in views]].to(device)
        batch = TrainingBatch(None, own, features=features)
        if config.augmentation.mosaic:
            pasted, partners = self.views.strips(views)
            batch = mosaic_batch(None, own, pasted.to(device), labels[partners].to(device), features)
        return batch.part(slice(rows.stop - rows.start))  # the last step may leave a process without any

    def _features(self, view: int, patch: int) -> Features:
        block, row = self.views.home(view, patch)
        keys = self.views.keys(block)
        found = self.store.get(keys[row])
        if found is not None:
            return found
        return self.store.put(keys, self.views.images(block, self.store.device))[row]

    def _check_room(self, view: Features) -> None:
        values = sum(level.numel() for level in (*view.student, *view.teacher))
        wanted = 2.2 * values * sum(len(members) for _, members in self.views.blocks)
        if wanted > self.store.cache.limit:
            raise ConfigurationError(
                f"expected room for the features of {self.views.config.views_per_patch} views of "
                f"{len(self.labels)} patches, about {wanted / 1e9:.1f} GB, got cache_gb "
                f"{self.store.cache.limit / 1e9:.1f}; raise it, lower views_per_patch, or leave "
                "feature_cache out"
            )


def centre_levels(store: FeatureStore, views: CentreViews) -> Callable[[Sequence[int]], tuple[Tensor, ...]]:
    """The student's levels of patches without augmentation, by their indices."""

    def levels(indices: Sequence[int]) -> tuple[Tensor, ...]:
        keys = views.keys(indices)
        rows = [store.get(key, with_teacher=False) for key in keys]
        if any(row is None for row in rows):
            rows = list(store.put(keys, views.images(indices, store.device), with_teacher=False))
        return store.stack([row for row in rows if row is not None]).student

    return levels
