"""The machine's limits: as many bytes moved by a plain copy, or as many fused multiply-adds in registers.

Two of these run beside the libraries, one with normal and one with streaming stores; the faster is a cell's limit.
"""

import ctypes

import numpy as np

from cells import READS_WRITES, empty
from libraries import Unsupported, ckernels

FLOPS_PER_STEP = 12 * 16 * 2  # CK_LIMIT_FMA_FLOPS_PER_STEP


class Library:
    def __init__(self, threads, streaming):
        self.library, self.threads, self.streaming = ckernels.load(), threads, streaming
        self.run = ckernels.STRUCTS["ck_run"](0, threads)
        self.version = "of ours"

    def prepare(self, cell, sets):
        if cell.heads and self.streaming:
            raise Unsupported("nothing is stored")
        make = self._copy if not cell.heads else self._read if cell.operator == "decode" else self._multiply_adds
        return [make(cell, t) for t in sets], dict

    def _copy(self, cell, t):
        """Whatever is read more than written becomes a sum of two."""
        reads, writes = READS_WRITES[cell.operator]
        size = cell.rows * cell.columns * cell.element_size // 64 * 16
        floats = [[empty(size, np.float32) for _ in range(n)] for n in (reads, writes)]
        pointers = [[ctypes.c_void_p(array.ctypes.data) for array in arrays] for arrays in floats]
        second = pointers[0].pop() if reads > writes else None
        count, streaming = ctypes.c_int64(size), ctypes.c_int32(self.streaming)
        run, copy = self.run, self.library.ck_limit_copy

        def call():
            for source, destination in zip(*pointers):
                copy(source, second, destination, count, streaming, run)

        call.keeps = floats
        return call

    def _read(self, cell, t):
        count = cell.bytes // 4
        source, largest = empty(count, np.float32), empty(-(-count // 1024), np.float32)
        pointers = ctypes.c_void_p(source.ctypes.data), ctypes.c_void_p(largest.ctypes.data)
        call = lambda: self.library.ck_limit_read(pointers[0], ctypes.c_int64(count), pointers[1], self.run)
        call.keeps = source, largest
        return call

    def _multiply_adds(self, cell, t):
        steps = ctypes.c_int64(max(1, 2 * cell.multiply_adds // FLOPS_PER_STEP // self.threads))
        sink = ctypes.c_float()
        return lambda: self.library.ck_limit_fma(steps, ctypes.byref(sink), self.run)
