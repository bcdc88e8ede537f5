#!/usr/bin/env bash
# What needs a graphics card: its tests, then the benchmark.
#   scripts/gpu_check.sh FOLDER [SECONDS FOR THE TESTS] [SECONDS FOR THE BENCHMARK] [arguments for pytest]
#
# Takes the python3 on the path with what it has installed: neither napari nor Qt is needed. Writes tests.txt,
# gpu.txt, gpu.md and gpu.json into FOLDER. Where there is no card, the tests are skipped and say so.
# PROCESSES says how many processes run the tests (with pytest-xdist); 1 by default.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
OUTPUT="$1" FOR_TESTS="${2:-240}" FOR_BENCHMARK="${3:-220}"
shift "$(($# < 3 ? $# : 3))"
mkdir -p "$OUTPUT"
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
PYTHON="${PYTHON:-python3}"
PROCESSES="${PROCESSES:-1}" PARALLEL=()
THREADS="$(($(nproc) / PROCESSES))"
[ "$PROCESSES" -gt 1 ] && PARALLEL=(-n "$PROCESSES" --dist worksteal)

mapfile -t FILES < <(find tests -name test_cuda.py | sort)
# pytest-benchmark warns of pytest-xdist, and warnings are errors
OMP_NUM_THREADS="$((THREADS > 0 ? THREADS : 1))" timeout "$FOR_TESTS" "$PYTHON" -m pytest -m cuda "${FILES[@]}" \
    -p no:cacheprovider -p no:benchmark -q --tb=short --durations=10 "${PARALLEL[@]}" "$@" 2>&1 | tee "$OUTPUT/tests.txt"
TESTS=$?
timeout "$((FOR_BENCHMARK + 60))" "$PYTHON" benchmarks/gpu.py --seconds "$FOR_BENCHMARK" --output "$OUTPUT" 2>&1 |
    tee "$OUTPUT/gpu.txt"
BENCHMARK=$?
echo "tests ended with $TESTS, the benchmark with $BENCHMARK"
[ "$TESTS" -eq 0 ] && [ "$BENCHMARK" -eq 0 ]
