"""What a model was loaded from: enough for another process to load the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LoadedWith:
    """Files of a model.

    Attributes
    ----------
    path : Path
        Its checkpoint.
    encoder_weights : Path or None
        Weights of the encoder that the user got; None where the catalogue knows them.
    any_encoder : bool
        Whether an encoder with another hash was accepted.
    device : str
        As it was asked for.
    """

    path: Path
    encoder_weights: Path | None = None
    any_encoder: bool = False
    device: str = "auto"
