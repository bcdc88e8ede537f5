"""The rows of the form of a training run: key, label and tooltip of every setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from napari_construct.widgets.fields.rows import Group, Row

_INPUT: Final = Group("Network input", "Resolution, size and sampling of the patches", (
    Row("mpp", "Input mpp", "Resolution of the network input in µm per pixel. Automatic: the network sees "
        "whole patches", decimals=4),
    Row("image_size", "Size", "Side of the network input. Automatic: the size of the patches, or the "
        "size at that resolution", unit="px"),
    Row("sampling", "Sampling", "How often a patch is seen in an epoch. Balanced: label sets or classes are "
        "seen equally often. Uniform: each patch is seen once",
        choices={"label_sets": "Balanced label sets", "balanced": "Balanced by class",
                 "uniform": "Uniform"}),
    Row("group_pattern", "Patients", "Regular expression for the patient or slide in a file name, for "
        "example (p[0-9]+)_. Patients are then seen equally often", hint="e.g. (p[0-9]+)_"),
))  # fmt: skip
_OPTIMISATION: Final = Group("Optimisation", "Learning rate, encoder and weight averaging", (
    Row("learning_rate", "Learning rate", "Learning rate of the optimiser (AdamW)", step=1e-4, decimals=6),
    Row("encoder_learning_rate", "Train encoder", "Automatic: train the built-in encoders, freeze all others",
        choices={"auto": "Automatic", None: "No (frozen)"}),
    Row("average_from", "Average after", "Fraction of the steps (0 to 1) after which weights are averaged. "
        "The average is saved", none="never"),
))  # fmt: skip
_WEIGHTS: Final = Group("Loss weights", "Weight of each part of the loss", tuple(
    Row(f"weights.{name}", name.capitalize(), tip, step=0.1, decimals=3)
    for name, tip in {
        "classification": "Loss on the image-level labels",
        "presence": "Loss if a class of a mixed patch is nowhere in its class maps",
        "distillation": "Loss on the relations of the teacher. 0 needs no teacher",
        "contrast": "Loss of foreground and background against the prototypes",
        "diversity": "Loss on similar prototypes of one class",
    }.items()
))  # fmt: skip
_PSEUDO_LABELS: Final = Group("Pseudo labels", "Training on confident predictions of the model", (
    Row("pseudo_labels_from", "Start after", "Fraction of the steps (0 to 1) after which the model labels "
        "confident cells of mixed patches and trains on them", none="never"),
    Row("pseudo_label_rounds", "Rounds", "Number of labelling rounds in the rest of the run"),
    Row("pseudo_label_confidence", "Min. confidence", "Minimum confidence of a labelled cell"),
))  # fmt: skip
_VALIDATION: Final = Group("Validation", "Interval, early stopping and calibration", (
    Row("validate_every", "Interval", "Epochs between validations. Automatic: so many that they take about a "
        "twentieth of the time. Curves and previews follow validations",
        choices={"auto": "Automatic", 1: "1 epoch"}, typed=True),
    Row("patience", "Patience", "Training stops after this number of validations without a better score",
        none="off"),
    Row("keep", "Keep the best epoch", "Save the epoch with the best validation score, not the last epoch. "
        "On other images its score will be lower", states=("last", "best")),
    Row("first_class", "First class in masks", "Value of the first class in validation masks. Automatic: as "
        "their description, palette or values say, else 0",
        choices={"auto": "Automatic", 1: "1 (0 is unlabelled)", 0: "0 (as in published masks)"}),
    Row("calibrate_on_masks", "Calibrate on masks", "After training, fit presence thresholds, class "
        "offsets and CRF use to validation images with masks"),
))  # fmt: skip
_COMPUTING: Final = Group("Computing", "Precision, memory and cache", (
    Row("precision", "Precision", "Number format of the network. Automatic: chosen for the device",
        choices={"auto": "Automatic", "float32": "float32", "bfloat16": "bfloat16", "float16": "float16"}),
    Row("accumulate", "Batch parts", "Encode a batch in this number of parts. Less memory, same result"),
    Row("feature_cache", "Cache features on disk", "Compute the features of a frozen encoder once. Later "
        "epochs are then fast"),
    Row("views_per_patch", "Cached views", "Number of cached views of each patch"),
))  # fmt: skip


def rows(encoders: Mapping[str, str]) -> tuple[Row | Group, ...]:
    """The settings that every run needs, and below them the advanced ones.

    Parameters
    ----------
    encoders : mapping
        Ids of the catalogue and their texts.
    """
    network = Group("Network", "Teacher and prototypes", (
        Row("model.teacher", "Teacher", "Encoder for distillation. None: training without distillation",
            choices={None: "none", **encoders}, typed=True),
        Row("model.prototypes_per_class", "Prototypes", "Prototypes per class. A class with several "
            "appearances needs several prototypes"),
        Row("prototype_start", "Start from", "Initial prototypes. Prompts of the class table need an encoder "
            "with text. Automatic: prompts if possible, else noise",
            choices={"auto": "Automatic", "text": "Prompts", "examples": "Training patches",
                     "noise": "Noise"}),
    ))  # fmt: skip
    return (
        Row("epochs", "Epochs", "Number of epochs. Automatic: 20, more for few patches"),
        Row("batch_size", "Batch size", "Patches per step. A smaller batch needs less memory"),
        Row("patch_mpp", "Pixel size", "Micrometres per pixel of the patches. If it is unknown, images to "
            "segment must have the same pixel size", unit="µm", none="unknown", decimals=4),
        Row("model.encoder", "Encoder", "Network that computes features. Any id of the catalogue can be "
            "typed, for example timm:NAME", choices={"auto": "automatic", **encoders}, typed=True),
        Row("seed", "Seed", "Random seed. The same seed gives the same model (on a CPU)"),
        Group("Advanced settings", "All other settings",
              (_INPUT, network, _OPTIMISATION, _WEIGHTS, _PSEUDO_LABELS, _VALIDATION, _COMPUTING),
              folded=True),
    )  # fmt: skip
