"""Makes blocks.json: random blocks of every ggml format that is read, decoded by the `gguf` Python package.

    pip install numpy gguf==0.19.0
    python make.py > blocks.json

Scales (f16 fields) are drawn as small numbers, the rest of a block as random bytes. Values are f32 bits in hex.
"""

import json
import sys

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize

# (format, elements of a block, bytes of a block, offsets of its f16 fields)
FORMATS = [
    ("F32", 1, 4, None),
    ("F16", 1, 2, [0]),
    ("BF16", 1, 2, None),
    ("Q4_0", 32, 18, [0]),
    ("Q4_1", 32, 20, [0, 2]),
    ("Q5_0", 32, 22, [0]),
    ("Q5_1", 32, 24, [0, 2]),
    ("Q8_0", 32, 34, [0]),
    ("Q4_K", 256, 144, [0, 2]),
    ("Q5_K", 256, 176, [0, 2]),
    ("Q6_K", 256, 210, [208]),
    ("IQ4_NL", 32, 18, [0]),
]

rng = np.random.default_rng(7)
cases = []
for name, elements, size, halves in FORMATS:
    count = 64 if elements == 1 else 2 if elements == 256 else 3
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if name in ("F32", "BF16"):
        floats = rng.standard_normal(count).astype(np.float32).view(np.uint8).reshape(count, 4)
        data = floats if name == "F32" else np.ascontiguousarray(floats[:, 2:])
    for at in halves or []:
        data[:, at : at + 2] = (rng.standard_normal(count) * 0.01).astype(np.float16).view(np.uint8).reshape(count, 2)
    raw = np.ascontiguousarray(data).reshape(1, -1)
    values = dequantize(raw, getattr(T, name)) if name not in ("F32", "F16") else raw.view(
        np.float32 if name == "F32" else np.float16
    ).astype(np.float32)
    bits = np.ascontiguousarray(values, dtype=np.float32).reshape(-1).view(np.uint32)
    cases.append({"kind": name, "bytes": raw.tobytes().hex(), "values": [f"{b:08x}" for b in bits]})
json.dump({"cases": cases}, sys.stdout, separators=(",", ":"))
print()
