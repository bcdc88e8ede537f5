"""Segment Anything as a teacher, through the library of its authors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from napari_construct.crossmodal.protocol import TeacherOutput, TeacherSpec, TeacherView
from napari_construct.crossmodal.teachers.entries import TeacherEntry
from napari_construct.crossmodal.teachers.nuclei_points import nuclei_points
from napari_construct.crossmodal.teachers.scored_masks import ScoredMask, cut_out, merged
from napari_construct.crossmodal.teachers.views import needed_channel, rgb_of
from napari_construct.crossmodal.teachers.weights import check_library, find_weights, identity_of
from napari_construct.encoders.networks.seeded import seeded
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import CheckpointError, EncoderError
from napari_construct.inference.activation.devices import enough_memory, resolve_device
from napari_construct.settings import Settings

ASSUMED_MPP: Final = 0.5
"""Micrometres per pixel of images that do not say it: the 20x of most tissue data."""

LARGEST_BATCH: Final = 2**28
"""Bytes that the masks of one batch of points may take: three for each point, in float32, at full size."""

_OFFSET: Final = 1.0
"""Logits by which the cut is moved for the stability score; the library's default."""

_Share = Annotated[float, Field(gt=0, le=1)]


class SamSettings(Settings):
    """How masks are asked for and merged.

    Parameters
    ----------
    prompts : {"nuclei", "grid"}
        Points in the nuclei of the nuclear channel, or a grid over the image.
    points_per_side : int
        Of the grid.
    points_per_batch : int
        Points at once; fewer where the image is large.
    nucleus_diameter : float
        In micrometres.
    predicted_iou, stability : float
        Masks of which the network is less sure are dropped. The library's own defaults, 0.88 and 0.95, were
        chosen for photographs.
    overlap : float
        Share of the smaller of two masks above which the worse one is dropped.
    smallest : int
        Pixels of a cell.
    largest : float
        Share of the image that one cell may take.
    """

    prompts: Literal["nuclei", "grid"] = "nuclei"
    points_per_side: Annotated[int, Field(ge=1, le=256)] = 32
    points_per_batch: Annotated[int, Field(ge=1, le=1024)] = 64
    nucleus_diameter: Annotated[float, Field(gt=0, le=1000)] = 8.0
    predicted_iou: Annotated[float, Field(ge=0, le=1)] = 0.7
    stability: Annotated[float, Field(ge=0, le=1)] = 0.8
    overlap: _Share = 0.5
    smallest: Annotated[int, Field(ge=1)] = 20
    largest: _Share = 0.2


def load_sam(entry: TeacherEntry, weights: Path | None, device: str, settings: SamSettings) -> SamTeacher:
    """Load a Segment Anything model.

    Parameters
    ----------
    entry : TeacherEntry
        Of the catalogue; ``model`` names the network.
    weights : Path or None
        Its file, as the authors publish it or trained further; code that it may hold is not run.
    device : str
        "auto", or a device of torch.
    settings : SamSettings
        How it is asked.

    Raises
    ------
    ConfigurationError
        If the library is not installed, or the device is not there.
    CheckpointError
        If the weights are absent, damaged or of another network.
    """
    chosen = resolve_device(device)
    path = find_weights(entry, weights)
    check_library(entry)
    from segment_anything import sam_model_registry

    try:
        state = read_state(path)
        with seeded(0):  # random weights are drawn and replaced
            sam = sam_model_registry[entry.model]()
        check_names(path, state, sam.state_dict(), entry.title)
    except EncoderError as error:
        raise CheckpointError(str(error)) from error
    sam.load_state_dict(state)
    identity = identity_of(entry, path, settings, "segment-anything")
    return SamTeacher(entry.spec, sam, identity, settings, chosen)


