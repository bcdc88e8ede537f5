"""The classes of BCSS-WSSS (Han et al. 2022, Medical Image Analysis 80)."""

from __future__ import annotations

from typing import Final

BCSS_CLASSES: Final = ("TUM", "STR", "LYM", "NEC")
"""Tumour, stroma, lymphocytic infiltrate, necrosis: the order of the published labels."""
