#!/usr/bin/env python3
"""Checks the rules of the rooms (ARCHITECTURE.md): who may include whom, where intrinsics, threads, the
environment and `unsafe` may stand, and that compiled code keeps to its instruction set.

    python3 scripts/check_rooms.py [FOLDER]   exits with 1 and a line for each breach

FOLDER holds SwiftPM's objects of CKernels, optimised; without it they are compiled, which takes minutes.
"""

import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ROOT / "CKernels"
breaches: list[str] = []


def files(folder: str, *suffixes: str) -> list[Path]:
    return [p for p in sorted((ROOT / folder).rglob("*")) if p.suffix in suffixes and ".build" not in str(p)]


def code(path: Path) -> str:
    """The text without comments."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def only_in(pattern: str, allowed: str, paths: list[Path], what: str) -> None:
    for path in paths:
        name = str(path.relative_to(ROOT))
        if re.search(pattern, code(path)) and not re.fullmatch(allowed, name):
            breaches.append(f"{name}: {what}")


# Rooms on top of the public API, and the rooms that each may not know.
STUDY_ROOMS = {
    "NormalizationDiagnostics": "Plots|Studies|TrainingKit|ReferenceKernels",
    "Plots": "Normalization|NormalizationDiagnostics|Studies|TrainingKit",
    "TrainingKit": "NormalizationDiagnostics|Plots|Studies",
    "Studies": "ArgumentParser",
}


def check_sources() -> None:
    c = files("CKernels", ".c", ".h")
    only_in(r"\b_mm\d*_\w+\(|\bv\w+q_[fsu]32\(|\b__m(256|512)", r"CKernels/vector/.*", c, "intrinsics outside vector/")
    only_in(r"GOMP_|\bomp_\w+\(|dispatch_apply", r"CKernels/parallel/blocks\.c", c, "threads outside parallel/blocks.c")
    only_in(r"\b(cblas|openblas)_\w+\(", r"CKernels/parallel/blas\.c", c, "BLAS outside parallel/blas.c")
    only_in(r"__builtin_cpu_|__get_cpuid", r"CKernels/dispatch/cpu_features\.c", c, "asks the CPU outside cpu_features.c")
    only_in(r"\bgetenv\(", r"CKernels/dispatch/select\.c", c, "reads the environment outside select.c")
    only_in(r"\b(malloc|calloc|realloc|free|printf|fprintf|puts|abort|exit|assert)\(", r"(?!)", c,
            "allocates, prints or aborts in the kernel library")

    swift = files("Sources", ".swift") + files("bench", ".swift")
    only_in(r"\bimport CKernels\b", r"Sources/KernelBridge/.*", swift, "imports CKernels outside KernelBridge")
    only_in(r"\bunsafe\b", r"Sources/(KernelBridge/.*|Tensors/AlignedStorage\.swift)", swift, "`unsafe` outside its rooms")
    only_in(r"\bimport Foundation\b",
            r"(Sources/(NormalizationDiagnostics|Plots|Studies|TrainingKit|Verification|normalize)|bench)/.*", swift,
            "Foundation in the library")
    studies = [p for p in swift if p.relative_to(ROOT).parts[1] in STUDY_ROOMS]
    only_in(r"\bimport (KernelBridge|Verification)\b", r"(?!)", studies, "goes around the public API to the kernels")
    for room, others in STUDY_ROOMS.items():
        only_in(rf"\bimport ({others})\b", r"(?!)", files(f"Sources/{room}", ".swift"), "imports a room above its own")

    for path in c + swift + files("Tests", ".c", ".h", ".swift") + files("scripts", ".py") + files("bench", ".py"):
        name = path.relative_to(ROOT)
        lines = len(path.read_text().splitlines())
        if lines > 500:
            breaches.append(f"{name}: {lines} lines, 500 is the end")
        if re.fullmatch(r"(?i)(utils?|helpers?|common|misc)", path.stem):
            breaches.append(f"{name}: a name that does not say what the file holds")


# Which rooms a room may include from. System headers are written with <>, and are free but for kernels/ and math/.
INCLUDES = {
    "include": {"include"},
    "entry": {"include", "dispatch", "entry", "parallel"},
    "dispatch": {"include", "dispatch", "parallel"},
    "isa": {"include", "dispatch", "isa", "kernels", "math", "vector"},
    "parallel": {"include", "parallel"},
    "kernels": set(),
    "math": set(),
    "vector": set(),
}


def check_includes() -> None:
    for path in files("CKernels", ".c", ".h"):
        room = path.relative_to(KERNELS).parts[0]
        for bracket, target in re.findall(r'#include\s+([<"])([^>"]+)', code(path)):
            if bracket == "<":
                if room in ("kernels", "math", "vector"):
                    breaches.append(f"{path.relative_to(ROOT)}: includes <{target}>; names come from the file that includes it")
                continue
            origin = target.split("/")[0] if "/" in target else "include"
            if origin not in INCLUDES[room]:
                breaches.append(f"{path.relative_to(ROOT)}: {room}/ may not include {target}")


def check_objects() -> None:
    """Looks into the objects of the C target, as SwiftPM compiles it."""
    if platform.machine() != "x86_64":
        print("objects: looked at on x86-64 only")
        return
    allowed = {"avx512_bf16": r"$^", "avx512": r"$^", "avx2": r"%zmm", None: r"%[yz]mm"}
    with tempfile.TemporaryDirectory() as folder:
        for source in files("CKernels", ".c"):
            if len(sys.argv) > 1:
                target = Path(sys.argv[1]) / source.relative_to(KERNELS).with_suffix(".c.o")
            else:
                target = Path(folder) / f"{source.stem}.o"
                subprocess.run(["clang", "-O2", "-DNDEBUG", "-DCK_OPENMP=1", f"-I{KERNELS}", f"-I{KERNELS}/include",
                                "-c", str(source), "-o", str(target)], check=True)
            room = source.relative_to(KERNELS).parts[0]
            isa = source.stem if room == "isa" and source.stem in allowed else None
            text = subprocess.run(["objdump", "-d", str(target)], check=True, capture_output=True, text=True).stdout
            if re.search(allowed[isa], text):
                breaches.append(f"{source.relative_to(ROOT)}: compiles to registers of a higher instruction set")
            names = subprocess.run(["nm", "-g", "--defined-only", str(target)], check=True, capture_output=True, text=True)
            for symbol in (line.split()[-1] for line in names.stdout.splitlines()):
                if not symbol.startswith("ck_"):
                    breaches.append(f"{source.relative_to(ROOT)}: exports {symbol}")


check_sources()
check_includes()
check_objects()
print("\n".join(breaches) or "rooms: every rule holds")
sys.exit(1 if breaches else 0)
