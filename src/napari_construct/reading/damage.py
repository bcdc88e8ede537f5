"""How a file that does not decode is reported: damaged, or whole with a feature that nobody here reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from napari_construct.exceptions import InputError

_UNSUPPORTED: Final = re.compile(r"support|not implement|unrecogni[sz]ed|no decoder", re.IGNORECASE)
"""How decoders say that a file is whole, and that it is they who lack something."""


def damaged(path: Path, reason: object) -> InputError:
    """The error for a file that ends early or does not decode; :func:`unsupported` where that is why."""
    detail = _detail(reason) or type(reason).__name__
    if isinstance(reason, NotImplementedError) or _UNSUPPORTED.search(detail):
        return unsupported(path, detail)
    return InputError(
        f"{path}: expected a complete image, the file is damaged or truncated ({detail}); get it again"
    )


def unsupported(
    path: Path, reason: object, remedy: str = "save it again as PNG or TIFF, RGB, 8 bits a channel"
) -> InputError:
    """The error for a whole file with a feature that no library here reads."""
    return InputError(f"{path}: expected RGB or greyscale in a common form, got {_detail(reason)}; {remedy}")


def _detail(reason: object) -> str:
    return " ".join(str(reason).split())[:200]
