"""One module a library. Each has a class

    Library(threads, ...)     with `version`, a text
    .prepare(cell, sets)      -> (one call a set, results of the first set: () -> {name: float32 array})

and raises Unsupported for a cell that its library has no counterpart of.
"""

# Name in tables -> module and arguments of its Library. The limits move the same bytes, or multiply as often.
LIBRARIES = {
    "ours": ("ckernels",),
    "copy": ("limits", False),
    "streaming copy": ("limits", True),
    "PyTorch": ("pytorch",),
    "ONNX Runtime": ("onnx_runtime",),
    "oneDNN 3.2": ("one_dnn", "onednn-gomp"),
    "oneDNN": ("one_dnn", "onednn-sycl"),
    "OpenVINO": ("open_vino",),
    "ggml": ("ggml_cpu",),
}
LIMITS = ("copy", "streaming copy")


class Unsupported(Exception):
    pass
