"""One library in one process: it prepares a cell, has the first result judged, warms up, and times calls on request."""

import gc
import importlib
import os
import time

import judge
from cells import tensors
from libraries import LIBRARIES, LIMITS, Unsupported

WARM_UP = 0.05  # seconds


def serve(connection, name, threads):
    """Answers requests until the other end closes. An answer is (kind, value)."""
    if threads == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    module, *arguments = LIBRARIES[name]
    prepared = None
    try:
        library = importlib.import_module(f"libraries.{module}").Library(threads, *arguments)
        connection.send(("ready", library.version))
        while True:
            request, value = connection.recv()
            try:
                if request == "prepare":
                    prepared = None
                    gc.collect()
                    prepared = Prepared(library, value, is_judged=name not in LIMITS)
                    connection.send(("prepared", (prepared.seconds, prepared.error)))
                elif request == "time":
                    connection.send(("timed", prepared.time(value)))
            except Unsupported as reason:
                connection.send(("unsupported", str(reason)))
            except Exception as error:
                connection.send(("failed", repr(error)[:300]))
    except EOFError:
        pass
    except Exception as error:
        connection.send(("failed", repr(error)[:300]))


class Prepared:
    """A cell's calls, one a set, which are made in turn."""

    def __init__(self, library, cell, is_judged):
        sets = tensors(cell)
        self.calls, results = library.prepare(cell, sets)
        self.keeps = sets, results  # calls know addresses
        self.next, self.error = 0, 0.0
        self.calls[0]()
        if is_judged:
            self.error = judge.error(cell, sets[0], results())
            if self.error > judge.TOLERANCE[cell.dtype]:
                raise ValueError(f"wrong result: {self.error:.1e}")
        self.seconds = self._warm_up()

    def _warm_up(self):
        """Runs for a while; the time of one call by the last, longest stretch."""
        count, start = 1, time.perf_counter()
        while True:
            seconds = self.time(count)
            if time.perf_counter() - start > WARM_UP:
                return seconds
            count *= 2

    def time(self, count):
        """Seconds a call."""
        calls = (self.calls * (count // len(self.calls) + 2))[self.next:self.next + count]
        self.next = (self.next + count) % len(self.calls)
        start = time.perf_counter_ns()
        for call in calls:
            call()
        return (time.perf_counter_ns() - start) * 1e-9 / count
