"""Makes Sources/Verification/Resources/minilm_layer_norm.safetensors.

Input: minilm_activations.safetensors, the activations of all-MiniLM-L6-v2 (Apache-2.0) on four short
sentences, padded to 24 tokens: inputs as F32, results and gradients in F64, computed by PyTorch in float64
from those F32 inputs. Output: the tensors of its three LayerNorm stages, unchanged, and the metadata. The
attention stages normalize x + residual.

    python3 scripts/extract_minilm.py PATH/minilm_activations.safetensors
"""

import json
import struct
import sys
from pathlib import Path

STAGES = ("embedding_norm", "layer0.attention_norm", "layer5.attention_norm")
FIELDS = ("x", "residual", "weight", "bias", "y", "dy", "dx", "dweight", "dbias")
OUTPUT = Path(__file__).parent.parent / "Sources/Verification/Resources/minilm_layer_norm.safetensors"


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    (header_size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_size])
    body = data[8 + header_size :]

    kept, chunks, position = {"__metadata__": header["__metadata__"]}, [], 0
    names = [f"{stage}.{field}" for stage in STAGES for field in FIELDS]
    for name in (name for name in names if name in header):
        begin, end = header[name]["data_offsets"]
        kept[name] = header[name] | {"data_offsets": [position, position + end - begin]}
        chunks.append(body[begin:end])
        position += end - begin

    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    OUTPUT.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


if __name__ == "__main__":
    main()
