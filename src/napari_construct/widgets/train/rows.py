"""Which settings of a run have a control, what they are called and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal


@dataclass(frozen=True, slots=True)
class Row:
    """One control.

    Attributes
    ----------
    path : str
        Field of ``TrainingConfig``, with a dot before fields of its parts.
    words, tip : str
        Label; what it does.
    kind : str
        Which editor.
    given : mapping
        Its arguments.
    """

    path: str
    words: str
    tip: str
    kind: Literal["whole", "real", "choice", "switch", "text", "encoder"]
    given: Mapping[str, Any] = field(default_factory=dict)


BASIC: Final = (
    Row(
        "epochs",
        "Epochs",
        "How often every patch is seen; automatic is 20, more where patches are few",
        "whole",
        {"lowest": 0, "highest": 100_000, "none_text": "automatic"},
    ),
    Row(
        "batch_size",
        "Batch size",
        "Patches in a step; smaller takes less memory",
        "whole",
        {"lowest": 1, "highest": 4096},
    ),
    Row(
        "patch_mpp",
        "µm per pixel",
        "Micrometres per pixel of the patches; without it, images to segment must look as the patches do",
        "real",
        {"lowest": 0.0, "highest": 100.0, "step": 0.05, "decimals": 4, "none_text": "unknown"},
    ),
    Row(
        "model.encoder",
        "Encoder",
        "The network that sees the patches; type any id of the catalogue, for example timm:NAME",
        "encoder",
    ),
    Row("seed", "Seed", "Equal seeds give equal models (on a CPU)", "whole", {"lowest": 0, "highest": 2**53}),
)

_SHARE: Final = {"lowest": -0.05, "highest": 0.95, "step": 0.05, "decimals": 2, "none_text": "never"}
_WEIGHT: Final = {"lowest": 0.0, "highest": 1000.0, "step": 0.1, "decimals": 3}

ADVANCED: Final[dict[str, tuple[Row, ...]]] = {
    "What the network sees": (
        Row("mpp", "Seen at µm/px", "Micrometres per pixel that the network shall see", "real",
            {"lowest": 0.0, "highest": 100.0, "step": 0.05, "decimals": 4, "none_text": "automatic"}),
        Row("image_size", "Input side (px)", "Side of the network's input; automatic takes the size of the "
            "patches, or what the resolution asks for", "whole",
            {"lowest": 15, "highest": 4096, "none_text": "automatic"}),
        Row("sampling", "Draw patches", "Which patches an epoch sees", "choice",
            {"choices": {"label_sets": "Sets of classes alike", "balanced": "Classes alike",
                         "uniform": "Each one once"}}),
        Row("group_pattern", "Patient in name", "Regular expression for the patient or slide in a file's "
            "name, for example (p[0-9]+)_ ; patients are then drawn alike", "text",
            {"hint": "e.g. (p[0-9]+)_"}),
    ),
    "Network": (
        Row("model.teacher", "Teacher", "Whose structure is distilled; none trains without distillation",
            "encoder", {"choices": {None: "none"}}),
        Row("model.prototypes_per_class", "Prototypes", "Prototypes of each class: as many looks as it may "
            "have", "whole", {"lowest": 1, "highest": 64}),
        Row("prototype_start", "Start from", "Where prototypes start: the prompts of the class table need "
            "an encoder with text", "choice",
            {"choices": {"auto": "Prompts, else noise", "text": "Prompts", "examples": "Training patches",
                         "noise": "Noise"}}),
    ),
    "Learning": (
        Row("learning_rate", "Learning rate", "Of the optimiser (AdamW)", "real",
            {"lowest": 1e-7, "highest": 10.0, "step": 1e-4, "decimals": 6}),
        Row("encoder_learning_rate", "Encoder", "Whether the encoder learns, too: automatic trains the "
            "bundled one and keeps all others as they are", "choice",
            {"choices": {"auto": "Automatic", None: "Stays as it is"}}),
        Row("average_from", "Average from", "Share of the steps after which weights are averaged; the "
            "average is what is kept", "real", _SHARE),
    ),
    "Weights of the losses": (
        Row("weights.classification", "Classification", "Of the image-level labels", "real", _WEIGHT),
        Row("weights.presence", "Presence", "That every class of a mixed patch is somewhere in it", "real",
            _WEIGHT),
        Row("weights.distillation", "Distillation", "Of the teacher's relations; 0 needs no teacher", "real",
            _WEIGHT),
        Row("weights.contrast", "Contrast", "Of foreground and background against the prototypes", "real",
            _WEIGHT),
        Row("weights.diversity", "Diversity", "Against prototypes of one class that are alike", "real",
            _WEIGHT),
    ),
    "Pseudo labels": (
        Row("pseudo_labels_from", "Name cells from", "Share of the steps after which the model names "
            "the cells of mixed patches that it is sure of, and learns from these, too", "real",
            {"lowest": 0.0, "highest": 0.95, "step": 0.05, "decimals": 2, "none_text": "never"}),
        Row("pseudo_label_rounds", "Rounds", "How often cells are named over the rest of the run", "whole",
            {"lowest": 1, "highest": 100}),
        Row("pseudo_label_confidence", "When this sure", "Least probability at which a cell is named", "real",
            {"lowest": 0.0, "highest": 1.0, "step": 0.05, "decimals": 2}),
    ),
    "Validation": (
        Row("validate_every", "Every (epochs)", "Epochs from one validation to the next; curves and previews "
            "come with it", "whole", {"lowest": 1, "highest": 100_000}),
        Row("patience", "Patience", "Validations without a better score after which training stops", "whole",
            {"lowest": 0, "highest": 100_000, "none_text": "no early stop"}),
        Row("keep", "Keep the best epoch", "Keep the epoch with the best validation score, not the last; its "
            "score is then too good to be true for other images", "switch", {"on": "best", "off": "last"}),
        Row("calibrate_on_masks", "Calibrate on masks", "At the end, fit the balance of the classes and "
            "the use of the CRF to validation images with masks", "switch"),
    ),
    "Computing": (
        Row("precision", "Precision", "Numbers that the network computes in; automatic goes by the device",
            "choice", {"choices": {"auto": "Automatic", "float32": "float32", "bfloat16": "bfloat16",
                                   "float16": "float16"}}),
        Row("accumulate", "Parts of a batch", "Encode a batch in so many parts: less memory, same result",
            "whole", {"lowest": 1, "highest": 4096}),
        Row("feature_cache", "Keep features on disk", "Compute features of a frozen encoder once; an epoch "
            "then costs little", "switch"),
        Row("views_per_patch", "Views kept", "With features on disk: views of each patch", "whole",
            {"lowest": 1, "highest": 1000}),
    ),
}  # fmt: skip
