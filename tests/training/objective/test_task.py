"""The objective, part by part."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_construct.encoders.networks.tiny import TinyEncoder
from napari_construct.exceptions import ConfigurationError
from napari_construct.losses.relational_distillation import relational_distillation
from napari_construct.models.network.builder import build_model
from napari_construct.models.network.config import ModelConfig
from napari_construct.models.network.construct import ConstructNet
from napari_construct.models.network.pooling import pool_logits
from napari_construct.training.config.config import LossWeights, TrainingConfig
from napari_construct.training.objective.regions import encoded_regions, pooled_regions, text_encoder
from napari_construct.training.objective.task import TrainingTask
from napari_construct.training.views.batch import TrainingBatch, parts_of

MODEL = ModelConfig(encoder="tiny", prototype_width=16, projection_hidden=16, fusion_width=16)


class TinyTextEncoder(TinyEncoder):
    """Adds an image embedding (mean colour through a fixed matrix) and one for texts (their bytes)."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = type(self.spec)(
            **{n: getattr(self.spec, n) for n in self.spec.__dataclass_fields__} | {"embedding_width": 16}
        )

    def embed_images(self, images: Tensor) -> Tensor:
        matrix = torch.randn(3, 16, generator=torch.Generator().manual_seed(2))
        return F.normalize(images.mean((2, 3)) @ matrix.to(images), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        rows = [torch.randn(16, generator=torch.Generator().manual_seed(len(t))) for t in texts]
        return F.normalize(torch.stack(rows), dim=-1)


def make(
    encoder: TinyEncoder | None = None, teacher: TinyEncoder | None = None, **changes: object
) -> TrainingTask:
    config = TrainingConfig(
        model=MODEL, memory_bank=8, weights=LossWeights.published(), label_target="parts"
    ).changed(**changes)
    model = build_model(config.model, encoder or TinyEncoder(), 2)
    return TrainingTask(model, teacher, config)


@pytest.fixture
def batch() -> TrainingBatch:
    generator = torch.Generator().manual_seed(1)
    return TrainingBatch(
        torch.rand(3, 3, 64, 64, generator=generator), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    )


def test_total_is_the_weighted_sum(batch: TrainingBatch) -> None:
    weights = {"classification": 2.0, "distillation": 3.0, "contrast": 0.5}
    parts = make(teacher=TinyEncoder(seed=3), weights=weights)(batch)
    assert set(parts) == {"loss", *weights}
    torch.testing.assert_close(parts["loss"], sum(w * parts[name] for name, w in weights.items()))
    assert all(value.item() > 0 for value in parts.values())


def test_parts_are_what_the_losses_say(batch: TrainingBatch) -> None:
    teacher = TinyEncoder(seed=3)
    task = make(teacher=teacher, model=MODEL.model_copy(update={"guidance_levels": (1, 3)}).model_dump())
    parts, output = task(batch), task.output(batch)
    expected = [relational_distillation(output.refined[i], teacher(batch.images)[i]) for i in (1, 3)]
    torch.testing.assert_close(parts["distillation"], torch.stack(expected).mean())
    torch.testing.assert_close(
        parts["classification"], F.binary_cross_entropy_with_logits(output.class_logits, batch.labels)
    )


def test_weight_zero_and_missing_teacher_leave_parts_out(batch: TrainingBatch) -> None:
    assert set(make(weights=LossWeights(contrast=0).model_dump())(batch)) == {"loss", "classification"}
    with pytest.raises(ConfigurationError, match="positive weight"):
        make(weights={"classification": 0.0, "distillation": 1.0, "contrast": 0.0})


def test_cells_are_told_what_partial_labels_say(batch: TrainingBatch) -> None:
    task = make(label_target="cells", class_balance=False, weights={"presence": 0.1, "contrast": 0.0})
    parts, cam = task(batch), task.output(batch).cam
    pure = cam[:2].movedim(1, -1).flatten(1, 2)
    truth = torch.tensor([0, 1])[:, None].expand(pure.shape[:2])
    told = F.cross_entropy(pure.flatten(0, 1), truth.flatten())
    somewhere = F.softplus(-pool_logits(cam[2:], "strongest")).mean()
    torch.testing.assert_close(parts["classification"], told + 0.1 * somewhere)


def test_norms_of_a_trained_encoder_follow_their_batches() -> None:
    trained, parted, frozen = (
        make(encoder_learning_rate=rate, accumulate=n) for rate, n in ((1e-3, 1), (1e-3, 2), (None, 1))
    )
    kept = make(encoder_learning_rate=1e-3, norm_statistics="frozen")
    modes = [task.train().model.encoder.training for task in (trained, parted, frozen, kept)]
    assert modes == [True, False, False, False]
    assert not trained.eval().model.encoder.training


def test_unknown_guidance_level() -> None:
    with pytest.raises(ConfigurationError, match="0 to 3"):
        make(teacher=TinyEncoder(), model=MODEL.model_copy(update={"guidance_levels": (4,)}).model_dump())


def test_pooled_regions_by_hand(batch: TrainingBatch) -> None:
    output = make().output(batch)
    regions = pooled_regions(output, parts_of(batch, (8, 8)))
    assert regions.classes.tolist() == [0, 1, 0, 1]
    mask = output.cam[1, 1].sigmoid()
    pixels = F.normalize(output.embedding[1], dim=0)
    torch.testing.assert_close(regions.foreground[1], (pixels * mask).sum((1, 2)) / mask.sum())
    torch.testing.assert_close(regions.background[1], (pixels * (1 - mask)).sum((1, 2)) / (1 - mask).sum())


def test_both_forms_of_the_contrast_move_the_cam(batch: TrainingBatch) -> None:
    def touched(task: TrainingTask) -> set[str]:
        task(batch)["contrast"].backward()
        names = {n for n, p in task.model.named_parameters() if p.grad is not None and bool(p.grad.any())}
        return {name.split(".")[1] for name in names}

    assert touched(make()) >= {"prototypes", "adaptive_layers", "fusion", "logit_scale", "class_bias"}
    for pairs in ("labels", "background"):
        regions = make(TinyTextEncoder(), contrast_form="regions", contrast_pairs=pairs)
        assert touched(regions) >= {"prototypes", "adaptive_layers", "fusion", "logit_scale", "class_bias"}


def test_published_contrast_moves_prototypes_only(batch: TrainingBatch) -> None:
    model = ModelConfig.of_preset("published", encoder="tiny", prototype_width=16, projection_hidden=16)
    forms = {"contrast_form": "regions", "contrast_pairs": "background"}
    task = make(TinyTextEncoder(), model=model.model_dump(), **forms)
    task(batch)["contrast"].backward()
    names = {n for n, p in task.model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert names == {"head.prototypes.vectors"}


def test_regions_need_an_encoder_with_embeddings() -> None:
    with pytest.raises(ConfigurationError, match=r"tiny.*regions"):
        make(contrast_form="regions")
    with pytest.raises(ConfigurationError, match="prototype_width"):
        make(
            TinyTextEncoder(),
            contrast_form="regions",
            model=MODEL.model_copy(update={"prototype_width": 8}).model_dump(),
        )
    with pytest.raises(ConfigurationError, match="got object"):
        text_encoder(object())


def test_encoded_regions_see_foreground_and_background(batch: TrainingBatch) -> None:
    encoder = TinyTextEncoder()
    output = make(encoder).output(batch)
    assert batch.images is not None
    regions = encoded_regions(output, batch.images, parts_of(batch, (8, 8)), encoder)
    assert regions.foreground.shape == (4, 16)
    torch.testing.assert_close(regions.foreground.norm(dim=1), torch.ones(4))
    assert not torch.allclose(regions.foreground, regions.background)
    assert regions.prototypes.requires_grad
    assert regions.foreground.requires_grad, "through the masks"


def test_bank_fills_while_training_only(batch: TrainingBatch) -> None:
    task = make()
    assert task.contrast is not None
    task.eval()(batch)
    assert len(task.contrast.bank) == 0
    task.train()(batch)
    assert len(task.contrast.bank) == 4


def test_a_batch_without_any_class_has_no_contrast(batch: TrainingBatch) -> None:
    parts = make()(TrainingBatch(batch.images, torch.zeros(3, 2)))
    assert parts["contrast"].item() == 0
    parts["loss"].backward()


def test_modes_and_frozen_parts() -> None:
    teacher = TinyEncoder(seed=3)
    task = make(teacher=teacher).train()
    assert (task.model.head.training, task.model.encoder.training, teacher.training) == (True, False, False)
    assert not any(p.requires_grad for p in [*teacher.parameters(), *task.model.encoder.parameters()])


def test_encoder_learns_only_when_told(batch: TrainingBatch) -> None:
    def gradients(model: ConstructNet) -> int:
        return sum(p.grad is not None for p in model.encoder.parameters())

    frozen, trained = make(), make(encoder_learning_rate=1e-4)
    trained.model.encoder.requires_grad_(True)
    for task in (frozen, trained):
        task(batch)["loss"].backward()
    assert gradients(frozen.model) == 0
    assert gradients(trained.model) > 0
