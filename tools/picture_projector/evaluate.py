"""How often the model reads the digit, on pictures that were never trained on. Prints counts.

    python evaluate.py MODEL.gguf [--weights FILE] [--only several,pens,others,blank,evict] [--questions 400]

An answer counts when the digit's token is the most probable of all 49,152.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import digits
from augment import PENS, deform, enlarge, finish, plain
from evict import Evict
from llama import Llama
from projector import Projector
from prompt import DIGITS, ask, before

SEED = 2025
KEEPING = [("after", "score", False), ("after", "score", True), ("after", "question", False), ("after", "random", False),
           ("before", "score", False), ("before", "random", False)]


class Reader:
    def __init__(self, model, net):
        self.model, self.net, self.past = model, net, before(model)

    @torch.no_grad()
    def right(self, images, labels, pictures, evict=None):
        """images [N, 28, 28], N a multiple of `pictures` -> (right, asked)."""
        right, each = 0, max(1, 8 // pictures) * pictures
        for i in range(0, len(images), each):
            rows = self.net(images[i : i + each]).unflatten(0, (-1, pictures))
            said = ask(self.model, self.past, rows, evict).argmax(-1).flatten()
            right += (said == DIGITS[labels[i : i + each]]).sum().item()
        return right, len(images)


def sample(g, images, labels, n):
    """n of the images, every digit equally often, in an order by lot."""
    pick = np.concatenate([np.resize(np.nonzero(labels == d)[0], -(-n // 10)) for d in range(10)])
    pick = pick[torch.randperm(len(pick), generator=g).numpy()][:n]
    return images[pick], torch.from_numpy(labels[pick])


def report(name, right, asked):
    print(f"{name:64} {right:4} of {asked:4}  {100 * right / asked:5.1f} %", flush=True)


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("model")
    parse.add_argument("--weights", default="../../data/picture_projector.safetensors")
    parse.add_argument("--work", type=Path, default=Path("work"))
    parse.add_argument("--only", default="several,pens,others,blank,evict")
    parse.add_argument("--questions", type=int, default=400, help="a cell; of pens a quarter")
    parse.add_argument("--shares", default="0.5,0.2,0", help="of the picture rows that are kept")
    parse.add_argument("--threads", type=int, default=2)
    a = parse.parse_args()
    torch.set_num_threads(a.threads)
    net = Projector()
    state = load_file(a.weights) if a.weights.endswith(".safetensors") else torch.load(a.weights)["net"]
    net.load_state_dict(state)
    read = Reader(Llama(a.model), net)
    _, (held, labels) = digits.mnist(a.work)
    only = a.only.split(",")
    make = lambda: torch.Generator().manual_seed(SEED)

    if "several" in only:
        for n in (1, 2, 4, 8):
            images, want = sample(make(), held, labels, a.questions)
            report(f"held-out digits, {n} a prompt", *read.right(plain(images), want, n))
    if "pens" in only:
        total = np.zeros(2, int)
        for name, pen in PENS.items():
            g = make()
            images, want = sample(g, held, labels, a.questions // 4)
            got = read.right(finish(pen(g, deform(g, enlarge(images), 20))), want, 1)
            total += got
            report(f"deformed, pen {name}", *got)
        report("deformed, all pens", *total)
    if "others" in only:
        images, want = sample(make(), *digits.others(), a.questions)
        report("scikit-learn's digits, never trained on", *read.right(plain(images), want, 1))
    if "blank" in only:
        want = torch.arange(10)
        report("blank picture (chance is 10 %)", *read.right(torch.zeros(10, 28, 28), want, 1))
    if "evict" in only:
        images, want = sample(make(), held, labels, a.questions)
        images = plain(images)
        for share in map(float, a.shares.split(",")):
            keep = round(16 * 4 * share)
            for when, by, merge in KEEPING if keep else [("after", "random", False), ("before", "random", False)]:
                got = read.right(images, want, 4, lambda p: Evict(p, keep, by, when, merge))
                report(f"4 pictures, {keep} of 64 rows {when} the question, by {by}{', merged' * merge}", *got)


if __name__ == "__main__":
    main()
