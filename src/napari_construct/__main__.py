"""``python -m napari_construct`` is the command ``napari-construct``."""

from __future__ import annotations

from napari_construct.cli import app

if __name__ == "__main__":
    app()
