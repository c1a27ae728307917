"""Random calls: arrays of any layout and dtype, and a line of Python in which `F` is one library or the other."""

from dataclasses import dataclass, replace

import numpy as np

LAYOUTS = ("plain", "transposed", "negative", "strided", "read_only")
SIZES, CHANCES = (0, 1, 2, 3, 5, 7, 13), (0.06, 0.2, 0.22, 0.22, 0.15, 0.1, 0.05)
NAMES = "abcdef"


@dataclass(frozen=True)
class Input:
    """The values of one argument, how they lie in memory, and whether derivatives are taken in it."""

    values: np.ndarray
    layout: str = "plain"

    @property
    def differentiable(self):
        return self.values.dtype.kind == "f"

    def array(self):
        """The values in memory of the given layout."""
        x = self.values
        if x.ndim and self.layout == "transposed":
            return np.ascontiguousarray(x.T).T
        if x.ndim and self.layout == "negative":
            return x[tuple(slice(None, None, -1) for _ in x.shape)].copy()[
                tuple(slice(None, None, -1) for _ in x.shape)
            ]
        if x.ndim and self.layout == "strided":
            wide = np.zeros([2 * n + 1 for n in x.shape], x.dtype)
            part = wide[tuple(slice(0, 2 * n, 2) for n in x.shape)]
            part[...] = x
            return part
        x = x.copy()
        x.flags.writeable = self.layout != "read_only"
        return x


@dataclass(frozen=True)
class Call:
    """`source` is an expression of F, T (a constant from an array) and the inputs a, b, ...

    A call marked `alone` is not compared with PyTorch, which lacks it or is wrong about it, only between the columns.
    """

    operation: str
    source: str
    inputs: tuple[Input, ...]
    alone: bool = False

    def size(self):
        return sum(i.values.size + 1 for i in self.inputs) + len(self.source) / 100

    def plain(self):
        return replace(self, inputs=tuple(replace(i, layout="plain") for i in self.inputs))

    def snippet(self):
        """A program that repeats the call."""
        lines = ["import numpy as np", "import minidl", "from minidl import functional as F"]
        for name, i in zip(NAMES, self.inputs):
            values = f"np.array({i.values.tolist()}, np.{i.values.dtype.name}).reshape({i.values.shape})"
            lines.append(f"{name} = minidl.Tensor({values})" + (".requires_grad_()" if i.differentiable else ""))
            if i.layout != "plain":
                lines[-1] += f"  # in memory: {i.layout}"
        return "\n".join([*lines, "T = minidl.Tensor", f"y = {self.source}"])


class Draw:
    """Choices for one call. `largest` bounds every size, which is how a failing call is made small."""

    def __init__(self, rng, largest=13):
        self.rng, self.largest, self.inputs = rng, largest, []
        self.dtype = np.float64 if rng.random() < 0.6 else np.float32
        self.scale = float(rng.choice([1, 1, 1, 0.01, 10]))
        self.mixed = self.alone = False

    def one(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def flag(self, chance=0.5):
        return bool(self.rng.random() < chance)

    def integer(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def size(self, least=0):
        return max(least, min(self.largest, int(self.rng.choice(SIZES, p=CHANCES))))

    def shape(self, ndim=None, least=0):
        return tuple(self.size(least) for _ in range(self.integer(0, 4) if ndim is None else ndim))

    def image(self, least=0):
        """N, C, H, W, seldom empty."""
        n, c = (self.size(0 if self.flag(0.1) else 1) for _ in range(2))
        return min(n, 3), c, *(self.size(0 if self.flag(0.05) else max(1, least)) for _ in range(2))

    def within(self, shape):
        """A shape that broadcasts to `shape`."""
        part = [1 if self.flag(0.25) else n for n in shape]
        return tuple(part[self.integer(0, len(part)) if self.flag(0.3) else 0 :])

    def add(self, values):
        layout = self.one(*LAYOUTS) if self.flag(0.6) else "plain"
        self.inputs.append(Input(np.asarray(values), layout))
        return NAMES[len(self.inputs) - 1]

    def floats(self, shape, positive=False, dtype=None, nonzero=False):
        x = self.rng.standard_normal(shape) * self.scale
        if self.flag(0.05):
            x = np.rint(x)
        if nonzero:
            x = np.where(x == 0, 1, x)
        dtype = dtype or self.dtype
        if self.mixed and self.flag(0.3):
            dtype = self.one(np.float32, np.float64)
        return self.add((np.abs(x) + 0.1 if positive else x).astype(dtype))

    def integers(self, shape, low, high, dtype=np.int64):
        return self.add(self.rng.integers(low, max(high, low + 1), shape).astype(dtype))

    def axis(self, ndim, beyond=0.03):
        """An axis, now and then one that does not exist."""
        n = max(ndim, 1)
        return self.integer(-n, n - 1) if not self.flag(beyond) else self.one(n, -n - 1)

    def axes(self, ndim):
        """None, one axis or several distinct ones."""
        if not ndim or self.flag(0.2):
            return None
        if self.flag():
            return self.axis(ndim)
        some = self.rng.permutation(ndim)[: self.integer(1, ndim)]
        return tuple(int(d) - (ndim if self.flag(0.3) else 0) for d in some)

    def pair(self, low, high):
        return self.integer(low, high) if self.flag(0.6) else (self.integer(low, high), self.integer(low, high))
