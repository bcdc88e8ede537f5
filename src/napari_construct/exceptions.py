"""Errors that a user can act on.

Every message says what was expected, what was found, and what to do. Front ends show ``str(error)``; a
traceback only on request.
"""

from __future__ import annotations


class ConstructError(Exception):
    """Base of all errors of napari-construct."""


class InputError(ConstructError, ValueError):
    """An image, mask or array that cannot be used."""


class DatasetError(ConstructError, ValueError):
    """A folder or table of labelled patches that training or evaluation cannot use."""


class ConfigurationError(ConstructError, ValueError):
    """Settings that contradict each other or the model."""


class EncoderError(ConstructError, RuntimeError):
    """An encoder that is unknown, absent, or not the one a checkpoint was trained with."""


class CheckpointError(ConstructError, RuntimeError):
    """A checkpoint that is missing, damaged, too new, or of another network."""


class WorkersLostError(ConstructError, RuntimeError):
    """A part at which one process after another was lost."""
