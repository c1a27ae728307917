"""The input arrays, which are the same for every library and depend on the parameters of a case alone."""

import math
import zlib

import numpy as np

from ..kernels.geometry import Geometry


def geometry(p):
    """The geometry of a convolution or pooling case."""
    pair = lambda value: (value, value) if isinstance(value, int) else tuple(value)
    pairs = {name: pair(p[name]) for name in ("kernel", "stride", "padding", "dilation") if name in p}
    return Geometry(**pairs, groups=p.get("groups", 1))


def images(p, seed, C=None, size=None):
    """Standard normal float32 (N, C, H, W)."""
    shape = (p["N"], C or p["C"], *(size or (p["H"], p["W"])))
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def conv_arrays(p):
    """(x, w, b, y): images (N, C, H, W), weight (O, C / groups, k, k), a number per output channel, images of outputs."""
    rng, g = np.random.default_rng(0), geometry(p)
    w = rng.standard_normal((p["O"], p["C"] // g.groups, *g.kernel), np.float32) / math.sqrt(
        p["C"] * math.prod(g.kernel)
    )
    b = rng.standard_normal(p["O"], np.float32)
    return images(p, 1), w, b, images(p, 2, p["O"], g.output_size((p["H"], p["W"])))


def labels(p, classes):
    """Class indices (N, H, W), int64."""
    return np.random.default_rng(3).integers(0, classes, (p["N"], p["H"], p["W"]))


def boxes(p):
    """(K, 5): image, x1, y1, x2, y2, in pixels of the map."""
    rng, size, K = np.random.default_rng(4), np.array([p["W"], p["H"]]), p["boxes"]
    corners = np.sort(rng.random((2, K, 2)) * size, axis=0)
    return np.concatenate([rng.integers(0, p["N"], (K, 1)), *corners], 1).astype(np.float32)


def picture(p):
    """Flat patches of 32 pixels with some noise, (3, H, W), 0 to 255."""
    rng, (H, W) = np.random.default_rng(5), (p["H"], p["W"])
    patches = rng.integers(0, 256, (3, -(-H // 32), -(-W // 32))).repeat(32, 1).repeat(32, 2)[:, :H, :W]
    return np.clip(patches + 6 * rng.standard_normal((3, H, W)), 0, 255).astype(np.float32)


def parameter(name, shape):
    """A network's parameter by its name: normal with variance 2 / fan-in, norms' weights 1, biases 0.01."""
    if len(shape) == 1:
        return np.full(shape, 1 if name.endswith("weight") else 0.01, np.float32)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:])))


def fingerprint(arrays):
    """Mean and root mean square of each array, by which the results of two libraries are compared."""
    flat = [np.asarray(a, np.float64).ravel() for a in arrays]
    return [[float(a.mean()), float(np.sqrt(np.mean(a * a)))] for a in flat]
