"""Which model is taken where none is named; apart from the rest, so that ``--help`` loads nothing."""

from __future__ import annotations

from typing import Final

DEFAULT_MODEL: Final = "lymph-node"
"""Name of a bundled model."""
