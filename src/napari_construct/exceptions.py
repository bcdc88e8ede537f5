"""Errors that a user can act on.

Every message says what was expected, what came, and what to do about it.
Front ends show ``str(error)`` and nothing else unless a traceback is asked for.
"""

from __future__ import annotations


class ConstructError(Exception):
    """Base of all errors raised on purpose by napari-construct."""


class InputError(ConstructError, ValueError):
    """An image, mask or array that cannot be used as it is."""


class DatasetError(ConstructError, ValueError):
    """A folder or table of labelled patches that cannot be trained or evaluated on."""


class ConfigurationError(ConstructError, ValueError):
    """Settings that contradict each other or the model."""


class EncoderError(ConstructError, RuntimeError):
    """An encoder that is unknown, absent, or not the one a checkpoint was trained with."""


class CheckpointError(ConstructError, RuntimeError):
    """A checkpoint that is missing, damaged, too new, or of another network."""
