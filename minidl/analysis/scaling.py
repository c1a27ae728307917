"""A model of the scaling of training on several ranks: the time of sums of gradients, and the part hidden behind backward.

    step = Step(gradients=4 * 1_900_000, forward=0.02, backward=0.04, norms=18)       # one image on one rank
    predict(step, ranks=16, bandwidth=10e9 / 8).efficiency

`ASSUMPTIONS`, which `minidl cost --ranks` prints below its table, lists the assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..distributed import BUCKET
from ..nn.module import Module
from ..nn.norm import BatchNorm2d

LATENCY = 20e-6  # seconds of an empty message
RANKS = 2, 4, 8, 16, 32, 64, 128, 256
BANDWIDTHS = 1, 10, 100  # Gbit/s
ASSUMPTIONS = f"""Assumptions: every rank has one image of this size, computes at the speed measured here, and has a link of
its own at the full rate in both directions; a message takes {LATENCY * 1e6:.0f} microseconds besides. backward takes
twice as long as forward and reaches the gradients evenly. Gradients are float32 in buckets of {BUCKET / 2**20:.0f} MB. The
sum of a bucket over n ranks by a ring takes 2 (n - 1) / n bytes / bandwidth + 2 (n - 1) latency, starts when the bucket
is full, and runs beside backward at no cost to it. Each batch norm waits for two small sums of 2 log2(n) messages.
Reading images and the optimiser are left out."""


@dataclass(frozen=True)
class Step:
    """A training step on one rank: bytes of gradients, seconds of forward and backward, batch norms over all ranks."""

    gradients: int
    forward: float
    backward: float
    norms: int = 0


@dataclass(frozen=True)
class Scaling:
    """Seconds of all sums of gradients, of waiting for them after backward, and of waiting in batch norms.

    hidden: the share of the sums that runs during backward. efficiency: of weak scaling, the time of a step on one rank over
    that on n ranks with one image each; the throughput is n times the efficiency.
    """

    communication: float
    exposed: float
    norms: float
    hidden: float
    efficiency: float


def ring(size: float, ranks: int, bandwidth: float, latency: float = LATENCY) -> float:
    """Seconds in which a ring of ranks sums `size` bytes: 2 (n - 1) steps, each of size / n bytes (Patarasuk & Yuan 2009)."""
    return 2 * (ranks - 1) * (size / ranks / bandwidth + latency)


def predict(step: Step, ranks: int, bandwidth: float, latency: float = LATENCY, bucket: float = BUCKET) -> Scaling:
    """The Scaling of a step; bandwidth in bytes per second."""
    if ranks < 1 or bandwidth <= 0:
        raise ValueError(
            f"predict: {ranks} ranks, {bandwidth} bytes/s; needed at least 1 rank and a positive bandwidth"
        )
    count = max(math.ceil(step.gradients / bucket), 1)
    each = ring(step.gradients / count, ranks, bandwidth, latency)
    free = 0.0  # time at which the link is free, from the start of backward
    for k in range(count):
        free = max(free, step.backward * (k + 1) / count) + each
    exposed = free - step.backward
    norms = 2 * step.norms * 2 * math.ceil(math.log2(ranks)) * latency
    compute = step.forward + step.backward
    hidden = 1 - exposed / (count * each) if ranks > 1 else 1.0
    return Scaling(count * each, exposed, norms, hidden, compute / (compute + exposed + norms))


def step_of(model: Module, seconds: float) -> Step:
    """The Step of a network whose forward pass takes `seconds`."""
    gradients = sum(p.data.nbytes for p in model.parameters())
    norms = sum(isinstance(m, BatchNorm2d) for m in model.modules())
    return Step(gradients, seconds, 2 * seconds, norms)


def table(step: Step, ranks: Sequence[int] = RANKS, bandwidths: Sequence[float] = BANDWIDTHS) -> str:
    """Rows of ranks; for each bandwidth in Gbit/s: milliseconds of the sums, share hidden, efficiency of weak scaling."""
    lines = [
        "ranks" + "".join(f"  {f'{b:g} Gbit/s: sums':>20}  hidden  efficiency" for b in bandwidths),
    ]
    for n in ranks:
        cells = (predict(step, n, b * 1e9 / 8) for b in bandwidths)
        lines.append(
            f"{n:5}"
            + "".join(f"  {s.communication * 1e3:17.1f} ms  {s.hidden:6.0%}  {s.efficiency:10.0%}" for s in cells)
        )
    return "\n".join(lines)
