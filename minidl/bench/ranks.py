"""The measurements of `mpiexec -n 2 minidl bench ranks`: what several ranks gain on one machine, and what their sums cost.

All ways of computing take turns within one program; while one rank computes alone, the others sleep.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from .. import models
from ..autograd.tensor import Tensor
from ..backend import random, threads
from ..backend.ranks import ALONE, Ranks, world
from ..distributed import Averager, weigh, wrap
from ..functional import cross_entropy
from ..train.optim import SGD

CASES = {
    "U-Net, batch norm": lambda: models.unet(num_classes=11, base=16, depth=4, batch_norm=True),
    "DeepLabv3+, MobileNetV2": lambda: models.deeplab_v3plus_mobilenet_v2(num_classes=11),
}
SIDE, BATCH = 128, 4  # pixels; images of a rank in weak scaling
STEPS = 2  # timed together


class _Way:
    """One way of computing: so many ranks of so many threads, and a batch for all of them together."""

    def __init__(self, name, build, ranks, count, batch):
        self.name, self.ranks, self.threads, self.seconds, self.waits, self.sums = name, ranks, count, [], [], []
        alone = ranks.size == 1
        random.manual_seed(0)
        self.model = build() if alone else wrap(build(), ranks)
        self.optimizer = SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        images = np.random.default_rng(0).standard_normal((batch, 3, SIDE, SIDE)).astype(np.float32)
        labels = np.random.default_rng(1).integers(0, 11, (batch, SIDE, SIDE))
        self.images, self.labels = ranks.part(images), ranks.part(labels)
        self.bytes = 0

    def step(self):
        """One training step."""
        self.optimizer.zero_grad()
        output = self.model(Tensor(self.images))
        loss = cross_entropy(output["out"] if isinstance(output, dict) else output, self.labels)
        (loss if self.ranks.size == 1 else weigh(loss, len(self.images))).backward()
        self.optimizer.step()

    def time(self):
        """Seconds of a step, and of it those spent on waiting for sums of gradients after backward."""
        threads.set_num_threads(self.threads)
        averager = getattr(self.model, "averager", None)
        waited, sent = averager.waited if averager else 0.0, averager.bytes if averager else 0
        self.ranks.barrier()
        start = time.perf_counter()
        for _ in range(STEPS):
            self.step()
        self.seconds.append((time.perf_counter() - start) / STEPS)
        if averager:
            self.waits.append((averager.waited - waited) / STEPS)
            self.bytes = (averager.bytes - sent) / STEPS
            self.sums.append(_sums_alone(averager, self.ranks))


def _sums_alone(averager: Averager, ranks: Ranks) -> float:
    """Seconds of all sums of gradients with nothing beside them."""
    arrays = [np.zeros(bucket.length + len(bucket.places), bucket.dtype) for bucket in averager.buckets]
    ranks.barrier()
    start = time.perf_counter()
    for request in [ranks.start_sum(array) for array in arrays]:
        request.wait()
    return time.perf_counter() - start


def measure(rounds: int) -> dict[str, list[_Way]]:
    """{network: ways}, timed in turns; every rank calls it."""
    ranks = world()
    n, found = ranks.size, {}
    for name, build in CASES.items():
        alone = [
            _Way(f"1 rank, 1 thread, batch {BATCH}", build, ALONE, 1, BATCH),
            _Way(f"1 rank, 1 thread, batch {n * BATCH}", build, ALONE, 1, n * BATCH),
            _Way(f"1 rank, {n} threads, batch {n * BATCH}", build, ALONE, n, n * BATCH),
        ]
        together = _Way(f"{n} ranks, 1 thread each, batch {n * BATCH}", build, ranks, 1, n * BATCH)
        for k in range(-1, rounds):  # the first round compiles
            if not ranks.rank:
                for way in alone:
                    way.time()
            ranks.barrier()
            together.time()
            for way in (*alone, together) if k < 0 else ():
                way.seconds, way.waits, way.sums = [], [], []
        found[name] = [*alone, together]
    return found


def table(found: dict[str, list[_Way]]) -> str:
    """The measurements as text, with the efficiencies that follow from them."""
    lines = [f"training steps on {SIDE}x{SIDE} pixels, float32, median of the rounds"]
    for name, ways in found.items():
        small, large, threaded, together = (median(way.seconds) for way in ways)
        way, n = ways[-1], ways[-1].ranks.size
        parameters = sum(p.numel() for p in way.model.parameters())
        lines.append(f"\n{name}, {parameters:,} parameters")
        lines += [f"  {w.name:38} {median(w.seconds) * 1e3:8.1f} ms a step" for w in ways]
        wait, sums = median(way.waits), median(way.sums)
        lines += [
            f"  weak scaling: {small / together:.0%} ({n} ranks with {n} times the batch, against 1 rank with 1 thread)",
            f"  strong scaling: {large / together / n:.0%} with {n} ranks, {large / threaded / n:.0%} with {n} threads",
            f"  {n} ranks of 1 thread against 1 rank of {n} threads: {threaded / together:.2f} times as fast",
            f"  gradients: {way.bytes / 1e6:.2f} MB a step, whose sums alone take {sums * 1e3:.1f} ms; "
            f"waited for after backward: {wait * 1e3:.1f} ms, hidden: {max(1 - wait / sums, 0):.0%}",
        ]
    return "\n".join(lines)
