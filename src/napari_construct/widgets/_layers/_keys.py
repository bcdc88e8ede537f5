"""Names under which our layers know where they came from."""

from __future__ import annotations

from typing import Final

METADATA_KEY: Final = "napari_construct"
"""Under this key a layer's metadata tell where it came from."""
