"""How a file that does not decode is reported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError

_UNSUPPORTED: Final = re.compile(
    r"not support|unsupport|not implement|unrecogni[sz]ed|no decoder", re.IGNORECASE
)
"""How decoders say that a file is whole, and that it is they who lack something."""


def damaged(path: Path, reason: object) -> InputError:
    """The error for a file that ends early or does not decode, or of which a decoder lacks a feature."""
    detail = " ".join(str(reason).split())[:200] or type(reason).__name__
    if _UNSUPPORTED.search(detail):
        return InputError(
            f"{path}: expected an image with usual features, got one that is not supported ({detail}); save "
            "it again as PNG or TIFF, RGB, 8 bits a channel"
        )
    return InputError(
        f"{path}: expected a complete image, the file is damaged or truncated ({detail}); get it again"
    )
