#!/usr/bin/env python3
"""A table of the lines that ran, by room, and the lines that did not, by file.

    python3 scripts/coverage.py LLVM-COV PROFDATA FOLDER PROGRAM...

Lines are those of files in FOLDER, as llvm-cov counts them: where a header is compiled for several instruction sets, a
line has run if it ran in one of them.
"""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
tool, profile, folder, first, *others = sys.argv[1:]
objects = [first] + [word for program in others for word in ("-object", program)]
text = subprocess.run([tool, "export", "-format=lcov", f"-instr-profile={profile}", *objects, str(ROOT / folder)],
                      check=True, capture_output=True, text=True).stdout

counts: dict[Path, dict[int, int]] = {}
for line in text.splitlines():
    if line.startswith("SF:"):
        path = Path(line[3:])
        lines = counts.setdefault(path, {}) if path.is_relative_to(ROOT / folder) else {}
    elif line.startswith("DA:"):
        number, count = line[3:].split(",")[:2]
        lines[int(number)] = lines.get(int(number), 0) + int(count)

rooms: dict[str, list[int]] = defaultdict(lambda: [0, 0])
for path, lines in counts.items():
    room = rooms["/".join(path.relative_to(ROOT).parts[:2])]
    room[0] += len(lines)
    room[1] += sum(count > 0 for count in lines.values())

print(f"{'room':40} {'lines':>7} {'ran':>7}")
for room, (all_lines, ran) in sorted(rooms.items()) + [("all", [sum(r[k] for r in rooms.values()) for k in (0, 1)])]:
    print(f"{room:40} {all_lines:7} {100 * ran / max(all_lines, 1):6.1f} %")
print("\nnot run:")
for path, lines in sorted(counts.items()):
    missed = sorted(number for number, count in lines.items() if count == 0)
    if missed:
        print(f"{path.relative_to(ROOT)}: {', '.join(map(str, missed))}")
