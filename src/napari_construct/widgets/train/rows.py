"""Which settings of a run have a control, what they are called and what they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from napari_construct.widgets.fields.rows import Group, Row

_SEES: Final = Group("What the network sees", "Which patches, and how large", (
    Row("mpp", "Seen at µm/px", "Micrometres per pixel that the network shall see", decimals=4),
    Row("image_size", "Input side", "Side of the network's input; automatic takes the size of the patches, "
        "or what the resolution asks for", unit="px"),
    Row("sampling", "Draw alike", "What an epoch sees equally often: sets of classes, classes, or patches, "
        "each of them once",
        choices={"label_sets": "Label sets", "balanced": "Classes", "uniform": "Patches"}),
    Row("group_pattern", "Patient in name", "Regular expression for the patient or slide in a file's name, "
        "for example (p[0-9]+)_ ; patients are then drawn alike", hint="e.g. (p[0-9]+)_"),
))  # fmt: skip
_LEARNING: Final = Group("Learning", "How fast, and what is kept", (
    Row("learning_rate", "Learning rate", "Of the optimiser (AdamW)", step=1e-4, decimals=6),
    Row("encoder_learning_rate", "Encoder", "Whether the encoder learns, too: automatic trains the bundled "
        "one and keeps all others as they are", choices={"auto": "Automatic", None: "Stays as it is"}),
    Row("average_from", "Average from", "Share of the steps after which weights are averaged; the average is "
        "what is kept", none="never"),
))  # fmt: skip
_WEIGHTS: Final = Group("Weights of the losses", "How much each part of the objective counts", tuple(
    Row(f"weights.{name}", name.capitalize(), tip, step=0.1, decimals=3)
    for name, tip in {
        "classification": "Of the image-level labels",
        "presence": "That every class of a mixed patch is somewhere in it",
        "distillation": "Of the teacher's relations; 0 needs no teacher",
        "contrast": "Of foreground and background against the prototypes",
        "diversity": "Against prototypes of one class that are alike",
    }.items()
))  # fmt: skip
_PSEUDO_LABELS: Final = Group("Pseudo labels", "What the model names itself, and learns from", (
    Row("pseudo_labels_from", "Name cells from", "Share of the steps after which the model names the cells "
        "of mixed patches that it is sure of, and learns from these, too", none="never"),
    Row("pseudo_label_rounds", "Rounds", "How often cells are named over the rest of the run"),
    Row("pseudo_label_confidence", "When this sure", "Least probability at which a cell is named"),
))  # fmt: skip
_VALIDATION: Final = Group("Validation", "How often, and what follows from it", (
    Row("validate_every", "Every", "Epochs from one validation to the next; curves and previews come with it",
        unit="epochs"),
    Row("patience", "Patience", "Validations without a better score after which training stops",
        none="off"),
    Row("keep", "Keep the best epoch", "Keep the epoch with the best validation score, not the last; its "
        "score is then too good to be true for other images", states=("last", "best")),
    Row("calibrate_on_masks", "Calibrate on masks", "At the end, fit the balance of the classes and the use "
        "of the CRF to validation images with masks"),
))  # fmt: skip
_COMPUTING: Final = Group("Computing", "Precision, memory, what is kept on disk", (
    Row("precision", "Precision", "Numbers that the network computes in; automatic goes by the device",
        choices={"auto": "Automatic", "float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}),
    Row("accumulate", "Parts of a batch", "Encode a batch in so many parts: less memory, same result"),
    Row("feature_cache", "Keep features on disk", "Compute features of a frozen encoder once; an epoch then "
        "costs little"),
    Row("views_per_patch", "Views kept", "With features on disk: views of each patch"),
))  # fmt: skip


def rows(encoders: Mapping[str, str]) -> tuple[Row | Group, ...]:
    """What every run needs, and folded below it the rest.

    Parameters
    ----------
    encoders : mapping
        Ids of the catalogue, and what is shown for them.
    """
    network = Group("Network", "What is trained", (
        Row("model.teacher", "Teacher", "Whose structure is distilled; none trains without distillation",
            choices={None: "none", **encoders}, typed=True),
        Row("model.prototypes_per_class", "Prototypes",
            "Prototypes of each class: as many looks as it may have"),
        Row("prototype_start", "Start from", "Where prototypes start: the prompts of the class table need an "
            "encoder with text; automatic takes noise without it",
            choices={"auto": "Automatic", "text": "Prompts", "examples": "Training patches",
                     "noise": "Noise"}),
    ))  # fmt: skip
    return (
        Row("epochs", "Epochs", "How often every patch is seen; automatic is 20, more where patches are few"),
        Row("batch_size", "Batch size", "Patches in a step; smaller takes less memory"),
        Row("patch_mpp", "µm per pixel", "Micrometres per pixel of the patches; without it, images to "
            "segment must look as the patches do", none="unknown", decimals=4),
        Row("model.encoder", "Encoder", "The network that sees the patches; type any id of the catalogue, "
            "for example timm:NAME", choices={"auto": "automatic", **encoders}, typed=True),
        Row("seed", "Seed", "Equal seeds give equal models (on a CPU)"),
        Group("Advanced settings", "Everything else that can be set",
              (_SEES, network, _LEARNING, _WEIGHTS, _PSEUDO_LABELS, _VALIDATION, _COMPUTING), folded=True),
    )  # fmt: skip