class SamTeacher:
    """Asks a Segment Anything model for a mask at each point, and merges the masks.

    Parameters
    ----------
    spec : TeacherSpec
        Of the catalogue.
    sam : segment_anything.modeling.Sam
        The network; frozen here.
    identity : str
        SHA-256 over weights and settings.
    settings : SamSettings
        How it is asked.
    device : torch.device
        Where it runs.
    """

    def __init__(
        self, spec: TeacherSpec, sam: Any, identity: str, settings: SamSettings, device: torch.device
    ) -> None:
        self.spec, self.identity, self.settings = spec, identity, settings
        if device.type == "mps" and settings.prompts == "grid":
            device = torch.device("cpu")  # the library's grid is float64, which these cards lack
        self.device = device
        self._sam = sam.requires_grad_(False).eval().to(device)

    def predict(self, view: TeacherView) -> TeacherOutput:
        """Foreground, boundary and cells.

        Raises
        ------
        InputError
            If the image lacks the channels, or the nuclear one where points are to lie in nuclei.
        ConstructError
            If the device runs out of memory.
        """
        settings, shape = self.settings, (view.channels.shape[1], view.channels.shape[2])
        image = rgb_of(view, self.spec.title)
        batch = max(1, min(settings.points_per_batch, LARGEST_BATCH // (12 * shape[0] * shape[1])))
        size = f"on {shape[0]} x {shape[1]} pixels"
        with enough_memory(self.device, size, "a smaller points_per_batch, smaller images, or the cpu"):
            if settings.prompts == "grid":
                found = list(self._of_grid(image, batch))
            else:
                nuclear = needed_channel(view, "nuclear", f'{self.spec.title} with prompts "nuclei"')
                pixels = settings.nucleus_diameter / (view.mpp or ASSUMED_MPP)
                found = list(self._of_points(image, nuclei_points(nuclear, pixels), batch))
        return merged(
            found, shape, overlap=settings.overlap, smallest=settings.smallest, largest=settings.largest
        )

    def _of_grid(self, image: NDArray[np.uint8], batch: int) -> Iterator[ScoredMask]:
        from segment_anything import SamAutomaticMaskGenerator
        from segment_anything.utils.amg import rle_to_mask

        generator = SamAutomaticMaskGenerator(
            self._sam,
            points_per_side=self.settings.points_per_side,
            points_per_batch=batch,
            pred_iou_thresh=self.settings.predicted_iou,
            stability_score_thresh=self.settings.stability,
            stability_score_offset=_OFFSET,
            output_mode="uncompressed_rle",  # masks of the whole image would take gigabytes
        )
        for record in generator.generate(image):
            score = record["predicted_iou"] * record["stability_score"]
            mask = cut_out(rle_to_mask(record["segmentation"]), score)
            if mask is not None:
                yield mask

    def _of_points(
        self, image: NDArray[np.uint8], points: NDArray[np.int64], batch: int
    ) -> Iterator[ScoredMask]:
        """For each point, given as row and column, the mask with the highest predicted IoU."""
        from segment_anything import SamPredictor
        from segment_anything.utils.amg import calculate_stability_score

        if not len(points):
            return
        predictor, settings = SamPredictor(self._sam), self.settings
        predictor.set_image(image)
        places = predictor.transform.apply_coords(points[:, ::-1] + 0.5, image.shape[:2])
        for start in range(0, len(places), batch):
            here = torch.as_tensor(places[start : start + batch, None], dtype=torch.float32)
            ones = torch.ones(len(here), 1, dtype=torch.int64, device=self.device)
            logits, predicted, _ = predictor.predict_torch(here.to(self.device), ones, return_logits=True)
            best = predicted.argmax(dim=1)
            rows = torch.arange(len(best), device=self.device)
            chosen, ious = logits[rows, best], predicted[rows, best]
            stable = calculate_stability_score(chosen, self._sam.mask_threshold, _OFFSET)
            # NaN, of a mask that is empty at any cut, passes no comparison
            kept = (ious >= settings.predicted_iou) & (stable >= settings.stability)
            yield from _cut(chosen[kept] > self._sam.mask_threshold, (ious * stable)[kept])


def _cut(masks: Tensor, scores: Tensor) -> Iterator[ScoredMask]:
    for mask, score in zip(masks.cpu().numpy(), scores.tolist(), strict=True):
        found = cut_out(mask, score)
        if found is not None:
            yield found
