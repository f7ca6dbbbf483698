#!/usr/bin/env bash
# Times row operators and attention over 1 to 16 threads, as many as the machine has.
#
#     scripts/scaling.sh build > bench/results/scaling.tsv
#
# The argument is the folder of a CMake build (default: build). The programme build/scaling is linked statically:
# copied to another machine it runs alone.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
"$compiler" -std=c11 -O2 -D_POSIX_C_SOURCE=200112L -ICKernels/include -static -o "$build/scaling" scripts/scaling.c \
    "$build/libckernels.a" -lgomp -lpthread -lm

echo "# $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
echo "# $("$compiler" --version | head -n 1), commit $(git rev-parse --short HEAD), $(date -u +%Y-%m-%dT%H:%MZ)"
echo "# operator, threads, microseconds a call (median of 9 rounds in turns)"
"$build/scaling"
