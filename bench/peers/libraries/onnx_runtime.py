"""ONNX Runtime: one small graph a cell, its inputs and outputs bound to the cell's memory."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from cells import EPSILON, SCALE, widened
from libraries import Unsupported

MICROSOFT = "com.microsoft"
TYPES = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16}


class Library:
    def __init__(self, threads):
        self.options = onnxruntime.SessionOptions()
        self.options.add_session_config_entry("session.force_spinning_stop", "1")  # else it takes a core from the next
        self.options.intra_op_num_threads, self.options.inter_op_num_threads = threads, 1
        self.options.log_severity_level = 3
        self.version = onnxruntime.__version__

    def prepare(self, cell, sets):
        if cell.dtype not in TYPES or cell.operator.endswith("Backward"):
            raise Unsupported("inference of f32 and f16 alone")
        nodes, inputs, outputs, arrays = (_attention if cell.heads else _rows)(cell, sets)
        described = lambda shapes: [helper.make_tensor_value_info(n, TYPES[cell.dtype], s) for n, s in shapes.items()]
        scale = [helper.make_tensor("scale", TensorProto.FLOAT, [], [SCALE])] * (cell.operator == "maskedSoftmax")
        graph = helper.make_graph(nodes, cell.operator, described(inputs), described(outputs), scale)
        domains = [helper.make_opsetid("", 23), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=domains, ir_version=10)
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), self.options, ["CPUExecutionProvider"])
        except Exception as error:
            raise Unsupported(str(error)) from error
        calls = []
        for t in arrays:
            binding = session.io_binding()
            for bind, shapes in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
                for name, shape in shapes.items():
                    bind(name, "cpu", 0, t[name].dtype, shape, t[name].ctypes.data)
            calls.append(lambda binding=binding: session.run_with_iobinding(binding))

        def results():
            found = {name: widened(arrays[0][name], cell.dtype) for name in outputs}
            if "output" in found and len(outputs["output"]) == 3:  # [1, queries, heads * size]
                found["output"] = found["output"].reshape(cell.queries, cell.heads, cell.size).transpose(1, 0, 2)
            return found

        return calls, results


def _rows(cell, sets):
    x = [1, cell.rows, cell.columns]
    inputs, outputs = {"x": x}, {"y": x}
    if cell.operator.lower().endswith("norm"):
        is_rms, is_residual = cell.operator.lower().endswith("rmsnorm"), cell.operator.startswith("residual")
        inputs |= ({"branch": x} if is_residual else {}) | {"weight": [cell.columns]}
        inputs |= {} if is_rms else {"bias": [cell.columns]}
        kind = "Skip" * is_residual + "Simplified" * is_rms + "LayerNormalization"
        options = dict(domain=MICROSOFT) if is_residual else dict(axis=-1)
        if is_residual:
            outputs |= {"sum": x}
        names = ["y", "", "", "sum"] if is_residual else ["y"]
        return [helper.make_node(kind, list(inputs), names, epsilon=EPSILON, **options)], inputs, outputs, sets
    if cell.operator == "softmax":
        return [helper.make_node("Softmax", ["x"], ["y"], axis=-1)], inputs, outputs, sets
    n = cell.columns
    inputs, outputs = {"x": [cell.rows // n, n, n], "mask": [n, n]}, {"y": [cell.rows // n, n, n]}
    nodes = [helper.make_node("Mul", ["x", "scale"], ["scaled"]),
             helper.make_node("Add", ["scaled", "mask"], ["masked"]),
             helper.make_node("Softmax", ["masked"], ["y"], axis=-1)]
    return nodes, inputs, outputs, sets


def _attention(cell, sets):
    """MultiHeadAttention is the faster operator and wants [1, length, heads * size]; it has neither groups nor f16."""
    scale = cell.size ** -0.5
    if cell.heads == cell.key_heads and cell.dtype == "f32":
        merge = lambda a: np.ascontiguousarray(a.transpose(0, 2, 1, 3)).reshape(1, a.shape[2], -1)
        sets = [{name: merge(t[name]) for name in ("query", "key", "value", "output")} for t in sets]
        node = helper.make_node("MultiHeadAttention", ["query", "key", "value"], ["output"], domain=MICROSOFT,
                                num_heads=cell.heads, scale=scale, unidirectional=int(cell.causal))
    else:
        node = helper.make_node(
            "Attention", ["query", "key", "value"], ["output"], is_causal=int(cell.causal), scale=scale)
    shape = lambda name: list(sets[0][name].shape)
    return [node], {name: shape(name) for name in ("query", "key", "value")}, {"output": shape("output")}, sets
