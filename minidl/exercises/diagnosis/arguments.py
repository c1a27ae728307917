"""Mistakes in the use of one argument: the right function with another value of the argument."""

import numpy as np

NUMBERS = {  # {argument: [(wrong value from the right one, description of the mistake)]}
    "stride": (
        (lambda v: 1, "the stride is ignored, as if it were 1"),
        (lambda v: v + 1, "the stride is one too large"),
        (lambda v: v - 1, "the stride is one too small"),
    ),
    "padding": (
        (lambda v: 0, "the padding is left out"),
        (lambda v: 2 * v, "the padding is counted twice"),
        (lambda v: v + 1, "the padding is one too large"),
        (lambda v: v - 1, "the padding is one too small"),
    ),
    "dilation": (
        (lambda v: 1, "the dilation is ignored, as if it were 1"),
        (lambda v: v + 1, "the taps are dilation + 1 apart; needed dilation"),
        (lambda v: v - 1, "the taps are dilation - 1 apart; needed dilation"),
    ),
    "eps": (
        (lambda v: 0.0, "eps is left out"),
        (lambda v: v**2, "eps is squared: it is added to the variance, inside the root"),
        (lambda v: v**0.5, "the root of eps is used"),
    ),
    "weight": (
        (lambda v: 1.0, "the weight is left out, as if it were 1"),
        (lambda v: v**2, "the weight is squared: it must be multiplied by once"),
        (lambda v: 1 / v, "it is divided by the weight; needed a product"),
        (lambda v: -v, "the weight has the wrong sign"),
    ),
}
PLANES = ("x", "y", "w", "g", "cols", "mask", "coarse", "fine", "up", "skip")


def slips(arguments):
    """(cause, {argument: wrong value}) for one case; the causes are the same in every case."""
    for name, value in arguments.items():
        if isinstance(value, np.ndarray):
            yield from ((text, {name: made}) for text, made in _arrays(name, value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from ((text, {name: change(value)}) for change, text in NUMBERS.get(name, _plain(name)))
        elif isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, int) for v in value):
            yield f"the two numbers of {name} are exchanged: rows come first, then columns", {name: value[::-1]}
    pairs = [(a, b) for a in arguments for b in arguments if a < b]
    for a, b in pairs:
        if isinstance(arguments[a], np.ndarray) and isinstance(arguments[b], np.ndarray):
            yield f"{a} and {b} are exchanged", {a: arguments[b], b: arguments[a]}


def _plain(name):
    return (
        (lambda v: v + 1, f"{name} + 1 stands where {name} is needed"),
        (lambda v: v - 1, f"{name} - 1 stands where {name} is needed"),
        (lambda v: 1, f"{name} is ignored, as if it were 1"),
        (lambda v: v**2, f"{name} is squared"),
    )


def _arrays(name, a):
    what = "a flipped kernel: " if name == "w" else ""
    if a.ndim >= 3 and name in PLANES:
        yield f"{what}{name} is turned by 180 degrees", a[..., ::-1, ::-1]
        yield f"{what}the rows of {name} are in reverse order", a[..., ::-1, :]
        yield f"{what}the columns of {name} are in reverse order", a[..., ::-1]
        rows = (
            "the kernel indices k and l are exchanged" if name == "w" else f"rows and columns of {name} are exchanged"
        )
        yield rows, a.swapaxes(-1, -2)
    if a.ndim >= 2:
        yield f"the first two axes of {name} are exchanged", a.swapaxes(0, 1)
        yield f"only {name}[0] is used, for every index of the first axis", np.broadcast_to(a[:1], a.shape)
        yield f"only {name}[-1] is used, for every index of the first axis", np.broadcast_to(a[-1:], a.shape)
    if a.ndim == 4 and a.shape[1] > 1:
        yield f"only the first channel of {name} is used, for every channel", np.broadcast_to(a[:, :1], a.shape)
    if a.dtype.kind == "f":
        yield f"{name} is left out, as if it were 1", np.ones_like(a)
        yield f"{name} is squared", a**2
        yield f"the absolute value of {name} is used", np.abs(a)
        yield f"{name} is cut to whole numbers", np.trunc(a)
        yield f"{name} is rounded to whole numbers", np.rint(a)
        yield f"negative values of {name} are taken as 0", np.maximum(a, 0)
