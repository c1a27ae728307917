"""Cost of a network: counted (parameters, multiply-adds, memory, receptive field) and measured (milliseconds)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from ..autograd import tape
from ..autograd.tensor import Tensor
from ..backend import cuda
from .receptive_field import FieldTracer, run_once
from .summary import multiply_adds


@dataclass(frozen=True)
class Cost:
    """Cost of one network on one image of `size` (H, W).

    multiply_adds: of convolutions and matrix products; one product and one sum count as one.
    activations: bytes of the results of all operations, an upper bound of what training keeps.
    peak: largest number of bytes of results alive at once at inference, when each is freed after its last use.
    receptive_field: (H, W) in pixels, of a score (of a classifier: of the last map before the global average); None
        where an operation selects positions by value.
    output_stride: pixels per cell of the coarsest map.
    milliseconds: median of the timed runs in evaluation mode, one image; None without timed runs.
    """

    name: str
    size: tuple
    parameters: int
    multiply_adds: int
    activations: int
    peak: int
    receptive_field: tuple | None
    output_stride: int
    milliseconds: float | None


class _Counter(FieldTracer):
    """Counts multiply-adds and bytes while it traces the receptive fields."""

    def __init__(self, height: int) -> None:
        super().__init__(strict=False)
        self.multiply_adds, self.activations, self.clock = 0, 0, 0
        self.born, self.last, self.bytes, self.strides, self.height = {}, {}, {}, [1], height
        self.kept = []  # results stay alive while the network runs, so that no two share an id

    def forward(self, op: Callable[..., Any], args: Sequence[Any], metadata: Mapping[str, Any], result: Tensor) -> None:
        super().forward(op, args, metadata, result)
        if id(result) not in self.fields:  # computed from parameters alone
            return
        self.clock += 1
        self.kept.append(result)
        self.multiply_adds += multiply_adds(op, args, result)
        for a in args:
            if isinstance(a, Tensor) and id(a) in self.born:
                self.last[id(a)] = self.clock
        view = any(isinstance(a, Tensor) and np.shares_memory(a.data, result.data) for a in args)
        self.born[id(result)] = self.last[id(result)] = self.clock
        self.bytes[id(result)] = 0 if view else result.data.nbytes
        self.activations += self.bytes[id(result)]
        if result.ndim == 4 and min(result.shape[2:]) > 1:
            self.strides.append(-(-self.height // result.shape[2]))

    def peak(self) -> int:
        """The largest number of bytes alive at one time."""
        change = np.zeros(self.clock + 2, np.int64)
        for key, size in self.bytes.items():
            change[self.born[key]] += size
            change[self.last[key] + 1] -= size
        return int(change.cumsum().max())


def cost(
    model: Any,
    size: Sequence[int],
    name: str | None = None,
    repeats: int = 3,
    channels: int | None = None,
    device: str = "cpu",
) -> Cost:
    """The Cost of `model` on one image of `size` (H, W); `repeats` timed runs after one to warm up, 0 for none.

    Counts are taken on the CPU; times on `device`, where the model stays.
    """
    shape = (1, channels or int(getattr(model, "input_channels", 3)), *size)
    counter = _Counter(size[0])
    with counter:
        output = run_once(model, shape, counter)
        output = output["out"] if isinstance(output, dict) else output
        if output.ndim != 4:  # a classifier: the field of the last map before the global average
            output = [y for y in counter.kept if y.ndim == 4 and min(y.shape[2:]) > 1][-1]
        field = counter.of(output)
    return Cost(
        name or type(model).__name__,
        tuple(size),
        sum(p.numel() for p in model.parameters()),
        counter.multiply_adds,
        counter.activations,
        counter.peak(),
        field.size if field is not None else None,
        _power_of_two(counter.strides),
        _measure(model.to(device), shape, repeats, device) if repeats else None,
    )


def _power_of_two(strides):
    """The largest power of two among the strides of the maps; odd sizes and pooled bins give other strides."""
    return max(s for s in strides if s & (s - 1) == 0)


@tape.no_grad()
def _measure(model, shape, repeats, device):
    """Median milliseconds of one image."""
    x = Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32)).to(device)
    was_training = model.training
    model.eval()
    model(x)
    cuda.synchronize()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(x)
        cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    model.train(was_training)
    return 1000 * median(seconds)


def table(costs: Sequence[Cost]) -> str:
    """The costs as aligned text."""
    head = ("network", "parameters", "multiply-adds", "activations", "peak memory", "field", "stride", "ms")
    rows: list[tuple[str, ...]] = [head]
    for c in costs:
        field = "?" if c.receptive_field is None else "x".join(map(str, dict.fromkeys(c.receptive_field)))
        ms = "-" if c.milliseconds is None else f"{c.milliseconds:.1f}"
        counted = f"{c.parameters / 1e6:.2f} M", f"{c.multiply_adds / 1e6:.0f} M"
        bytes_ = (f"{n / 2**20:.1f} MiB" for n in (c.activations, c.peak))
        rows.append((c.name, *counted, *bytes_, field, str(c.output_stride), ms))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(v.rjust(w) if k else v.ljust(w) for k, (v, w) in enumerate(zip(row, widths))) for row in rows
    )
