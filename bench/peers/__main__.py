"""Times CKernels beside other libraries, in turns. README.md says how, and what to install.

    python3 bench/peers --build build --filter 'softmax f32' --save softmax.json
"""

import argparse
import datetime
import json
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import time

import tables
import worker
from cells import all_cells
from libraries import LIBRARIES

ROUNDS = 7
SAMPLE = 0.02  # seconds
PAUSE = 0.02  # between samples, in which threads fall asleep: 3 ms were too few for libgomp's (2026-11-27)
ROOT = pathlib.Path(__file__).parents[2]
# Libraries that allocate their results get memory that was used before, in large pages, not fresh page faults.
MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
          "MALLOC_TOP_PAD_": str(64 << 20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Peer:
    """A library in a process of its own."""

    def __init__(self, name, threads):
        self.name, self.threads = name, threads
        self.start()

    def start(self):
        """The process answers with its version, which is not waited for."""
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        context.Process(target=worker.serve, args=(other, self.name, self.threads), daemon=True).start()
        other.close()

    def ask(self, request, value):
        """The answer; a process that ended is started again, for the next cell."""
        self.connection.send((request, value))
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            self.start()
            self.connection.recv()
            return "failed", "its process ended"


def start(names, threads):
    """The libraries that start, and their versions."""
    os.environ |= MEMORY | {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "DPCPP_CPU_NUM_CUS")}
    peers, versions = [], {}
    for peer in [Peer(name, threads) for name in names]:
        kind, value = peer.connection.recv()
        if kind == "ready":
            peers.append(peer)
            versions[peer.name] = value
        else:
            print(f"{peer.name} does not start: {value}")
    return peers, versions


def measure(cell, peers):
    """Name -> samples in seconds, one a round; which library begins changes from round to round."""
    seconds, errors, samples = {}, {}, {}
    for peer in peers:
        kind, value = peer.ask("prepare", cell)
        if kind == "prepared":
            seconds[peer.name], errors[peer.name] = value[0], float(f"{value[1]:.2g}")
        elif kind == "failed":
            print(f"  {peer.name}: {value}")
    ready = [peer for peer in peers if peer.name in seconds]
    for turn in range(ROUNDS):
        first = turn % max(1, len(ready))
        for peer in ready[first:] + ready[:first]:
            count = max(1, round(SAMPLE / seconds[peer.name]))
            if seconds[peer.name] < SAMPLE:
                peer.ask("time", 1)
            kind, value = peer.ask("time", count)
            if kind == "timed":
                samples.setdefault(peer.name, []).append(float(f"{value:.4g}"))
            time.sleep(PAUSE)
    return samples, errors


def caches():
    """{"L1": bytes, ...} of data, as one core sees them."""
    sizes = {}
    for folder in pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            sizes[f"L{level}"] = int(size[:-1]) << {"K": 10, "M": 20}[size[-1]]
    return dict(sorted(sizes.items()))


def about(build):
    """What figures need beside them: machine, compiler, commit, date."""
    text = lambda *command: subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    compiler = re.search(r"CMAKE_C_COMPILER:\w+=(.*)", (build / "CMakeCache.txt").read_text())[1]
    return {"machine": f"{model[1] if model else 'unknown'}, {os.cpu_count()} cores",
            "compiler": text(compiler, "--version").splitlines()[0],
            "commit": text("git", "describe", "--always", "--dirty"), "caches": caches(),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes")}


def save(report, path):
    """One line a cell, so that differences can be read."""
    head = json.dumps(report | {"cells": []}, indent=1)
    cells = ",\n".join(json.dumps(cell) for cell in report["cells"])
    path.write_text(head.replace('"cells": []', f'"cells": [\n{cells}\n]') + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder of the CMake build")
    parser.add_argument("--filter", default="", help="regular expression of the cells' names")
    parser.add_argument("--libraries", default=",".join(LIBRARIES), help="separated by commas")
    parser.add_argument("--threads", default="1,2", help="separated by commas")
    parser.add_argument("--save", type=pathlib.Path, help="file for the results, as JSON")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    options = parser.parse_args()
    cells = [cell for cell in all_cells() if re.search(options.filter, cell.name)]
    if options.list:
        return print("\n".join(cell.name for cell in cells))
    os.environ["CK_BUILD"] = str(options.build.resolve())
    report = about(options.build) | {"libraries": {}, "cells": []}
    for threads in map(int, options.threads.split(",")):
        peers, versions = start(options.libraries.split(","), threads)
        report["libraries"] |= versions
        for cell in cells:
            samples, errors = measure(cell, peers)
            medians = {name: statistics.median(times) for name, times in samples.items()}
            report["cells"].append({
                "cell": cell.name, "family": cell.family, "threads": threads, "bytes": cell.bytes,
                "multiplyAdds": cell.multiply_adds, "medians": medians, "samples": samples, "errors": errors})
            print(f"{cell.name}, {threads} thread(s): " + ", ".join(
                f"{name} {tables.duration(medians[name])}" for name in sorted(medians, key=medians.get)), flush=True)
            if options.save:
                save(report, options.save)
        for peer in peers:
            peer.connection.close()
    print("\n" + tables.markdown(report["cells"]))


if __name__ == "__main__":
    main()
