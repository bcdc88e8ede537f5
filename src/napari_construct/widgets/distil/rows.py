"""The rows of the form of a distillation: key, label and tooltip of every setting but the channels."""

from __future__ import annotations

from typing import Final

from napari_construct.crossmodal.config import NO_KD, TERMS
from napari_construct.widgets.fields.rows import Group, Row

STUDENTS: Final = {
    "swin_tiny": "Swin-Tiny (27 M)",
    "resnet18": "ResNet18 (11 M)",
    "efficientnet_b0": "EfficientNet-B0 (5.3 M)",
    "mobilenet_v3": "MobileNetV3 (1.5 M)",
    "lite0": "EfficientNet-Lite0 (bundled)",
}
"""With the parameters that the paper counts."""

_TERMS: Final = {
    TERMS: "all three",
    ("probability", "boundary"): "teacher alone",
    ("probability", "truth"): "without boundary",
    ("boundary", "truth"): "without probability",
    ("probability",): "probability alone",
    ("boundary",): "boundary alone",
    NO_KD: "without teacher (baseline)",
}
_OBJECTIVE: Final = Group("Objective", "Terms of the loss and how they are weighed", (
    Row("learned_weights", "Learn the weights of terms", "Weigh terms by their learned uncertainty (Kendall "
        "et al. 2018). Without it they are added up"),
    Row("band_um", "Band", "Width of the band around the teacher's contours that the boundary term looks at",
        unit="µm", step=0.5),
    Row("band_px", "Band, size unknown", "Width of the band for images of unknown pixel size", unit="px",
        step=0.5),
    Row("truth_images", "Drawn images", "Use the drawn cells of this many images only, chosen by the seed",
        none="all"),
))  # fmt: skip
_INPUT: Final = Group("Network input", "Resolution and brightness", (
    Row("mpp", "Student's pixel size", "Micrometres per pixel at which the student works. Images of another "
        "size are resampled", unit="µm", none="as the images", decimals=4),
    Row("low", "Black percentile", "Percentile of a channel that becomes 0"),
    Row("high", "White percentile", "Percentile of a channel that becomes 1"),
))  # fmt: skip
_OPTIMISATION: Final = Group("Optimisation", "Batch, learning rate and weight averaging", (
    Row("batch_size", "Batch size", "Views per step. A smaller batch needs less memory"),
    Row("learning_rate", "Learning rate", "Learning rate of the optimiser (AdamW)", step=1e-4, decimals=6),
    Row("weight_decay", "Weight decay", "Weight decay of the optimiser", step=1e-3, decimals=5),
    Row("schedule", "Schedule", "Learning rate after the warm-up",
        choices={"cosine": "Cosine", "polynomial": "Polynomial", "constant": "Constant"}),
    Row("warm_up", "Warm-up", "Fraction of the steps (0 to 1) over which the learning rate rises"),
    Row("clip_norm", "Clip gradient", "Largest norm of the gradient", none="never"),
    Row("average_from", "Average after", "Fraction of the steps (0 to 1) after which weights are averaged. "
        "The average is saved", none="never"),
))  # fmt: skip
_AUGMENTATION: Final = Group("Augmentation", "Random changes of the student's views", (
    Row("augmentation.flip", "Mirror", "Mirror views"),
    Row("augmentation.rotation", "Turn", "Turn views by any angle"),
    Row("augmentation.scale", "Size", "Largest relative change of size"),
    Row("augmentation.gain", "Contrast", "Largest relative change of contrast"),
    Row("augmentation.offset", "Brightness", "Largest change of brightness (0 to 1)"),
    Row("augmentation.gamma", "Gamma", "Largest relative change of the exponent of brightness"),
    Row("augmentation.blur", "Blur", "Largest standard deviation of a blur", unit="px"),
    Row("augmentation.noise", "Noise", "Largest standard deviation of added noise (0 to 1)"),
))  # fmt: skip
_COMPUTING: Final = Group("Validation and memory", "Interval of scores, memory", (
    Row("validations", "Validations", "How often the student is scored on held-out images"),
    Row("memory_limit_mb", "Memory", "Memory for prepared images", unit="MB", step=500),
))  # fmt: skip

ROWS: Final[tuple[Row | Group, ...]] = (
    Row("student", "Student", "Encoder of the student's U-Net, with the millions of parameters that the "
        "paper counts", choices=STUDENTS),
    Row("steps", "Training steps", "Optimiser steps", step=100),
    Row("patch", "Patch", "Side of the views that a step sees, a multiple of 32", unit="px", step=32),
    Row("terms", "Learns from", "Terms of the loss: the teacher's probabilities, its boundaries, and drawn "
        "cells where there are any. The baseline learns from drawn cells alone", choices=_TERMS),
    Row("pretrained", "Start from ImageNet weights", "Start the encoder from weights of ImageNet, where they "
        "are on this computer. Otherwise from random weights"),
    Row("seed", "Seed", "Random seed. The same seed gives the same model (on a CPU)"),
    Group("Advanced settings", "All other settings",
          (_OBJECTIVE, _INPUT, _OPTIMISATION, _AUGMENTATION, _COMPUTING), folded=True),
)  # fmt: skip
