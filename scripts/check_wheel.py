"""Check what is in a built wheel: every tracked file of the package, and nothing too large.

Usage: python scripts/check_wheel.py dist/napari_construct-*.whl
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 20_000_000
NEEDED = ("napari_construct/napari.yaml", "napari_construct/py.typed", "napari_construct/__init__.pyi")
LICENCES = ("LICENSE", "NOTICE.txt", "LICENSE-Apache-2.0.txt")
"""Names below ``*.dist-info/licenses``; the last two also lie beside the weights they speak of."""
MODEL_SUFFIXES = (".construct", ".safetensors")


def main() -> int:
    wheel = Path(sys.argv[1])
    with zipfile.ZipFile(wheel) as archive:
        inside = {info.filename: info.file_size for info in archive.infolist()}
        entry_points = next((n for n in inside if n.endswith("entry_points.txt")), None)
        declared = archive.read(entry_points).decode() if entry_points else ""
    listed = subprocess.run(
        ["git", "ls-files", "src/napari_construct"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = [line.removeprefix("src/") for line in listed.stdout.splitlines()]
    models = [name for name in inside if name.endswith(MODEL_SUFFIXES)]
    problems = [f"{name} is missing" for name in (*NEEDED, *tracked) if name not in inside]
    problems += [] if models else [f"no model inside (a file ending in {' or '.join(MODEL_SUFFIXES)})"]
    problems += [
        f"{key} is not declared" for key in ("napari.manifest", "napari-construct") if key not in declared
    ]
    declared_licences = {Path(name).name for name in inside if ".dist-info/licenses/" in name}
    problems += [f"{name} is not among its licences" for name in LICENCES if name not in declared_licences]
    size = wheel.stat().st_size
    if size > MAX_BYTES:
        problems.append(f"{size:,} bytes are over the bound of {MAX_BYTES:,}")
    for problem in problems:
        print(f"{wheel.name}: {problem}")
    if not problems:
        print(f"{wheel.name}: {len(inside)} files, {size:,} bytes; models: {', '.join(models)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
