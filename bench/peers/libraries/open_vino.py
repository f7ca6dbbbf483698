"""OpenVINO: attention, where it is among the fastest. (Its norms are patterns of smaller operators.)"""

import openvino
from openvino import opset13

from cells import widened
from libraries import Unsupported

TYPES = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16}


class Library:
    def __init__(self, threads):
        self.core, self.threads = openvino.Core(), threads
        self.version = openvino.__version__.split("-")[0]

    def prepare(self, cell, sets):
        if cell.operator not in ("attention", "decode") or cell.heads != cell.key_heads or cell.dtype not in TYPES:
            raise Unsupported("attention without groups alone")
        names, kind = ("query", "key", "value"), TYPES[cell.dtype]
        inputs = [opset13.parameter(list(sets[0][name].shape), kind, name) for name in names]
        attention = opset13.scaled_dot_product_attention(*inputs, causal=cell.causal)
        model = self.core.compile_model(openvino.Model([attention], inputs, "attention"), "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.threads, "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": cell.dtype})
        tensor = lambda array: openvino.Tensor(array, openvino.Shape(array.shape), kind)
        calls = []
        for t in sets:
            request = model.create_infer_request()
            for index, name in enumerate(names):
                request.set_input_tensor(index, tensor(t[name]))
            request.set_output_tensor(0, tensor(t["output"]))
            calls.append(lambda request=request: (request.start_async(), request.wait()))
        return calls, lambda: {"output": widened(sets[0]["output"], cell.dtype)}
