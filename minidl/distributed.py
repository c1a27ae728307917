"""Training on several processes: each computes gradients on its part of every batch, and all take the same step.

    mpiexec -n 4 python train.py            # four ranks, each with its part of the batch

    model = distributed.wrap(models.unet_small())             # rank 0's weights everywhere; gradients become means over ranks
    loader = DataLoader(dataset, 16, shuffle=True)
    loader.share(distributed.world())                         # 4 images of each batch here
    for images, target in loader:
        loss = distributed.weigh(loss_of(model(images), target), len(images))
        loss.backward()                                       # sums run beside it and are complete when it returns
        optimizer.step()                                      # the same step on every rank

The loss of a batch is the *mean over the ranks* of what each rank computes, and so is its gradient. Functions built from
`collective.all_reduce`, the sum over ranks, can be differentiated to every order; the averaging of gradients that `wrap`
adds is first-order only. Call `distributed.spread_seeds(distributed.world())` once where the model uses random numbers
(dropout), so that they differ between ranks.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from .autograd import tape
from .autograd.tensor import Tensor
from .backend import random, xp
from .backend.ranks import Ranks, world
from .collective import batch_norm
from .nn.module import Module, Parameter
from .nn.norm import BatchNorm2d, InstanceNorm2d

BUCKET = 1 << 20  # bytes of gradients in one sum: large enough that its latency is small compared to its transfer time
M = TypeVar("M", bound=Module)


def spread_seeds(ranks: Ranks) -> None:
    """Give every other rank its own random numbers, derived from rank 0's, so that dropout differs between ranks."""
    state = ranks.broadcast(random.get_rng_state())
    if ranks.rank:
        random.set_rng_state(np.random.default_rng([state["state"]["state"], ranks.rank]).bit_generator.state)


def weigh(loss: Tensor, count: float) -> Tensor:
    """Scale `loss`, the mean over this rank's `count` images or pixels, so that the mean over ranks is that over all images."""
    mean = world().mean(count)
    return loss * (count / mean) if mean else loss


def wrap(model: M, ranks: Ranks | None = None) -> M:
    """Prepare `model` for training by all ranks together, in place, and return it; no effect on one rank.

    Parameters and buffers become rank 0's. After `loss.backward()` each `.grad` is the mean over the ranks. BatchNorm2d in
    training takes its statistics over the batches of all ranks. Names and state dictionaries do not change.
    Call it again after freezing or unfreezing parameters. All ranks must run the same number of backward passes;
    backward(create_graph=True) is a RuntimeError.
    """
    ranks = world() if ranks is None else ranks
    if ranks.size == 1:
        return model
    for module in model.modules():
        if isinstance(module, InstanceNorm2d) and module.track_running_stats:
            raise ValueError(
                "distributed.wrap: InstanceNorm2d(track_running_stats=True) is not supported on several ranks"
            )
        if isinstance(module, BatchNorm2d):
            module.function = functools.partial(batch_norm, ranks=ranks)
    for tensor, first in zip(
        model.state_dict().values(), ranks.broadcast([t.cpu().data for t in model.state_dict().values()])
    ):
        with tape.no_grad():
            tensor.copy_(first)
    if not hasattr(model, "averager"):
        model.averager = Averager(model.parameters(), ranks)
    model.averager.attach()
    return model


