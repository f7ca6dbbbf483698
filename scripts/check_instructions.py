#!/usr/bin/env python3
"""Counts the instructions of AVX2 kernels with callgrind and compares them with ceilings: a slower kernel shows on any
machine, however busy.

    python3 scripts/check_instructions.py            fails where a count is above its ceiling
    python3 scripts/check_instructions.py --update   writes the ceilings anew, 2 % above what it counts

It counts in the objects of `swift build -c release`, with the default traits. It needs valgrind and a processor with AVX2.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
OBJECTS = ROOT / ".build/release/CKernels.build"
CEILINGS = ROOT / "Tests/instructions/ceilings.txt"
ROOM = 1.02


def compile_driver(folder):
    driver = f"{folder}/instructions"
    objects = sorted(OBJECTS.rglob("*.o"))
    if not objects:
        sys.exit(f"{OBJECTS} has no objects: swift build -c release makes them")
    flags = ["-std=c11", "-O1", "-D_POSIX_C_SOURCE=200112L", f"-I{ROOT}/CKernels/include"]
    sources = [ROOT / "Tests/instructions/instructions.c", *objects]
    subprocess.run(["clang", *flags, "-o", driver, *sources, "-Wl,--strip-debug", "-lgomp", "-lpthread", "-lm"], check=True)
    return driver


def count():
    """Name -> instructions per element, in the driver's order."""
    with tempfile.TemporaryDirectory() as folder:
        driver = compile_driver(folder)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", "--toggle-collect=measured",
                   "--dump-after=measured", driver]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            sys.exit(run.stderr)
        counts = {}
        for number, line in enumerate(run.stdout.splitlines(), 1):
            name, elements = line.split()
            profile = pathlib.Path(f"{folder}/out.{number}").read_text()
            total = re.search(r"^(?:totals|summary): (\d+)", profile, re.MULTILINE)
            counts[name] = int(total[1]) / int(elements)
        return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed")
    counts = count()
    if options.update:
        lines = [f"{name:<34}{value * ROOM:.4f}" for name, value in counts.items()]
        head = [line for line in CEILINGS.read_text().splitlines() if line.startswith("#")] if CEILINGS.exists() else []
        CEILINGS.write_text("\n".join(head + lines) + "\n")
    ceilings = dict(line.split() for line in CEILINGS.read_text().splitlines() if not line.startswith("#"))
    missing = counts.keys() ^ ceilings.keys()
    worse = 0
    for name, value in counts.items():
        ceiling = float(ceilings.get(name, "nan"))
        mark = "" if value <= ceiling else "  ABOVE"
        mark = mark or ("  lower the ceiling" if value * ROOM < ceiling / ROOM else "")
        worse += value > ceiling
        print(f"{name:<34}{value:9.4f} instructions an element, ceiling {ceiling:.4f}{mark}")
    for name in sorted(missing):
        print(f"{name}: in the driver or in the table of ceilings alone")
    sys.exit(bool(worse or missing))


if __name__ == "__main__":
    main()
