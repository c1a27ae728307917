"""The arrays that every library gets: the same numbers, from the parameters of a case alone."""

import math
import zlib

import numpy as np

from ..kernels.geometry import Geometry


def geometry(p):
    """The geometry of a convolution or pooling case."""
    pairs = {name: (p[name],) * 2 for name in ("kernel", "stride", "padding", "dilation") if name in p}
    return Geometry(**pairs, groups=p.get("groups", 1))


def images(p, seed, C=None, size=None):
    """Standard normal float32 (N, C, H, W)."""
    shape = (p["N"], C or p["C"], *(size or (p["H"], p["W"])))
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def conv_arrays(p):
    """(x, w, b, y): images (N, C, H, W), weight (O, C / groups, k, k), a number per output channel, images of outputs."""
    rng, g = np.random.default_rng(0), geometry(p)
    w = rng.standard_normal((p["O"], p["C"] // g.groups, *g.kernel), np.float32) / math.sqrt(p["C"] * p["kernel"] ** 2)
    b = rng.standard_normal(p["O"], np.float32)
    return images(p, 1), w, b, images(p, 2, p["O"], g.output_size((p["H"], p["W"])))


def labels(p, classes):
    """Class indices (N, H, W), int64."""
    return np.random.default_rng(3).integers(0, classes, (p["N"], p["H"], p["W"]))


def parameter(name, shape):
    """A network's parameter by its name: normal with variance 2 / fan-in, biases 0.01, whoever asks for it."""
    if len(shape) == 1:
        return np.full(shape, 0.01, np.float32)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:])))


def fingerprint(arrays):
    """Mean and root mean square of each array: what two libraries' results have to agree in."""
    flat = [np.asarray(a, np.float64).ravel() for a in arrays]
    return [[float(a.mean()), float(np.sqrt(np.mean(a * a)))] for a in flat]
