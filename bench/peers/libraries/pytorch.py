"""PyTorch: the functions of torch, under inference mode. It allocates most results (__main__.py makes that cheap)."""

import numpy as np
import torch
import torch.nn.functional as F

from cells import EPSILON, SCALE
from libraries import Unsupported

aten = torch.ops.aten


class Library:
    def __init__(self, threads):
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.version = torch.__version__

    def prepare(self, cell, sets):
        if cell.operator == "attentionBackward" and cell.heads != cell.key_heads:
            raise Unsupported("grouped heads")
        name = "_attention" if cell.operator == "decode" else f"_{cell.operator}"
        calls = [getattr(self, name)(cell, {n: _tensor(array) for n, array in t.items()}) for t in sets]
        names = {"residualLayerNorm": ("y", "sum"), "residualRMSNorm": ("y", "sum"), "softmaxBackward": ("dx",),
                 "layerNormBackward": ("dx", "dweight", "dbias"), "attention": ("output",), "decode": ("output",),
                 "attentionBackward": ("dquery", "dkey", "dvalue")}.get(cell.operator, ("y",))

        def results():
            found = calls[0]()
            found = found if isinstance(found, tuple) else (found,)
            return {name: tensor.float().numpy() for name, tensor in zip(names, found)}

        return calls, results

    def _layerNorm(self, cell, t):
        x, weight, bias, shape = t["x"], t["weight"], t["bias"], (cell.columns,)
        return lambda: torch.native_layer_norm(x, shape, weight, bias, EPSILON)[0]

    def _rmsNorm(self, cell, t):
        x, weight, shape = t["x"], t["weight"], (cell.columns,)
        return lambda: torch.rms_norm(x, shape, weight, EPSILON)

    def _residualLayerNorm(self, cell, t):
        x, branch, total = t["x"], t["branch"], t["sum"]
        norm = self._layerNorm(cell, t | {"x": total})
        return lambda: (torch.add(x, branch, out=total), norm())[::-1]

    def _residualRMSNorm(self, cell, t):
        x, branch, total = t["x"], t["branch"], t["sum"]
        norm = self._rmsNorm(cell, t | {"x": total})
        return lambda: (torch.add(x, branch, out=total), norm())[::-1]

    def _layerNormBackward(self, cell, t):
        mean, rstd = (t[name].to(t["x"].dtype).unsqueeze(1) for name in ("mean", "rstd"))
        arguments = t["dy"], t["x"], (cell.columns,), mean, rstd, t["weight"], t["bias"], [True] * 3
        return lambda: aten.native_layer_norm_backward.default(*arguments)

    def _softmax(self, cell, t):
        x, y = t["x"], t["y"]
        return lambda: torch.softmax(x, -1, out=y)

    def _maskedSoftmax(self, cell, t):
        x, mask = t["x"].view(-1, cell.columns, cell.columns), t["mask"]
        return lambda: torch.softmax(torch.add(mask, x, alpha=SCALE), -1)

    def _softmaxBackward(self, cell, t):
        y, dy, dtype = t["y"], t["dy"], t["y"].dtype
        return lambda: torch._softmax_backward_data(dy, y, -1, dtype)

    def _attention(self, cell, t):
        query, key, value = t["query"], t["key"], t["value"]
        options = dict(is_causal=cell.causal, enable_gqa=cell.heads != cell.key_heads)
        return lambda: F.scaled_dot_product_attention(query, key, value, **options)

    def _attentionBackward(self, cell, t):
        query, key, value = t["query"], t["key"], t["value"]
        forward = aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, cell.causal)
        arguments = t["doutput"], query, key, value, *forward, 0.0, cell.causal
        return lambda: aten._scaled_dot_product_flash_attention_for_cpu_backward.default(*arguments)


def _tensor(array):
    if array.dtype == np.uint16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
