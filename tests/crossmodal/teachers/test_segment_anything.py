"""Segment Anything: the library's own classes, small, with generated weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_construct.crossmodal.protocol import Teacher, TeacherView
from napari_construct.crossmodal.teachers import segment_anything as adapter
from napari_construct.crossmodal.teachers.catalogue import load_teacher
from napari_construct.crossmodal.teachers.nuclei_points import nuclei_points
from napari_construct.exceptions import CheckpointError, InputError

EVERYTHING = {"predicted_iou": 0.0, "stability": 0.0, "overlap": 1.0, "smallest": 1, "largest": 1.0}


@pytest.fixture
def weights(small_sam: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as the authors publish it, of a small network that the registry now gives for ViT-B."""
    from segment_anything import sam_model_registry

    monkeypatch.setitem(sam_model_registry, "vit_b", lambda checkpoint=None: small_sam(seed=1))
    torch.save(small_sam().state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    return tmp_path / "sam_vit_b_01ec64.pth"


def rgb(view: TeacherView) -> Any:
    nuclear, membrane = np.rint(255 * view.channels).astype(np.uint8)
    return np.stack([np.zeros_like(nuclear), membrane, nuclear], axis=-1)


def test_at_each_nucleus_the_mask_of_the_highest_predicted_iou_is_taken(
    weights: Path, small_sam: Callable[[], Any], view: TeacherView
) -> None:
    from segment_anything import SamPredictor
    from segment_anything.utils.amg import calculate_stability_score

    teacher = load_teacher("sam_vit_b", weights, "cpu", nucleus_diameter=4.0, **EVERYTHING)
    assert isinstance(teacher, Teacher)
    found = teacher.predict(view)

    predictor = SamPredictor(small_sam())
    predictor.set_image(rgb(view))
    wanted = np.zeros((48, 64), np.float32)
    points = nuclei_points(view.channels[0], 8.0)
    assert len(points) == 6
    for row, column in points:
        masks, ious, _ = predictor.predict(
            np.array([[column + 0.5, row + 0.5]]), np.array([1]), return_logits=True
        )
        best = masks[ious.argmax()]
        score = ious.max() * float(calculate_stability_score(torch.as_tensor(best[None]), 0.0, 1.0)[0])
        wanted = np.maximum(wanted, np.where(best > 0, np.float32(min(score, 1)), 0))
    assert wanted.max() > 0.3
    np.testing.assert_allclose(found.foreground, wanted, atol=1e-5)
    assert found.instances is not None
    assert found.boundary is not None
    np.testing.assert_array_equal(found.instances > 0, found.foreground > 0)
    assert (found.boundary <= (found.instances > 0)).all()


def test_a_grid_gives_what_the_librarys_generator_gives(
    weights: Path, small_sam: Callable[[], Any], view: TeacherView
) -> None:
    from segment_anything import SamAutomaticMaskGenerator

    teacher = load_teacher("sam_vit_b", weights, "cpu", prompts="grid", points_per_side=4, **EVERYTHING)
    found = teacher.predict(view)
    generator = SamAutomaticMaskGenerator(
        small_sam(), points_per_side=4, pred_iou_thresh=0.0, stability_score_thresh=0.0
    )
    wanted = np.zeros((48, 64), np.float32)
    for record in generator.generate(rgb(view)):
        score = np.float32(min(record["predicted_iou"] * record["stability_score"], 1))
        wanted = np.maximum(wanted, np.where(record["segmentation"], score, 0))
    assert wanted.max() > 0.3
    np.testing.assert_allclose(found.foreground, wanted, atol=1e-5)


def test_batches_change_nothing_and_settings_change_the_identity(
    weights: Path, view: TeacherView, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_teacher("sam_vit_b", weights, "cpu", **EVERYTHING)
    single = load_teacher("sam_vit_b", weights, "cpu", points_per_batch=1, **EVERYTHING)
    wanted = whole.predict(view).foreground
    np.testing.assert_allclose(single.predict(view).foreground, wanted, atol=1e-5)
    monkeypatch.setattr(adapter, "LARGEST_BATCH", 1)
    np.testing.assert_allclose(whole.predict(view).foreground, wanted, atol=1e-5)
    assert whole.identity != single.identity
    assert whole.identity == load_teacher("sam_vit_b", weights, "cpu", **EVERYTHING).identity


def test_masks_of_which_the_network_is_not_sure_are_dropped(weights: Path, view: TeacherView) -> None:
    unsure = load_teacher("sam_vit_b", weights, "cpu", **{**EVERYTHING, "predicted_iou": 1.0})
    found = unsure.predict(view)
    assert found.foreground.sum() == 0
    assert found.instances is not None
    assert found.instances.max() == 0


def test_loading_leaves_the_random_numbers_of_the_program_alone(weights: Path) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    load_teacher("sam_vit_b", weights, "cpu")
    assert torch.equal(torch.rand(3), wanted)


def test_images_without_the_channels_are_refused(weights: Path, view: TeacherView) -> None:
    teacher = load_teacher("sam_vit_b", weights, "cpu")
    other = replace(view, roles=("cd3", "cd8"))
    with pytest.raises(InputError, match="a: expected a channel of the role membrane or nuclear"):
        teacher.predict(other)
    alone = replace(view, channels=view.channels[1:], roles=("membrane",))
    with pytest.raises(InputError, match="a: expected a nuclear channel"):
        teacher.predict(alone)
    flat = replace(view, channels=np.zeros_like(view.channels))
    assert teacher.predict(flat).foreground.sum() == 0


def test_weights_of_another_network_are_refused(weights: Path, small_sam: Callable[[], Any]) -> None:
    state = small_sam().state_dict()
    state.pop("image_encoder.pos_embed")
    torch.save(state, weights)
    with pytest.raises(CheckpointError, match=r"without image_encoder\.pos_embed"):
        load_teacher("sam_vit_b", weights, "cpu")
    weights.write_bytes(weights.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match="sam_vit_b_01ec64"):
        load_teacher("sam_vit_b", weights, "cpu")


class _Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_of_weights_is_not_run(weights: Path, tmp_path: Path) -> None:
    torch.save({"a": _Hostile(tmp_path / "run")}, weights)
    with pytest.raises(CheckpointError):
        load_teacher("sam_vit_b", weights, "cpu")
    assert not (tmp_path / "run").exists()
