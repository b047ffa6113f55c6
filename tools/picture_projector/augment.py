"""Changes a digit as another hand and pen would have drawn it. Batched in torch; every picture is then preprocessed.

Digits are first enlarged to 64 x 64 so that a stroke can become thicker by less than a pixel of the 28. Where on the
paper and how big it is drawn is undone by the preprocessing; what is left of both is how the crop falls.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from preprocess import preprocess

CANVAS = 64


def uniform(g, n, low, high):
    return torch.rand(n, generator=g) * (high - low) + low


def deform(g, x, angle=15.0, shear=0.2, scale=(0.85, 1.12), shift=2.0):
    """Rotation in degrees, shear, scale of each axis, shift in pixels of 28. x [B, 1, 64, 64]."""
    n = len(x)
    a, s = uniform(g, n, -angle, angle) * math.pi / 180, uniform(g, n, -shear, shear)
    kx, ky = uniform(g, n, *scale), uniform(g, n, *scale)
    c, d = a.cos(), a.sin()
    t = uniform(g, (n, 2), -shift, shift) / 14
    turn = torch.stack([c / kx, (s - d) / kx, t[:, 0], d / ky, c / ky, t[:, 1]], 1).view(n, 2, 3)
    return F.grid_sample(x, F.affine_grid(turn, x.shape, align_corners=False), align_corners=False)


def blur(x, sigma):
    """Gaussian; one sigma for all."""
    r = max(1, int(3 * sigma))
    k = torch.exp(-0.5 * (torch.arange(-r, r + 1) / sigma) ** 2)
    k = k / k.sum()
    return F.conv2d(F.conv2d(x, k.view(1, 1, 1, -1), padding=(0, r)), k.view(1, 1, -1, 1), padding=(r, 0))


def thicker(x, by):
    """A round brush of radius `by` pixels of 64."""
    out = x
    for dy in range(-by, by + 1):
        for dx in range(-by, by + 1):
            if 0 < dy * dy + dx * dx <= by * by + 1:
                out = torch.maximum(out, torch.roll(x, (dy, dx), (2, 3)))
    return out


def thinner(x, by):
    return 1 - thicker(1 - x, by)


def hard(x, at=0.5):
    """Edges of a pen that is on or off, with the width of a pixel."""
    return ((x - at) * 6 + 0.5).clamp(0, 1)


def gap(g, x):
    """A place where the pen left the paper: a disc of 1.5 to 3 pixels of 28 somewhere on the stroke is blank."""
    n, _, h, w = x.shape
    at = torch.multinomial(x.flatten(1) + 1e-6, 1, generator=g)[:, 0]
    y, z = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    r = uniform(g, n, 1.5, 3.0) * CANVAS / 28
    far = (y - (at // w).view(n, 1, 1)) ** 2 + (z - (at % w).view(n, 1, 1)) ** 2 > (r**2).view(n, 1, 1)
    return x * far[:, None]


# What a pen does, by name; evaluate.py reports each. Every one takes (generator, [B, 1, 64, 64]).
PENS = {
    "as it is": lambda g, x: x,
    "thick": lambda g, x: thicker(x, 2),
    "very thick, hard": lambda g, x: hard(blur(thicker(x, 3), 1.0)),
    "thin": lambda g, x: thinner(x, 1),
    "thin, hard": lambda g, x: hard(thinner(x, 1), 0.3),
    "hard": lambda g, x: hard(x),
    "blurred": lambda g, x: blur(x, 1.8),
    "with a gap": gap,
    "faint": lambda g, x: x * 0.6,
}


def enlarge(images):
    """u8 [B, 28, 28] -> [B, 1, 64, 64] with a margin, digits twice as large."""
    x = torch.from_numpy(np.ascontiguousarray(images)).float()[:, None] / 255
    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return F.pad(x, [(CANVAS - 56) // 2] * 4).clamp(0, 1)


def contrast(g, x):
    return (x * uniform(g, len(x), 0.8, 1.6).view(-1, 1, 1, 1)).clamp(0, 1)


def finish(x):
    """[B, 1, 64, 64] -> preprocessed [B, 28, 28]."""
    return torch.from_numpy(np.stack([preprocess(a) for a in x[:, 0].numpy()]))


def draw(g, images):
    """u8 [B, 28, 28] -> augmented, preprocessed [B, 28, 28]: each with its own deformation and a pen by lot."""
    x = deform(g, enlarge(images))
    names = list(PENS)
    lot = torch.randint(0, len(names) + 4, (len(x),), generator=g)  # some more as they are
    out = x.clone()
    for i, name in enumerate(names):
        if (pick := lot == i).any():
            out[pick] = PENS[name](g, x[pick])
    return finish(contrast(g, out))


def plain(images):
    """u8 [B, h, w] -> preprocessed [B, 28, 28]."""
    return torch.from_numpy(np.stack([preprocess(a) for a in images]))
