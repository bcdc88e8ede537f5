"""Turn a PyTorch file of before version 1.6 into safetensors; runs as a script in a process of its own.

Such a file is one long pickle. ``torch.load(weights_only=True)`` runs no code in it, but takes what memory
and time the pickle asks for, so that the process has limits. Importing torch takes it a second or two; such
files are rare.

Standard input is the file, the argument is the path to write. The exit status is 0, or 2 with one line on
standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

SECONDS = 120
SPARE = 2**30
"""Bytes that the process may take beside four times those of the file."""


def main(target: str) -> int:
    """Convert standard input."""
    import torch
    from safetensors.torch import save_file

    try:
        _limit(4 * os.fstat(sys.stdin.fileno()).st_size + SPARE)
        found = torch.load(sys.stdin.buffer, map_location="cpu", weights_only=True)
        for key in ("state_dict", "model"):
            if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
                found = found[key]
        save_file({str(name): _own(value) for name, value in found.items()}, target)
    except MemoryError:
        text = "reading it takes too much memory"
    except Exception as error:  # noqa: BLE001 - whatever a hostile pickle raises in here is damage
        text = str(error)[:400].strip().partition("\n")[0][:160] or type(error).__name__
    else:
        return 0
    sys.stdout.write(text.encode("ascii", "backslashreplace").decode())
    return 2


def _own(value: Any) -> Any:
    if value.numel() > value.untyped_storage().nbytes():  # expanded: few bytes that become many
        raise ValueError("a tensor that is larger than its bytes")
    return value.detach().contiguous().clone()


def _limit(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the reader that waits has a limit of time
        return
    limits = {resource.RLIMIT_CPU: SECONDS, resource.RLIMIT_DATA: memory, resource.RLIMIT_CORE: 0}
    for what, most in limits.items():
        try:
            resource.setrlimit(what, (most, most))
        except (ValueError, OSError):
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
