"""oneDNN by its C API: primitives of row operators. It has none of attention on CPUs."""

import ctypes
import os
import sys

import numpy as np

from cells import EPSILON, widened
from libraries import Unsupported

# dnnl_types.h
TYPES = {"f16": 1, "bf16": 2, "f32": 3}
CPU, IN_ORDER, INFERENCE, TRAINING, BACKWARD = 1, 1, 96, 64, 128
ADD, SOFTMAX = 0x1FFF0, 0x30000
USE_SCALE, USE_SHIFT, RMS = 2, 4, 0x20
SRC, SRC_1, DST, MEAN, VARIANCE, SCALE, SHIFT = 1, 2, 17, 49, 50, 51, 52
DIFF_SRC, DIFF_DST, DIFF_SCALE, DIFF_SHIFT = 129, 145, 255, 256

# What the SYCL build of libdnnl does not find beside itself.
NEEDED = ("libintlc.so.5", "libimf.so", "libsvml.so", "libtbb.so.12", "libsycl.so.9")


class Argument(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_int), ("memory", ctypes.c_void_p)]


class Version(ctypes.Structure):
    _fields_ = [("major", ctypes.c_int), ("minor", ctypes.c_int), ("patch", ctypes.c_int)]


class Library:
    def __init__(self, threads, folder):
        libraries = os.path.join(sys.prefix, folder, "lib")
        os.environ["OCL_ICD_FILENAMES"] = os.path.join(libraries, "libintelocl.so")
        for name in sorted(set(NEEDED) & set(os.listdir(libraries)), key=NEEDED.index):
            ctypes.CDLL(os.path.join(libraries, name), ctypes.RTLD_GLOBAL)
        self.dnnl = ctypes.CDLL(os.path.join(libraries, "libdnnl.so.3"))
        self.dnnl.dnnl_version.restype = ctypes.POINTER(Version)
        version = self.dnnl.dnnl_version().contents
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        self.has_rms_norm = (version.major, version.minor) >= (3, 7)
        self.engine = self._made("engine_create", CPU, ctypes.c_size_t(0))
        self.stream = self._made("stream_create", self.engine, IN_ORDER)

    def _made(self, name, *arguments):
        """What a dnnl function creates."""
        result = ctypes.c_void_p()
        status = getattr(self.dnnl, f"dnnl_{name}")(ctypes.byref(result), *arguments)
        if status:
            raise Unsupported(f"dnnl_{name}: status {status}")
        return result

    def prepare(self, cell, sets):
        if cell.heads or cell.operator == "maskedSoftmax":
            raise Unsupported("no such primitive")
        parameters = ("weight", "bias", "dweight", "dbias")  # floats, whatever x is
        sets = [{name: widened(array, cell.dtype) if name in parameters and cell.dtype != "f32" else array
                 for name, array in t.items()} for t in sets]
        steps = getattr(self, "_" + ("norm" if cell.operator.lower().endswith("norm") else cell.operator))(cell)
        calls = [self._call(steps, t) for t in sets]
        written = (DST, DIFF_SRC, DIFF_SCALE, DIFF_SHIFT)
        outputs = {name for _, names in steps for code, (name, _) in names.items() if code in written}
        wide = lambda name: sets[0][name] if name in parameters else widened(sets[0][name], cell.dtype)
        return calls, lambda: {name: wide(name) for name in outputs if name in sets[0]}

    def _call(self, steps, t):
        """One execution of the primitives `steps`, each with {argument: (tensor's name, description)}."""
        execute, wait, stream = self.dnnl.dnnl_primitive_execute, self.dnnl.dnnl_stream_wait, self.stream
        calls = []
        for primitive, names in steps:
            arguments = (Argument * len(names))(*[
                (code, self._made("memory_create", description, self.engine, ctypes.c_void_p(t[name].ctypes.data)))
                for code, (name, description) in names.items()])
            calls.append((primitive, stream, len(names), arguments))

        def call():
            for arguments in calls:
                execute(*arguments)
            wait(stream)

        call.keeps = t
        return call

    def _description(self, shape, dtype):
        dims = ctypes.c_int64 * 12
        strides = [int(np.prod(shape[k + 1:])) for k in range(len(shape))]
        return self._made("memory_desc_create_with_strides", len(shape), dims(*shape), TYPES[dtype], dims(*strides))

    def _descriptions(self, cell):
        """Of a tensor, a parameter and a statistic of the rows."""
        return (self._description((cell.rows, cell.columns), cell.dtype), self._description((cell.columns,), "f32"),
                self._description((cell.rows,), "f32"))

    def _norm(self, cell):
        rows, parameter, statistic = self._descriptions(cell)
        is_rms = cell.operator.lower().endswith("rmsnorm")
        if is_rms and not self.has_rms_norm:
            raise Unsupported("no RMSNorm")
        flags = USE_SCALE | (RMS if is_rms else USE_SHIFT)
        norm = self._primitive("layer_normalization_forward", INFERENCE, rows, rows, statistic, flags)
        arguments = {SRC: ("x", rows), DST: ("y", rows), SCALE: ("weight", parameter)}
        if not is_rms:
            arguments |= {SHIFT: ("bias", parameter)}
        if not cell.operator.startswith("residual"):
            return [(norm, arguments)]
        add = self._primitive("binary", ADD, rows, rows, rows)
        return [(add, {SRC: ("x", rows), SRC_1: ("branch", rows), DST: ("sum", rows)}),
                (norm, arguments | {SRC: ("sum", rows)})]

    def _layerNormBackward(self, cell):
        rows, parameter, statistic = self._descriptions(cell)
        flags = USE_SCALE | USE_SHIFT
        hint = self._plan("layer_normalization_forward", TRAINING, rows, rows, statistic, flags)
        backward = self._primitive(
            "layer_normalization_backward", BACKWARD, rows, rows, rows, statistic, flags, hint=hint)
        return [(backward, {
            DIFF_DST: ("dy", rows), SRC: ("x", rows), MEAN: ("mean", statistic), VARIANCE: ("variance", statistic),
            SCALE: ("weight", parameter), SHIFT: ("bias", parameter), DIFF_SRC: ("dx", rows),
            DIFF_SCALE: ("dweight", parameter), DIFF_SHIFT: ("dbias", parameter)})]

    def _softmax(self, cell):
        rows, _, _ = self._descriptions(cell)
        softmax = self._primitive("softmax_forward", INFERENCE, SOFTMAX, rows, rows, 1)
        return [(softmax, {SRC: ("x", rows), DST: ("y", rows)})]

    def _softmaxBackward(self, cell):
        rows, _, _ = self._descriptions(cell)
        hint = self._plan("softmax_forward", TRAINING, SOFTMAX, rows, rows, 1)
        backward = self._primitive("softmax_backward", SOFTMAX, rows, rows, rows, 1, hint=hint)
        return [(backward, {DIFF_DST: ("dy", rows), DST: ("y", rows), DIFF_SRC: ("dx", rows)})]

    def _plan(self, kind, *arguments, hint=()):
        """A primitive description; a norm's epsilon stands before its flags."""
        if kind.startswith("layer_normalization"):
            arguments = (*arguments[:-1], ctypes.c_float(EPSILON), arguments[-1])
        hints = (hint,) if hint else ()
        return self._made(f"{kind}_primitive_desc_create", self.engine, *arguments, *hints, None)

    def _primitive(self, kind, *arguments, hint=None):
        return self._made("primitive_create", self._plan(kind, *arguments, hint=hint))
