"""What is measured: operators on shapes, their inputs, and what they must move and compute at least."""

import dataclasses
import functools
import itertools

import numpy as np

EPSILON = 1e-5
SCALE = 0.125  # of masked scores
COLD_BYTES = 160 << 20  # a cold cell cycles through at least as much memory
STORAGE = {"f32": np.float32, "bf16": np.uint16, "f16": np.float16}  # numpy has no bfloat16: its bits

# Tensors of the shape (rows, columns) that a row operator must read and write.
READS_WRITES = {
    "layerNorm": (1, 1), "rmsNorm": (1, 1), "residualLayerNorm": (2, 2), "residualRMSNorm": (2, 2),
    "layerNormBackward": (2, 1), "softmax": (1, 1), "maskedSoftmax": (1, 1), "softmaxBackward": (2, 1),
}


@dataclasses.dataclass(frozen=True)
class Cell:
    operator: str
    dtype: str
    rows: int = 0
    columns: int = 0
    heads: int = 0
    key_heads: int = 0
    queries: int = 0
    keys: int = 0
    size: int = 0  # of a head
    causal: bool = False
    cold: bool = False

    @property
    def name(self):
        shape = f"{self.rows}x{self.columns}"
        if self.heads:
            heads = f"{self.heads}" if self.heads == self.key_heads else f"{self.heads}/{self.key_heads}"
            length = f"{self.keys}" if self.queries == self.keys else f"{self.queries}:{self.keys}"
            shape = f"{heads}x{length}x{self.size}" + (" causal" if self.causal else "")
        return f"{self.operator} {self.dtype} {shape}" + (" cold" if self.cold else "")

    @property
    def family(self):
        return f"{self.operator} {self.dtype}"

    @property
    def element_size(self):
        return np.dtype(STORAGE[self.dtype]).itemsize

    @property
    def bytes(self):
        """Moved at least."""
        if not self.heads:
            return sum(READS_WRITES[self.operator]) * self.rows * self.columns * self.element_size
        query, key = self.heads * self.queries * self.size, self.key_heads * self.keys * self.size
        return (4 if self.operator == "attentionBackward" else 2) * (query + key) * self.element_size

    @property
    def multiply_adds(self):
        """In the products of attention; a causal mask leaves out what takes no part."""
        pairs = self.queries * (self.queries + 1) // 2 if self.causal else self.queries * self.keys
        return self.heads * pairs * self.size * (5 if self.operator == "attentionBackward" else 2)

    @property
    def sets(self):
        """How many sets of tensors calls take in turn."""
        return max(2, -(-COLD_BYTES // self.bytes)) if self.cold else 1


def all_cells():
    rows = [(1, 768), (128, 768), (512, 1024), (4096, 768), (4096, 4096), (65536, 256), (8192, 64)]
    cold = [(128, 768), (512, 1024), (4096, 768), (8192, 64)]
    pair = [(512, 1024), (4096, 4096)]
    scores = [(128, 64), (1536, 128), (4096, 1024), (4096, 4096), (512, 50257)]
    cells = []

    def add(operator, dtype, shapes, cold=False):
        cells.extend(Cell(operator, dtype, r, c, cold=cold) for r, c in shapes)

    for operator in ("layerNorm", "rmsNorm", "residualLayerNorm"):
        add(operator, "f32", rows)
        add(operator, "f32", cold, cold=True)
    add("residualRMSNorm", "f32", pair)
    add("layerNorm", "bf16", rows)
    for operator in ("rmsNorm", "residualLayerNorm"):
        add(operator, "bf16", pair)
    add("layerNorm", "f16", pair)
    add("layerNormBackward", "f32", [(4096, 768), (4096, 4096)])
    add("layerNormBackward", "f32", [(4096, 768)], cold=True)
    add("layerNormBackward", "bf16", [(4096, 768)])
    add("softmax", "f32", scores)
    add("softmax", "f32", [(1536, 128), (4096, 1024)], cold=True)
    add("softmax", "bf16", scores)
    add("softmax", "f16", [(4096, 1024)])
    for is_cold in (False, True):
        add("softmaxBackward", "f32", [(4096, 1024)], cold=is_cold)
    add("maskedSoftmax", "f32", [(12 * 512, 512)])

    def attention(dtype, heads, key_heads, queries, keys, size, operator="attention", **options):
        cells.append(Cell(operator, dtype, 0, 0, heads, key_heads, queries, keys, size, **options))

    for length, causal in itertools.product((128, 512, 2048), (False, True)):
        attention("f32", 12, 12, length, length, 64, causal=causal)
    attention("f32", 32, 32, 1024, 1024, 128, causal=True)
    attention("f32", 32, 8, 512, 512, 128, causal=True)
    for length in (128, 512, 2048):
        attention("bf16", 12, 12, length, length, 64)
    attention("bf16", 32, 32, 1024, 1024, 128, causal=True)
    attention("f32", 32, 32, 1, 2048, 128, "decode")
    for is_cold in (False, True):
        attention("f32", 32, 8, 1, 2048, 128, "decode", cold=is_cold)
        attention("bf16", 32, 8, 1, 2048, 128, "decode", cold=is_cold)
    for causal in (False, True):
        attention("f32", 12, 12, 512, 512, 64, "attentionBackward", causal=causal)
    attention("bf16", 12, 12, 512, 512, 64, "attentionBackward")
    return cells


# Numbers


def widened(array, dtype):
    """As float32, exactly."""
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "bf16" else array.astype(np.float32)


def rounded(array, dtype):
    """From float32 to a storage type, to nearest even."""
    if dtype != "bf16":
        return array.astype(STORAGE[dtype])
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


@functools.lru_cache(None)
def _normal(dtype):
    return rounded(np.random.default_rng(1).standard_normal((1 << 20) + 4096, np.float32), dtype)


def empty(shape, dtype):
    """Zeros at a multiple of 64 bytes."""
    count, size = int(np.prod(shape)), np.dtype(dtype).itemsize
    memory = np.zeros(count * size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start:start + count * size].view(dtype).reshape(shape)


def normal(shape, dtype, seed):
    """Normal numbers; other seeds give others."""
    array, start = empty(shape, STORAGE[dtype]), seed * 37 % 4096
    flat, source = array.reshape(-1), _normal(dtype)[start:start + (1 << 20)]
    for first in range(0, flat.size, source.size):
        part = flat[first:first + source.size]
        part[:] = source[:part.size]
    return array


def tensors(cell):
    """One dictionary of inputs and outputs a set."""
    return [(_attention_tensors if cell.heads else _row_tensors)(cell, 10 * k) for k in range(cell.sets)]


def _row_tensors(cell, seed):
    shape, dtype = (cell.rows, cell.columns), cell.dtype
    t = {"x": normal(shape, dtype, seed), "y": empty(shape, STORAGE[dtype])}
    for name, offset in (("weight", 1), ("bias", 0)):
        t[name] = empty(shape[1:], STORAGE[dtype])
        t[name][:] = rounded(offset + 0.1 * widened(_normal("f32")[offset:][:shape[1]], "f32"), dtype)
    if cell.operator.startswith("residual"):
        t |= {"branch": normal(shape, dtype, seed + 1), "sum": empty(shape, STORAGE[dtype])}
    if cell.operator.endswith("Backward"):
        t |= {"dy": normal(shape, dtype, seed + 1), "dx": empty(shape, STORAGE[dtype])}
    x = widened(t["x"], dtype)
    if cell.operator == "layerNormBackward":
        for name, values in (("mean", x.mean(1)), ("variance", x.var(1)), ("rstd", (x.var(1) + EPSILON) ** -0.5)):
            t[name] = empty(values.shape, np.float32)
            t[name][:] = values
        t |= {"dweight": empty(shape[1:], STORAGE[dtype]), "dbias": empty(shape[1:], STORAGE[dtype])}
    if cell.operator == "softmaxBackward":
        e = np.exp(x - x.max(1, keepdims=True))
        t["y"][:] = rounded(e / e.sum(1, keepdims=True), dtype)
    if cell.operator == "maskedSoftmax":
        t["mask"] = empty((cell.columns, cell.columns), np.float32)
        t["mask"][np.triu_indices(cell.columns, 1)] = -np.inf
    return t


def _attention_tensors(cell, seed):
    query, key = (1, cell.heads, cell.queries, cell.size), (1, cell.key_heads, cell.keys, cell.size)
    t = {"query": normal(query, cell.dtype, seed), "key": normal(key, cell.dtype, seed + 1),
         "value": normal(key, cell.dtype, seed + 2), "output": empty(query, STORAGE[cell.dtype])}
    if cell.operator == "attentionBackward":
        t["doutput"] = normal(query, cell.dtype, seed + 3)
        t |= {name: empty(shape, STORAGE[cell.dtype])
              for name, shape in (("dquery", query), ("dkey", key), ("dvalue", key))}
    return t