class Averager:
    """Means of gradients over the ranks, begun while backward still runs.

    Backward reaches the last layers first. Their gradients fill the first bucket; its sum over the ranks runs
    while the layers before them are differentiated (Li et al. 2020, "PyTorch Distributed", section 3.2). Buckets are
    started in one order on every rank. After the gradients a bucket holds, for each parameter, 1 where it has one: so a
    parameter that only some ranks used still gets the same step everywhere.
    """

    def __init__(self, parameters: Iterable[Parameter], ranks: Ranks, bucket: int = BUCKET) -> None:
        self.ranks, self.buckets, self.of = ranks, [], {}
        self.bytes, self.waited = 0, 0.0  # of all sums so far; seconds spent on waiting for them after backward
        for p in reversed(list(parameters)):
            last = self.buckets[-1] if self.buckets else None
            if last is None or last.dtype != p.dtype or last.bytes + p.data.nbytes > bucket:
                self.buckets.append(last := _Bucket(p.dtype))
            last.add(p)
            self.of[p] = last

    def attach(self) -> None:
        """Register a hook on every parameter; call it again after parameters were frozen or unfrozen."""
        for p in self.of:
            hooks = p.node.hooks or () if p.requires_grad else None
            if hooks is not None and not any(getattr(hook, "averager", None) is self for hook in hooks):
                p.register_hook(_Arrival(self, p))

    def arrived(self, p: Parameter, g: Tensor) -> Tensor:
        """Put a gradient into its bucket, start what is full, and return the place where the mean will be."""
        if g.requires_grad:
            raise RuntimeError("distributed: backward(create_graph=True) is not supported on several ranks")
        if not any(b.arrived for b in self.buckets):
            tape.at_end(self.finish)
        self.of[p].put(p, g.data)
        self._start(lambda bucket: len(bucket.arrived) == len(bucket.places))
        for bucket in self.buckets:
            if bucket.sum is not None:
                bucket.sum.test()  # MPI makes progress only when it is called
        return Tensor(self.of[p].view(p))

    def _start(self, ready):
        """Start the sums of the buckets that are ready, in order, up to the first that is not."""
        for bucket in self.buckets:
            if bucket.sum is None:
                if not ready(bucket):
                    return
                bucket.sum = self.ranks.start_sum(bucket.filled())
                self.bytes += bucket.flat.nbytes

    def finish(self) -> None:
        """Start the rest, wait for all, divide by the number of ranks, and be ready for the next backward."""
        self._start(lambda bucket: True)
        start = time.perf_counter()
        for bucket in self.buckets:
            bucket.sum.wait()
        self.waited += time.perf_counter() - start
        for bucket in self.buckets:
            used = bucket.flat[bucket.length :] > 0
            bucket.flat /= self.ranks.size
            for p, elsewhere in zip(bucket.places, used.tolist()):
                if elsewhere and p not in bucket.arrived:
                    mean = bucket.view(p).copy()
                    p.grad = Tensor(mean if p.grad is None else p.grad.data + mean)
            bucket.sum, bucket.arrived = None, set()


class _Arrival:
    """The hook of one parameter."""

    def __init__(self, averager: Averager, p: Parameter) -> None:
        self.averager, self.p = averager, p

    def __call__(self, g: Tensor) -> Tensor:
        return self.averager.arrived(self.p, g)


class _Bucket:
    """Gradients one after another in one array, `flat`, followed by a 1 for each gradient that arrived."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype, self.places, self.length, self.bytes = dtype, {}, 0, 0
        self.flat: Any = None
        self.sum: Any = None
        self.arrived: set[Parameter] = set()

    def add(self, p: Parameter) -> None:
        """Give a parameter the next place."""
        self.places[p] = self.length
        self.length, self.bytes = self.length + p.numel(), self.bytes + p.data.nbytes

    def view(self, p: Parameter) -> Any:
        """The place of a parameter's gradient."""
        return self.flat[self.places[p] : self.places[p] + p.numel()].reshape(p.shape)

    def put(self, p: Parameter, g: Any) -> None:
        """Store a gradient."""
        if self.flat is None or xp(self.flat) is not xp(g):
            self.flat = xp(g).zeros(self.length + len(self.places), self.dtype)
        self.view(p)[...] = g
        self.arrived.add(p)

    def filled(self) -> Any:
        """The array to sum, with zeros for gradients that did not arrive."""
        if self.flat is None:
            p = next(iter(self.places))
            self.flat = xp(p.data).zeros(self.length + len(self.places), self.dtype)
        for p in self.places.keys() - self.arrived:
            self.view(p)[...] = 0
        self.flat[self.length :] = xp(self.flat).asarray([p in self.arrived for p in self.places])
        return self.flat
