"""Which classes a slide holds, and whether the model knows such tissue, from the maps on disk."""

from __future__ import annotations

import numpy as np

from napari_construct.inference.decision.decider import named_classes
from napari_construct.inference.decision.out_of_distribution import judge_distances
from napari_construct.inference.decision.presence import presence_by, window_scores
from napari_construct.inference.settings import SegmentSettings
from napari_construct.inference.slides.network import NetworkPass
from napari_construct.inference.slides.store import NetworkStore
from napari_construct.results.out_of_distribution import OutOfDistribution
from napari_construct.types import BoolMask


def slide_presence(
    seen: NetworkPass, store: NetworkStore, tissue: BoolMask, settings: SegmentSettings
) -> tuple[tuple[bool, ...], tuple[float, ...]]:
    """Presence of every class, and its image-level probability; as of an image, over all windows.

    ``tissue`` (rows, columns) bool is where cells hold tissue.
    """
    predictor = seen.predictor
    scores = window_scores(predictor, store.map("logits"), tissue, seen.stride)
    chosen = named_classes(settings.classes, predictor.classes)
    return chosen or presence_by(settings, predictor, scores, any_tissue=bool(tissue.any())), scores


def slide_out_of_distribution(
    seen: NetworkPass, store: NetworkStore, tissue: BoolMask
) -> OutOfDistribution | None:
    """Score of a slide; None of models without a guard."""
    guard = seen.predictor.checkpoint.guard
    if guard is None or "distances" not in store.shapes:
        return None
    distances = np.asarray(store.map("distances")[0])
    step = seen.coarse // seen.stride
    centres = tissue[step // 2 :: step, step // 2 :: step]
    padded = np.zeros(distances.shape, dtype=np.bool_)
    padded[: centres.shape[0], : centres.shape[1]] = centres
    return judge_distances(distances, padded, seen.predictor.patch / seen.coarse, guard)
