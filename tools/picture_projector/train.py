"""Trains the projector. Run from this folder. A run that was stopped goes on: the drawings and stage 0 are kept when they
are done, the other stages every ten steps.

    python train.py MODEL.gguf [--work DIR] [--bf16]
    OMP_NUM_THREADS=1 torchrun --nproc-per-node 2 train.py MODEL.gguf …

The second form shares a step's prompts among processes of one thread each: the same steps, and on a machine that others
use too much faster than two threads, which wait for each other in every matrix.

Stage 0 needs only the model's token embeddings: the rows of a picture learn to name its digit among other words. The
other stages put pictures into the prompt of the frozen model; the loss is the cross-entropy of the digit's token, over
the whole vocabulary.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors.torch import save_file
from tqdm import tqdm

import digits
from augment import draw, plain
from evict import Evict
from llama import Llama
from projector import Projector
from prompt import DIGITS, ask, before

SEED = 7
VIEWS = 16  # drawings made of each training digit
INKED, MARGIN = 2, 2.0
NAME = dict(epochs=1, batch=128, rate=3e-3, others=246)
ANSWERS = 16  # a step
KEPT = 0.2  # share of the pictures' rows that answers find in the steps that drop, kept by attention
# Rounds, each with its own warm-up and cosine. drop: share of its steps that drop. stages: steps, and the numbers of
# pictures a prompt of which each step takes one by lot. The second round is there for eight pictures.
ROUNDS = [dict(drop=0.5, stages=[(20, [1, 2]), (100, [1, 2, 4, 8]), (180, [1, 4, 4, 8, 8, 8])]),
          dict(drop=0.3, stages=[(450, [1, 2, 4, 8, 8, 8])])]
RATE, ENCODER_RATE, WARM, FLOOR = 1e-3, 5e-4, 10, 0.03


def drawings(work, images):
    """VIEWS augmented drawings of each digit, f16 [VIEWS * N, 28, 28], kept in a file."""
    file = work / "drawings.pt"
    if not file.exists():
        g = torch.Generator().manual_seed(SEED)
        parts = [draw(g, images[i : i + 64]).half()
                 for _ in range(VIEWS) for i in tqdm(range(0, len(images), 64), "drawing")]
        torch.save(torch.cat(parts), file)
    return torch.load(file)


def name(work, net, model, pool, labels, held):
    """Stage 0: the rows of the cells with most ink come near the digit's token embedding, the others near no digit's.

    A picture's logit for a token is the log-sum-exp, over its INKED rows, of row . embedding. Over all 16, most learn to
    name the digit, and then it matters little which are kept: before any step through the model, dropping 80 % by lot
    left 43 of 80 answers right and by score 35.
    """
    file = work / "named.pt"
    if not file.exists():
        g = torch.Generator().manual_seed(SEED + 1)
        other = torch.randint(100, len(model.embedding), (NAME["others"],), generator=g)
        words = model.embed(torch.cat([DIGITS, other])).T  # [576, 10 + others]
        batches = len(pool) // NAME["batch"]
        opt = torch.optim.AdamW(net.parameters(), NAME["rate"], weight_decay=0.02)
        plan = torch.optim.lr_scheduler.OneCycleLR(opt, NAME["rate"], NAME["epochs"] * batches, pct_start=0.1)
        bar = tqdm(total=NAME["epochs"] * batches, desc="names")
        for _ in range(NAME["epochs"]):
            for pick in torch.randperm(len(pool), generator=g).split(NAME["batch"])[:batches]:
                images = pool[pick].float()
                near = net(images) @ words  # [B, 16, words]
                ink = F.avg_pool2d(images[:, None], 7).flatten(1).topk(INKED).indices  # cells, as rows are numbered
                names = torch.zeros(near.shape[:2], dtype=torch.bool).scatter(1, ink, True)
                said = near.masked_fill(~names[..., None], -torch.inf).logsumexp(1)
                silent = F.softplus(near[..., :10].logsumexp(2) + MARGIN)[~names].mean()
                loss = F.cross_entropy(said, labels[pick]) + silent
                opt.zero_grad()
                loss.backward()
                opt.step()
                plan.step()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.3f}")
        with torch.no_grad():
            right = ((net(held[0]) @ words[:, :10]).logsumexp(1).argmax(1) == held[1]).sum().item()
        bar.close()
        print(f"names: {right} of {len(held[1])} held-out digits", flush=True)
        torch.save(net.state_dict(), file)
    net.load_state_dict(torch.load(file))


def teach(work, net, model, pool, labels):
    """The stages with the model."""
    plan = []  # a step each: lot, share of dropping, share of the learning rate
    for r in ROUNDS:
        lots = [lot for steps, lot in r["stages"] for _ in range(steps)]
        for i, lot in enumerate(lots):
            fall = FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * i / len(lots))) / 2
            plan.append((lot, r["drop"], min(1, (i + 1) / WARM) * fall))
    total = len(plan)
    late = ("out", "gain")
    groups = [{"params": [p for n, p in net.named_parameters() if n.startswith(late) == k], "top": r}
              for k, r in ((True, RATE), (False, ENCODER_RATE))]
    opt = torch.optim.AdamW(groups, weight_decay=0.02)
    step, file = 0, work / "projector.pt"
    if file.exists():
        saved = torch.load(file)
        net.load_state_dict(saved["net"])
        opt.load_state_dict(saved["opt"])
        step = saved["step"]
    past = before(model)
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    bar = tqdm(total=total, initial=step, desc="projector", disable=rank > 0)
    began, right, asked = time.time(), {}, 0
    while step < total:
        g = torch.Generator().manual_seed(SEED * 100_000 + step)  # a step draws the same after a restart
        lot, dropping, share = plan[step]
        for group in opt.param_groups:
            group["lr"] = group["top"] * share
        n = lot[torch.randint(len(lot), (), generator=g)]
        pick = torch.randint(len(pool), (ANSWERS // n, n), generator=g)[rank::ranks]
        rows = net(pool[pick].flatten(0, 1).float()).unflatten(0, pick.shape)
        drop = n > 1 and torch.rand((), generator=g) < dropping
        evict = (lambda prompt: Evict(prompt, round(KEPT * len(prompt.rows)))) if drop else None
        logits = ask(model, past, rows, evict).flatten(0, 1)
        want = DIGITS[labels[pick].flatten()]
        loss = F.cross_entropy(logits, want)
        opt.zero_grad()
        loss.backward()
        hit = (logits.argmax(1) == want).float().mean()
        if ranks > 1:
            flat = torch.cat([p.grad.flatten() for p in net.parameters()] + [loss.detach()[None], hit[None]]) / ranks
            dist.all_reduce(flat)
            torch.nn.utils.vector_to_parameters(flat[:-2], [p.grad for p in net.parameters()])
            loss, hit = flat[-2:]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        step, asked = step + 1, asked + ANSWERS
        hit = hit.item()
        n = f"{n}_drop" if drop else f"{n}"
        right[n] = 0.9 * right.get(n, hit) + 0.1 * hit
        bar.update()
        bar.set_postfix(loss=f"{loss.item():.3f}", **{f"of{k}": f"{v:.2f}" for k, v in sorted(right.items())})
        if rank == 0 and (step % 10 == 0 or step == total):
            saved = {"net": net.state_dict(), "opt": opt.state_dict(), "step": step}
            torch.save(saved, file.with_suffix(".new"))
            file.with_suffix(".new").replace(file)
            with open(work / "log.txt", "a") as log:
                seen = " ".join(f"{k}:{v:.2f}" for k, v in sorted(right.items()))
                log.write(f"{step} loss {loss.item():.3f} right {seen} {asked / (time.time() - began):.2f} answers/s\n")
    bar.close()


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("model")
    parse.add_argument("--work", type=Path, default=Path("work"), help="digits, drawings and checkpoints")
    parse.add_argument("--out", type=Path, default=Path("../../data/picture_projector.safetensors"))
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--bf16", action="store_true", help="the model's matrices in bfloat16 while training")
    a = parse.parse_args()
    a.work.mkdir(exist_ok=True, parents=True)
    torch.set_num_threads(a.threads)
    torch.manual_seed(SEED)
    if shared := dist.is_torchelastic_launched():
        dist.init_process_group("gloo")
    first = not shared or dist.get_rank() == 0
    net, model = Projector(), Llama(a.model, torch.bfloat16 if a.bf16 else torch.float32)
    for turn in (True, False):  # the first process makes the files, the others then read them
        if first == turn:
            (images, labels), (held, held_labels) = digits.mnist(a.work)
            pool, labels = drawings(a.work, images), torch.from_numpy(labels).repeat(VIEWS)
            name(a.work, net, model, pool, labels, (plain(held), torch.from_numpy(held_labels)))
        if shared:
            dist.barrier()
    teach(a.work, net, model, pool, labels)
    if first:
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, a.out)


if __name__ == "__main__":
    main()
