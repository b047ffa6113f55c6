"""The prompt: text pieces around picture rows, several questions packed behind the same pictures.

    before | Picture A shows the digit [16 rows] .\\n | Picture B … | Which digit is in picture A? turn Picture A shows the digit

A packed question sees the pictures and itself, at the positions it would have alone, so one forward asks them all. What
stands before the first picture never changes: its keys and values are computed once.
"""

import json
from pathlib import Path

import torch

from projector import ROWS

PIECES = json.loads((Path(__file__).parent / "pieces.json").read_text())
DIGITS = torch.tensor(PIECES["digit"])


class Prompt:
    """Places of everything for `pictures` pictures and the questions about `asked` (indices of pictures)."""

    def __init__(self, pictures, asked=None):
        asked = range(pictures) if asked is None else asked
        ids, at, owner = [], [], []  # owner: -1 = pictures, else the question
        first = len(PIECES["before"])
        self.rows = []  # places of the picture rows
        for i in range(pictures):
            ids += PIECES["picture"][i]
            self.rows += range(len(ids), len(ids) + ROWS)
            ids += [0] * ROWS + PIECES["end"]
        self.shown = len(ids)  # tokens of the pictures' part
        at, owner = list(range(first, first + len(ids))), [-1] * len(ids)
        self.start = []  # places where a question begins
        self.last = []  # places whose next token is the digit
        self.turn_end = []  # places of the last token of `turn`
        for q, i in enumerate(asked):
            said = PIECES["question"][i] + PIECES["turn"] + PIECES["answer"][i]
            self.start.append(len(ids))
            ids += said
            at += range(first + self.shown, first + self.shown + len(said))
            owner += [q] * len(said)
            self.last.append(len(ids) - 1)
            self.turn_end.append(len(ids) - 1 - len(PIECES["answer"][i]))
        self.ids, self.positions, owner = torch.tensor(ids), torch.tensor(at), torch.tensor(owner)
        seen = (owner[None] == -1) | (owner[None] == owner[:, None])
        seen = seen.tril()
        self.mask = torch.cat([torch.ones(len(ids), first, dtype=torch.bool), seen], 1)  # [T, first + T]

    def fill(self, model, rows):
        """rows [B, pictures, 16, 576] -> the prompt's rows [B, T, 576]."""
        text = model.embed(self.ids).expand(len(rows), -1, -1)
        return text.index_copy(1, torch.tensor(self.rows), rows.flatten(1, 2))


def before(model):
    """Keys and values of the text before the first picture."""
    with torch.no_grad():
        ids = torch.tensor(PIECES["before"])[None]
        return model.forward(model.embed(ids), torch.arange(ids.shape[1]))[1]


def ask(model, past, rows, evict=None):
    """rows [B, pictures, 16, 576] -> logits [B, pictures, 49152] of the token after each question's answer began.

    evict(prompt) makes what replaces attention.
    """
    prompt = Prompt(rows.shape[1])
    full = prompt.fill(model, rows)
    if evict is None:
        x, _ = model.forward(full, prompt.positions, prompt.mask, past, last=prompt.last)
    else:  # in every layer, all rows vote
        x = model.forward(full, prompt.positions, prompt.mask, past, evict(prompt))[0][:, prompt.last]
    return model.logits(x)
