"""Drawing -> 28 x 28, step by step so that the engine can do the same to 1e-4 (numbered as in the card).

Plain numpy in float64; only the result is float32. Every rounding is a floor of something that no symmetric drawing
puts on the edge, because 1e-17 more or less must not move the digit by a pixel.
"""

import numpy as np

SIZE, LONG, INK = 28, 20, 0.1


def weights(n, m):
    """[m, n]: resize n samples to m, bilinear with antialiasing (a triangle as wide as the step), pixel centres at +0.5."""
    step = n / m
    width = max(step, 1.0)
    centre = (np.arange(m) + 0.5) * step
    w = np.maximum(0.0, 1.0 - np.abs(np.arange(n) + 0.5 - centre[:, None]) / width)
    return w / w.sum(1, keepdims=True)


def preprocess(ink):
    """ink [h, w]: u8 (255 = ink) or float (1 = ink), 0 = paper -> float32 [28, 28]."""
    a = ink / 255.0 if ink.dtype == np.uint8 else np.asarray(ink, np.float64)  # 1
    out = np.zeros((SIZE, SIZE))
    ys, xs = np.nonzero(a > INK)  # 2
    if len(ys) == 0:
        return out.astype(np.float32)
    a = a[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    h, w = a.shape
    nh, nw = (max(1, (2 * LONG * s + max(h, w)) // (2 * max(h, w))) for s in (h, w))  # 3: halves up, in integers
    a = np.clip(weights(h, nh) @ a @ weights(w, nw).T, 0.0, 1.0)  # 4
    top, left = (place(a.sum(axis), n) for axis, n in ((1, nh), (0, nw)))  # 5
    out[top : top + nh, left : left + nw] = a
    return out.astype(np.float32)


def place(profile, n):
    """Where n rows begin so that their centre of mass is nearest to 14, inside the frame.

    A symmetric digit of odd size lies half-way between two places; the 1e-6 decides for the later one.
    """
    centre = (profile * (np.arange(n) + 0.5)).sum() / profile.sum()
    return int(np.clip(np.floor(SIZE / 2 - centre + 0.5 + 1e-6), 0, SIZE - n))
