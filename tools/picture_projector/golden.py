"""Writes what the engine is compared with: tests/golden/picture/, and the digits in data/picture_digits.safetensors.

    python golden.py [--work DIR]

The drawings are polylines under a round brush at sizes and places that try every rule of the preprocessing.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file

import digits
from preprocess import preprocess
from projector import Projector

ROOT = Path(__file__).parent / "../.."
EACH = 40  # held-out digits of each kind for the engine's evaluation


def pen(h, w, lines, radius, soft=1.0):
    """u8 [h, w]: polylines of (y, x), ink within `radius` pixels, fading over `soft`."""
    y, x = np.mgrid[:h, :w] + 0.5
    far = np.full((h, w), np.inf)
    for line in lines:
        for (y0, x0), (y1, x1) in zip(line, line[1:]):
            dy, dx = y1 - y0, x1 - x0
            t = np.clip(((y - y0) * dy + (x - x0) * dx) / max(dy * dy + dx * dx, 1e-9), 0, 1)
            far = np.minimum(far, np.hypot(y - y0 - t * dy, x - x0 - t * dx))
    return np.rint(np.clip((radius - far) / soft + 0.5, 0, 1) * 255).astype(np.uint8)


def ring(cy, cx, ry, rx, begin=0.0, end=2 * np.pi):
    a = np.linspace(begin, end, 40)
    return list(zip(cy + ry * np.sin(a), cx + rx * np.cos(a)))


def drawings():
    grey = pen(90, 70, [ring(30, 36, 14, 16, np.pi, 2.4 * np.pi), [(40, 46), (70, 18), (70, 56)]], 3.5, 3.0)
    return {
        "seven_40x60": pen(40, 60, [[(8, 20), (8, 40), (34, 26)]], 1.8),
        "two_grey_90x70": (grey * 0.55).astype(np.uint8),
        "three_border_50x33": pen(50, 33, [ring(12, 14, 13, 16, -2.5, 1.5), ring(37, 14, 14, 19, -1.5, 2.5)], 3.0),
        "eight_symmetric_61x41": pen(61, 41, [ring(20.5, 20.5, 8, 7), ring(38.5, 20.5, 10, 9)], 2.2),
        "one_thin_200x280": pen(200, 280, [[(30, 200), (170, 200)]], 1.2, 0.5),
        "empty_40x60": np.full((40, 60), 25, np.uint8),
        "five_scikit_8x8": digits.others()[0][5],
    }


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--work", type=Path, default=Path("work"))
    parse.add_argument("--weights", default=ROOT / "data/picture_projector.safetensors")
    a = parse.parse_args()
    net = Projector()
    net.load_state_dict(load_file(a.weights))
    out = ROOT / "tests/golden/picture"
    out.mkdir(parents=True, exist_ok=True)
    for name, ink in drawings().items():
        image = preprocess(ink)
        with torch.no_grad():
            rows = net(torch.from_numpy(image)[None])[0].numpy()
        save_file({"ink": ink, "image": image, "rows": rows}, out / f"{name}.safetensors")
    _, (held, labels) = digits.mnist(a.work)
    pick = np.concatenate([np.nonzero(labels == d)[0][:EACH] for d in range(10)])
    save_file({"images": held[pick], "labels": labels[pick].astype(np.uint8)}, ROOT / "data/picture_digits.safetensors")


if __name__ == "__main__":
    main()
