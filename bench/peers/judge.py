"""The judge: results against float64, on some rows and heads of the first set. A wrong result is not timed."""

import numpy as np

from cells import EPSILON, SCALE, widened

# Of the largest magnitude of the result. bfloat16 keeps 8 bits, float16 11; libraries round between their steps.
TOLERANCE = {"f32": 1e-4, "bf16": 3e-2, "f16": 4e-3}


def error(cell, tensors, results):
    """The largest error over the largest magnitude, among what was looked at."""
    expected = (_attention if cell.heads else _rows)(cell, tensors)
    worst = 0.0
    for name, (index, reference) in expected.items():
        found = np.asarray(results[name], np.float64).reshape(tensors[name].shape)[index]
        difference = np.abs(found - reference).max() / np.abs(reference).max()
        worst = max(worst, difference if np.isfinite(difference) else np.inf)
    return float(worst)


def _rows(cell, t):
    wide = lambda array: widened(array, cell.dtype).astype(np.float64)
    mean = lambda array: array.mean(1, keepdims=True)
    some = np.unique(np.linspace(0, cell.rows - 1, 7, dtype=int))
    x = wide(t["x"][some])
    if cell.operator == "softmax":
        return {"y": (some, _softmax(x))}
    if cell.operator == "maskedSoftmax":
        return {"y": (some, _softmax(SCALE * x + t["mask"][some % cell.columns]))}
    if cell.operator == "softmaxBackward":
        y, dy = wide(t["y"][some]), wide(t["dy"][some])
        return {"dx": (some, y * (dy - (y * dy).sum(1, keepdims=True)))}
    weight, bias = wide(t["weight"]), wide(t["bias"])
    if cell.operator == "layerNormBackward":
        normalized = lambda rows: (wide(t["x"][rows]) - t["mean"][rows, None]) * t["rstd"][rows, None]
        g, n = wide(t["dy"][some]) * weight, normalized(some)
        dx = t["rstd"][some, None] * (g - mean(g) - n * mean(g * n))
        dy = wide(t["dy"])
        return {"dx": (some, dx), "dbias": (..., dy.sum(0)), "dweight": (..., (dy * normalized(slice(None))).sum(0))}
    expected = {}
    if cell.operator.startswith("residual"):
        x = x + wide(t["branch"][some])
        expected["sum"] = (some, x)
    is_rms = cell.operator.lower().endswith("rmsnorm")
    centred = x if is_rms else x - mean(x)
    y = centred / np.sqrt(mean(centred ** 2) + EPSILON) * weight + (0 if is_rms else bias)
    return expected | {"y": (some, y)}


def _softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _attention(cell, t):
    head = cell.heads - 1
    key_head = head * cell.key_heads // cell.heads
    wide = lambda name, h: widened(t[name][0, h], cell.dtype).astype(np.float64)
    query, key, value = wide("query", head), wide("key", key_head), wide("value", key_head)
    scale = cell.size ** -0.5
    is_backward = cell.operator == "attentionBackward"
    some = np.arange(cell.queries) if is_backward else np.unique(np.linspace(0, cell.queries - 1, 7, dtype=int))
    scores = query[some] @ key.T * scale
    if cell.causal:
        scores[np.arange(cell.keys) > some[:, None]] = -np.inf
    p = _softmax(scores)
    if not is_backward:
        return {"output": ((0, head, some), p @ value)}
    doutput = wide("doutput", head)
    dp = doutput @ value.T
    ds = p * (dp - (dp * p).sum(1, keepdims=True)) * scale
    return {"dquery": ((0, head), ds @ key), "dkey": ((0, key_head), ds.T @ query),
            "dvalue": ((0, key_head), p.T @ doutput)}
