#!/usr/bin/env bash
# Set up everything on a fresh machine and run the tests: scripts/test.sh [arguments for pytest]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$ROOT"

setup_python
setup_system
setup_package "${EXTRAS:-test-gui}"

# Two threads at most: small tests lose more to threads than they gain
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
say "tests"
exec "$PYTHON" -m pytest "$@"
