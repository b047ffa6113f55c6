"""Attention that drops picture rows from the cache before the answer: an estimate of what LOOK-M can win over chance.

Each layer and KV head keeps the `keep` picture rows with the most attention, summed over the rows that vote and the
three query heads of the group, and all text. `after`: the prompt, its question included, is read in full and the answer's
words read what is left (the paper's order). `before`: the question already reads what is left. Training uses it too; of
accuracy the engine's own evaluation is the authority.
"""

import torch
import torch.nn.functional as F

from llama import HEADS, KV_HEADS
from prompt import PIECES, Prompt

FIRST = len(PIECES["before"])
GROUP = HEADS // KV_HEADS


class Evict:
    """`attend` of Llama.forward for packed questions.

    by: "score" (all rows vote), "question" (its rows alone vote) or "random". merge: each dropped row is folded into the
    kept key it is most like, as LOOK-M's pivotal merge does; only `after`.
    """

    def __init__(self, prompt: Prompt, keep, by="score", when="after", merge=False, seed=0):
        self.prompt, self.keep, self.by, self.when, self.merge = prompt, keep, by, when, merge
        self.random = torch.Generator().manual_seed(seed)
        self.columns = FIRST + torch.tensor(prompt.rows)

    def __call__(self, layer, q, k, v, mask):
        wide = [y.repeat_interleave(GROUP, 1) for y in (k, v)]
        logits = (q @ wide[0].transpose(2, 3) * q.shape[-1] ** -0.5).masked_fill(~mask, -torch.inf)  # [B, 9, T, S]
        lost = self.lost(logits.detach())
        logits[..., self.columns] = logits[..., self.columns].masked_fill(lost.repeat_interleave(GROUP, 1), -torch.inf)
        out = logits.softmax(-1) @ wide[1]
        if self.merge:
            for turn, last in zip(self.prompt.turn_end, self.prompt.last):
                span = slice(turn + 1, last + 1)
                mk, mv = (y.repeat_interleave(GROUP, 1) for y in self.folded(k, v, lost[:, :, last], mask[turn]))
                merged = q[:, :, span] @ mk.transpose(2, 3) * q.shape[-1] ** -0.5
                out[:, :, span] = merged.masked_fill(logits[:, :, span] == -torch.inf, -torch.inf).softmax(-1) @ mv
        return out

    def lost(self, logits):
        """[B, 3, T, pictures * 16]: the picture rows that a row no longer finds."""
        votes = logits.softmax(-1)[..., self.columns].unflatten(1, (KV_HEADS, -1)).sum(2)
        common = votes[:, :, : self.prompt.shown].sum(2)
        lost = torch.zeros_like(votes, dtype=torch.bool)
        for start, turn, last in zip(self.prompt.start, self.prompt.turn_end, self.prompt.last):
            own = votes[:, :, start : turn + 1].sum(2)
            if self.by == "random":
                score = torch.rand(own.shape, generator=self.random)
            elif self.when == "before":
                score = common
            else:
                score = own if self.by == "question" else common + own
            gone = torch.ones_like(score, dtype=torch.bool).scatter(-1, score.topk(self.keep).indices, False)
            lost[:, :, (turn + 1 if self.when == "after" else start) : last + 1] = gone[:, :, None]
        return lost

    def folded(self, k, v, gone, seen):
        """Keys and values, the rows `gone` [B, 3, pictures * 16] folded into those kept of what the prompt has seen [S]."""
        kept = seen.expand(k.shape[:3]).clone()
        kept[..., self.columns] &= ~gone
        unit = F.normalize(k, dim=-1)
        near = (unit[:, :, self.columns] @ unit.transpose(2, 3)).masked_fill(~kept[:, :, None], -torch.inf).argmax(-1)
        into = F.one_hot(near, k.shape[2]).to(k.dtype) * gone[..., None]  # [B, 3, pictures * 16, S]
        n = into.sum(2)[..., None]
        return [(y * (1 + n / 2) + into.transpose(2, 3) @ y[:, :, self.columns] / 2) / (n + 1) for y in (k, v)]
