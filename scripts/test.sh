#!/usr/bin/env bash
# Set up everything on a fresh machine and run the tests: scripts/test.sh [arguments for pytest]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$ROOT"

setup_python
setup_system
setup_package "${EXTRAS:-test-gui}"

# As many processes as processors, four at most for the sake of memory; then more threads only stand in the way
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
say "tests"
exec "$PYTHON" -m pytest -n logical --maxprocesses 4 "$@"
