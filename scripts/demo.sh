#!/usr/bin/env bash
# Set up everything on a fresh machine and segment the sample: scripts/demo.sh [arguments for napari-construct demo]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$ROOT"

setup_python
setup_system
setup_package "${EXTRAS:-all}"

say "demo"
exec "$PYTHON" -m napari_construct demo "$@"
