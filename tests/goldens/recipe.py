"""Deterministic weights for golden outputs: every parameter is a function of its name and shape alone.

A model whose parameters carry torchvision's names and shapes can be filled with `weights(names_and_shapes)` and must then
reproduce the outputs in `torchvision.npz` (computed with torchvision in float32, eval mode) to about 1e-4 relative to the
largest magnitude. `keys.json` lists each model's names and shapes. Inputs are `image(N, C, H, W)`.
"""

import zlib

import numpy as np


def parameter(name, shape):
    """One float32 array for `name`; BatchNorm statistics stay positive, weights keep the variance of their input."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros((), np.int64)
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if leaf in ("bias", "running_mean"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    fan_in = int(np.prod(shape[1:]))
    return (np.sqrt(2.0 / fan_in) * rng.standard_normal(shape)).astype(np.float32)


def weights(shapes):
    """{name: shape} -> {name: array}."""
    return {name: parameter(name, tuple(shape)) for name, shape in shapes.items()}


def image(*shape):
    """The input of every golden: standard normal, seed 0, float32, NCHW."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)
