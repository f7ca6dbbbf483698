#!/usr/bin/env bash
# Runs kernelcheck on old processors, emulated by qemu: portable on a Nehalem, which has no AVX, AVX2 on a Haswell, which has
# nothing above it. An instruction that they do not have ends the family that met it.
#
#     scripts/old_processors.sh [kernelcheck's arguments, such as --quick or --family norm]
#
# Works in build/old-processors; wants cmake, ninja-build, gcc and qemu-user-static. Exits with a status other than 0 unless
# both pass.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/old-processors

cmake -S cmake -B $build -G Ninja -DCMAKE_C_COMPILER=gcc -DCK_AVX512=OFF \
    -DCMAKE_C_FLAGS="-include $PWD/Tests/kernelcheck/emulators.h" >/dev/null
cmake --build $build --target kernelcheck >$build/log || { cat $build/log >&2; exit 1; }

# What qemu's processors lack of a real one's system instructions does not matter here.
emulated() { qemu-x86_64-static -cpu "$1" $build/kernelcheck/kernelcheck --isa "$2" "${@:3}" 2> >(grep -v "TCG doesn't support" >&2); }

emulated Nehalem portable "$@" &
status=0
emulated Haswell avx2 "$@" || status=$?
wait $! && exit $status
