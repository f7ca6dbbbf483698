"""Ours: the shared library of the CMake build, called by ctypes."""

import ctypes
import functools
import os

import numpy as np

from cells import EPSILON, SCALE, widened
from libraries import headers

TYPES = {"f32": 0, "bf16": 1, "f16": 2}
STRUCTS = headers.structs()


def load():
    """The shared library in the folder CK_BUILD, which must be there."""
    library = ctypes.CDLL(os.path.join(os.environ["CK_BUILD"], "libckernels.so"))
    library.ck_inspect.restype = STRUCTS["ck_inspection"]
    library.ck_status_text.restype = ctypes.c_char_p
    library.ck_isa_name.restype = ctypes.c_char_p
    for name in ("norm", "attention", "attention_backward"):
        workspace = "norm_backward" if name == "norm" else name
        getattr(library, f"ck_{workspace}_workspace").restype = ctypes.c_size_t
    return library


class Library:
    def __init__(self, threads):
        self.library = load()
        self.run = STRUCTS["ck_run"](0, threads)
        inspection = self.library.ck_inspect()
        isa = self.library.ck_isa_name(inspection.chosen).decode()
        self.version = f"{inspection.version.decode()} {isa} {inspection.threading.decode()}"

    def prepare(self, cell, sets):
        make = getattr(self, "_" + {"decode": "attention", "rmsNorm": "layerNorm", "residualLayerNorm": "layerNorm",
                                    "residualRMSNorm": "layerNorm"}.get(cell.operator, cell.operator))
        outputs = [name for name in ("y", "sum", "dx", "dweight", "dbias", "output", "dquery", "dkey", "dvalue")
                   if name in sets[0]]
        return [make(cell, t) for t in sets], lambda: {name: widened(sets[0][name], cell.dtype) for name in outputs}

    def _call(self, name, struct, **fields):
        """A call of an entry point; what it answers is looked at, since a refused call must not be timed."""
        entry, run = getattr(self.library, name), self.run
        entry.argtypes = [ctypes.c_void_p, STRUCTS["ck_run"]]
        args = _filled(struct, **fields)
        address = ctypes.addressof(args)

        def call():
            if status := entry(address, run):
                raise RuntimeError(self.library.ck_status_text(status).decode())

        call.keeps = args
        return call

    def _layerNorm(self, cell, t):
        residual = None
        if "branch" in t:
            residual = _filled("ck_residual", branch=t["branch"], branch_stride=cell.columns, scale=1, sum=t["sum"],
                               sum_stride=cell.columns)
        is_rms = cell.operator.lower().endswith("rmsnorm")
        return self._call(
            "ck_rms_norm" if is_rms else "ck_layer_norm", "ck_norm_args", **_rows(cell, t, "x", "y"), residual=residual,
            parameter_type=TYPES[cell.dtype], weight=t["weight"], bias=None if is_rms else t["bias"], epsilon=EPSILON)

    def _layerNormBackward(self, cell, t):
        """The gradients of weight and bias are floats; other libraries give them the type of x."""
        size = self.library.ck_norm_backward_workspace(
            ctypes.c_int64(cell.rows), ctypes.c_int64(cell.columns), ctypes.c_int32(0))
        sums = {n: t[n] if cell.dtype == "f32" else np.zeros(cell.columns, np.float32) for n in ("dweight", "dbias")}
        calls = [self._call(
            "ck_layer_norm_backward", "ck_norm_backward_args", **_rows(cell, t, "dy", "x", "dx"), mean=t["mean"],
            rstd=t["rstd"], weight=t["weight"], parameter_type=TYPES[cell.dtype], **sums, **_workspace(size))]
        for name in sums if cell.dtype != "f32" else ():
            calls.append(self._call("ck_convert", "ck_convert_args", rows=1, cols=cell.columns, x=sums[name], y=t[name],
                                    x_stride=cell.columns, y_stride=cell.columns, y_type=TYPES[cell.dtype]))
        return calls[0] if len(calls) == 1 else lambda: [call() for call in calls]

    def _softmax(self, cell, t):
        return self._call("ck_softmax", "ck_softmax_args", **_rows(cell, t, "x", "y"))

    def _softmaxBackward(self, cell, t):
        return self._call("ck_softmax_backward", "ck_softmax_backward_args", **_rows(cell, t, "dy", "y", "dx"))

    def _maskedSoftmax(self, cell, t):
        n = cell.columns
        heads = _dense(cell.rows // n, n, n)
        mask = _filled("ck_mask", bias=t["mask"], bias_strides=_filled("ck_strides", row=n))
        return self._call("ck_score_softmax", "ck_score_softmax_args", batch=1, heads=cell.rows // n, queries=n, keys=n,
                          type=TYPES[cell.dtype], scale=SCALE, x=t["x"], y=t["y"], x_strides=heads, y_strides=heads,
                          mask=mask)

    def _attention_fields(self, cell, t):
        query = _dense(cell.heads, cell.queries, cell.size)
        key = _dense(cell.key_heads, cell.keys, cell.size)
        return dict(
            batch=1, query_heads=cell.heads, key_heads=cell.key_heads, queries=cell.queries, keys=cell.keys,
            head_size=cell.size, value_size=cell.size, type=TYPES[cell.dtype], key_type=TYPES[cell.dtype],
            query=t["query"], key=t["key"], value=t["value"], output=t["output"], query_strides=query,
            key_strides=key, value_strides=key, output_strides=query, scale=cell.size ** -0.5,
            mask=_filled("ck_mask", causal=int(cell.causal), offset=cell.keys - cell.queries))

    def _attention(self, cell, t):
        fields = self._attention_fields(cell, t)
        return self._call("ck_attention", "ck_attention_args", **fields, **self._space("attention", fields))

    def _attentionBackward(self, cell, t):
        """After one forward pass, which is not timed."""
        t["logSumExp"] = np.zeros((cell.heads, cell.queries), np.float32)
        forward = self._attention_fields(cell, t) | dict(
            log_sum_exp=t["logSumExp"], log_sum_exp_strides=_dense(cell.heads, cell.queries, 1))
        self._call("ck_attention", "ck_attention_args", **forward, **self._space("attention", forward))()
        query, key = forward["query_strides"], forward["key_strides"]
        fields = dict(
            forward=_filled("ck_attention_args", **forward), doutput=t["doutput"], dquery=t["dquery"], dkey=t["dkey"],
            dvalue=t["dvalue"], doutput_strides=query, dquery_strides=query, dkey_strides=key, dvalue_strides=key)
        return self._call("ck_attention_backward", "ck_attention_backward_args", **fields,
                          **self._space("attention_backward", fields))

    def _space(self, name, fields):
        args = _filled(f"ck_{name}_args", **fields)
        return _workspace(getattr(self.library, f"ck_{name}_workspace")(ctypes.byref(args), self.run))


def _filled(struct, **fields):
    """A struct; arrays and structs become pointers where the field is one."""
    args = STRUCTS[struct]()
    args.keeps = fields
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value = value.ctypes.data
        elif isinstance(value, ctypes.Structure) and isinstance(getattr(args, name), (int, type(None))):
            value = ctypes.addressof(value)
        setattr(args, name, value)
    return args


def _rows(cell, t, *names):
    fields = dict(rows=cell.rows, cols=cell.columns, type=TYPES[cell.dtype])
    for name in names:
        fields |= {name: t[name], f"{name}_stride": cell.columns}
    return fields


def _dense(heads, rows, columns):
    return _filled("ck_strides", batch=heads * rows * columns, head=rows * columns, row=columns)


@functools.lru_cache(None)
def _memory(size):
    memory = np.zeros(size + 64, np.uint8)
    return memory[-memory.ctypes.data % 64:][:size]


def _workspace(size):
    """The same memory for all calls of one size: they follow each other."""
    return dict(workspace=_memory(size), workspace_size=size) if size else {}
