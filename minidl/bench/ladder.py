"""The ladder of `minidl bench ladder`: one layer, computed in six steps, from loops to Winograd, on one thread."""

import importlib

import numpy as np

from ..backend import convolution, threads
from . import floors

LAYER = {"channels": 64, "outputs": 64, "side": 66, "kernel": 3}  # 64 x 64 results
STEPS = ("loops", "im2col", "packed", "micro_kernel")
ADDS = {
    "loops": "the definition",
    "im2col": "one matrix product: vectors of pixels",
    "packed": "blocks that fit the caches",
    "micro_kernel": "accumulators in registers",
    "implicit_gemm": "im2col's matrix is packed block by block, never stored as a whole",
    "winograd": "a quarter of the multiplications",
}


def measure(seconds=floors.SECONDS):
    """[(step, seconds, GFLOP/s of the definition, share of the machine's matrix product, gain over the step before)]."""
    x, w = _layer()
    calls = {step: lambda step=step: _module(step).conv2d(x, w) for step in STEPS}
    calls |= {name: lambda name=name: _production(name, x, w) for name in ("implicit_gemm", "winograd")}
    O, C, k, _ = w.shape
    flops = 2 * O * C * k * k * (x.shape[1] - k + 1) ** 2
    roof, before, rows = floors.floors(1).sgemm, None, []
    count = threads.get_num_threads()
    threads.set_num_threads(1)
    try:
        for step, call in calls.items():
            call()  # compiles
            took = floors.best(call, seconds)
            rows.append((step, took, flops / took / 1e9, flops / took / roof, before / took if before else None))
            before = took
    finally:
        threads.set_num_threads(count)
    return rows


def table(rows):
    """The measurement as text."""
    lines = [
        "{channels} > {outputs} channels, {side} x {side} pixels, {kernel} x {kernel}, float32, one thread".format(
            **LAYER
        ),
        f"{'step':14} {'ms':>8} {'GFLOP/s':>8} {'of sgemm':>9} {'gain':>6}  adds",
    ]
    for step, seconds, rate, share, gain in rows:
        gain = f"{gain:.1f}x" if gain else ""
        lines.append(f"{step:14} {seconds * 1e3:8.2f} {rate:8.1f} {share:9.0%} {gain:>6}  {ADDS[step]}")
    return "\n".join(lines)


def _layer():
    """The layer that every step computes."""
    random, side, k = np.random.default_rng(0), LAYER["side"], LAYER["kernel"]
    x = random.standard_normal((LAYER["channels"], side, side), np.float32)
    return x, random.standard_normal((LAYER["outputs"], LAYER["channels"], k, k), np.float32)


def _module(step):
    """The module of a step."""
    return importlib.import_module(f"minidl.kernels.cpu.ladder.{step}")


def _production(name, x, w):
    """The production file that computes the layer."""
    from ..kernels import cpu
    from ..kernels.geometry import Geometry

    with convolution.conv_algorithm(name):
        return cpu.conv2d(x[None], w, None, Geometry(w.shape[2:]))[0]
