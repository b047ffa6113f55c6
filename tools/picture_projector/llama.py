"""SmolLM2-135M-Instruct, frozen: embeddings, 30 layers, tied head. No sampling, no cache of its own.

The weights are those of the project's Q4_1 file, de-quantised, so that the projector is trained against the numbers the
engine runs. RMSNorm gains are folded into the matrices that read the normalised rows; Q/K/V and gate/up are one matrix
each. GGUF stores the rows of Q and K for rotation of neighbours (2i, 2i+1); they are put back to halves (i, i+32).
"""

import gguf
import torch
import torch.nn.functional as F

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD = 30, 576, 9, 3, 64
THETA, EPS = 1e5, 1e-5


def _halves(rows):
    """[heads * 64, in] in GGUF's order -> the order in which dimension i rotates with i + 32."""
    return rows.view(-1, HEAD // 2, 2, rows.shape[1]).transpose(1, 2).reshape(rows.shape)


def _norm(x):
    """RMSNorm without its gain."""
    return F.rms_norm(x, (WIDTH,), eps=EPS)


def _times(x, matrix):
    return F.linear(x.to(matrix.dtype), matrix)


def _angles(positions):
    """Positions [T] -> cos and sin [T, 64]."""
    freq = THETA ** -(torch.arange(0, HEAD, 2, dtype=torch.float32) / HEAD)
    a = positions.float()[:, None] * freq
    a = torch.cat([a, a], 1)
    return a.cos(), a.sin()


def _rotate(x, cos, sin):
    """x [B, heads, T, 64]."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Llama:
    """Tensors of the model; nothing here requires a gradient, gradients flow through to the rows put in."""

    def __init__(self, path, dtype=torch.float32):
        """dtype: of the matrices. bfloat16 trains faster where the processor multiplies it; rows added up stay f32."""
        raw = {}
        for t in gguf.GGUFReader(path).tensors:
            raw[t.name] = torch.from_numpy(gguf.quants.dequantize(t.data, t.tensor_type).copy()).float()
        self.embedding = raw["token_embd.weight"]  # [49152, 576]
        self.head = (self.embedding * raw["output_norm.weight"]).to(dtype)  # [49152, 576]
        self.layers = []
        for i in range(LAYERS):
            w = {k: raw[f"blk.{i}.{k}.weight"] for k in
                 "attn_norm attn_q attn_k attn_v attn_output ffn_norm ffn_gate ffn_up ffn_down".split()}
            qkv = torch.cat([_halves(w["attn_q"]), _halves(w["attn_k"]), w["attn_v"]]) * w["attn_norm"]
            up = torch.cat([w["ffn_gate"], w["ffn_up"]]) * w["ffn_norm"]
            layer = qkv, w["attn_output"], up, w["ffn_down"]  # [960, 576], [576, 576], [3072, 576], [576, 1536]
            self.layers.append([m.to(dtype).contiguous() for m in layer])

    def embed(self, ids):
        """ids [...] -> rows [..., 576]."""
        return F.embedding(ids, self.embedding)

    def logits(self, rows):
        """Last hidden rows [..., 576] -> [..., 49152]."""
        return _times(_norm(rows), self.head).float()

    def forward(self, x, positions, mask=None, past=None, attend=None, last=None):
        """Rows x [B, T, 576] at positions [T] -> hidden rows, and each layer's (K, V), rotated, [B, 3, P + T, 64].

        past: (K, V) per layer, [1 or B, 3, P, 64], which all rows see. mask: [T, P + T] bool, true = seen;
        None: causal. attend(layer, q, k, v, mask) replaces attention, for evaluation. last: positions in the
        T rows whose output is wanted; the last layer computes no other.
        """
        b, t, _ = x.shape
        cos, sin = _angles(positions)
        p = past[0][0].shape[2] if past else 0
        if mask is None:
            mask = torch.ones(t, p + t, dtype=torch.bool).tril(p)
        kept = []
        for i, (qkv, out, up, down) in enumerate(self.layers):
            q, k, v = _times(_norm(x), qkv).float().split([HEADS * HEAD, KV_HEADS * HEAD, KV_HEADS * HEAD], -1)
            q, k, v = (y.view(b, t, -1, HEAD).transpose(1, 2) for y in (q, k, v))
            q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
            if past:
                k = torch.cat([past[i][0].expand(b, -1, -1, -1), k], 2)
                v = torch.cat([past[i][1].expand(b, -1, -1, -1), v], 2)
            kept.append((k, v))
            m = mask
            if last is not None and i == LAYERS - 1:
                q, x, m = q[:, :, last], x[:, last], mask[..., last, :]
            a = (attend or _attend)(i, q, k, v, m)
            x = x + _times(a.transpose(1, 2).reshape(b, q.shape[2], WIDTH), out)
            gate, value = _times(_norm(x), up).chunk(2, -1)
            x = x + _times(F.silu(gate) * value, down)
        return x, kept


def _attend(_layer, q, k, v, mask):
    """q [B, 9, T, 64], k and v [B, 3, S, 64]; query heads 3g..3g+2 read KV head g."""
    k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (k, v))
    return F.scaled_dot_product_attention(q, k, v, mask)
