"""Makes minilm_layer_norm, minilm_scores and minilm_attention.safetensors in Sources/Verification/Resources.

Input: minilm_activations.safetensors, the activations of all-MiniLM-L6-v2 (Apache-2.0) on four short
sentences, padded to 24 tokens: inputs as F32, results and gradients in F64, computed by PyTorch in float64
from those F32 inputs. Output: the tensors of its three LayerNorm stages, and the scores and probabilities of its two
attention stages with the lengths of the sentences, unchanged, each with the metadata. The LayerNorms of the attention
stages normalize x + residual. Scores are products of queries and keys, not scaled (1 / sqrt(32)) and not masked. Of the
inputs, outputs and gradients of attention itself the first four of twelve heads.

    python3 scripts/extract_minilm.py PATH/minilm_activations.safetensors
"""

import json
import struct
import sys
from pathlib import Path

STAGES = ("embedding_norm", "layer0.attention_norm", "layer5.attention_norm")
FIELDS = ("x", "residual", "weight", "bias", "y", "dy", "dx", "dweight", "dbias")
SCORES = ("layer0.attention", "layer5.attention")
SCORE_FIELDS = ("scores", "probabilities", "logsumexp")
ATTENTION_FIELDS = ("q", "k", "v", "doutput", "output", "logsumexp", "dq", "dk", "dv")
ATTENTION_HEADS = 4
RESOURCES = Path(__file__).parent.parent / "Sources/Verification/Resources"


def elements(entry: dict, body: bytes, heads: int | None) -> tuple[list[int], bytes]:
    """The shape and bytes of a tensor, or of the first `heads` along its second axis."""
    begin, end = entry["data_offsets"]
    shape, data = entry["shape"], body[begin:end]
    if heads is None:
        return shape, data
    entries = [data[i * len(data) // shape[0] :][: len(data) // shape[0] * heads // shape[1]] for i in range(shape[0])]
    return [shape[0], heads, *shape[2:]], b"".join(entries)


def write(output: str, names: list[str], header: dict, body: bytes, heads: int | None = None) -> None:
    kept, chunks, position = {"__metadata__": header["__metadata__"]}, [], 0
    for name in (name for name in names if name in header):
        shape, data = elements(header[name], body, heads)
        kept[name] = header[name] | {"shape": shape, "data_offsets": [position, position + len(data)]}
        chunks.append(data)
        position += len(data)

    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (RESOURCES / output).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def main() -> None:
    data = Path(sys.argv[1]).read_bytes()
    (header_size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_size])
    body = data[8 + header_size :]
    write("minilm_layer_norm.safetensors", [f"{s}.{f}" for s in STAGES for f in FIELDS], header, body)
    scores = [f"{stage}.{field}" for stage in SCORES for field in SCORE_FIELDS]
    write("minilm_scores.safetensors", ["token_mask", *scores], header, body)
    attention = [f"{stage}.{field}" for stage in SCORES for field in ATTENTION_FIELDS]
    write("minilm_attention.safetensors", attention, header, body, ATTENTION_HEADS)


if __name__ == "__main__":
    main()
