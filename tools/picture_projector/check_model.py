"""Compares llama.py with the golden logits of the same file (tests/golden/real_model). Run from this folder."""

import sys

import torch
from safetensors.torch import load_file

from llama import Llama

model = Llama(sys.argv[1])
for name in ("chat", "text", "code"):
    want = load_file(f"../../tests/golden/real_model/{name}.safetensors")
    ids = want["prompt_ids"].long()[None]
    with torch.no_grad():
        x, _ = model.forward(model.embed(ids), torch.arange(ids.shape[1]))
        got = model.logits(x[0, -1])
    print(name, ids.shape[1], "tokens, largest difference of a logit", (got - want["last_logits"]).abs().max().item())
    assert got.argmax() == want["last_logits"].argmax()
    torch.testing.assert_close(got, want["last_logits"], atol=1e-2, rtol=0)
