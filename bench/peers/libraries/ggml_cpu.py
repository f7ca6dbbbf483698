"""ggml: its flash attention, compiled by pip on this machine. Queries and outputs are float32, whatever keys are."""

import ctypes

import ggml
import numpy as np

from cells import widened
from libraries import Unsupported


class Library:
    def __init__(self, threads):
        ggml.ggml_cpu_init()
        self.threads, self.version = threads, ggml.__version__
        parameters = ggml.ggml_threadpool_params_default(threads)
        self.pool = ggml.ggml_threadpool_new(ctypes.byref(parameters))

    def prepare(self, cell, sets):
        if cell.operator not in ("attention", "decode"):
            raise Unsupported("attention alone")
        sets = [{"key": t["key"], "value": t["value"], "query": np.ascontiguousarray(widened(t["query"], cell.dtype)),
                 "output": np.zeros((cell.queries, cell.heads, cell.size), np.float32)} for t in sets]
        mask = np.triu(np.full((cell.queries, cell.keys), -np.inf, np.float16), 1) if cell.causal else None
        calls = [self._call(cell, t, mask) for t in sets]
        return calls, lambda: {"output": sets[0]["output"].transpose(1, 0, 2)}

    def _call(self, cell, t, mask):
        context = ggml.ggml_init(ggml.ggml_init_params(mem_size=1 << 20, mem_buffer=None, no_alloc=True))
        kind = {"f32": ggml.GGML_TYPE_F32, "bf16": ggml.GGML_TYPE_BF16, "f16": ggml.GGML_TYPE_F16}[cell.dtype]

        def tensor(array, kind):
            sizes = (ctypes.c_int64 * 4)(*([1] * 4 + list(array.shape))[:-5:-1])
            made = ggml.ggml_new_tensor(context, kind, 4, sizes)
            made.contents.data = array.ctypes.data
            return made

        output = ggml.ggml_flash_attn_ext(
            context, tensor(t["query"], ggml.GGML_TYPE_F32), tensor(t["key"], kind), tensor(t["value"], kind),
            None if mask is None else tensor(mask, ggml.GGML_TYPE_F16), cell.size ** -0.5, 0.0, 0.0)
        output.contents.data = t["output"].ctypes.data
        graph = ggml.ggml_new_graph_custom(context, 32, False)
        ggml.ggml_build_forward_expand(graph, output)
        plan = ggml.ggml_graph_plan(graph, self.threads, self.pool)
        work = np.zeros(plan.work_size + 64, np.uint8)
        plan.work_data = work.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        address = ctypes.byref(plan)
        call = lambda: ggml.ggml_graph_compute(graph, address)
        call.keeps = mask, work, plan
        return call
