"""Description of the error of one output in one case: shape, NaN and infinity, numerical gradient, worst cell."""

import numpy as np

from .. import backend
from ..autograd.tensor import Tensor
from .diagnosis.agree import agree, wrong_cells

STEP, DIRECTIONS = 1e-5, 3
WRONG, HAPPY = 1e-2, 1e-7


def case_line(arguments, i, total):
    """The case in one line: shapes of arrays, values of other arguments."""
    shown = ", ".join(
        f"{n} {a.shape}" if isinstance(a, np.ndarray) else f"{n}={_short(a)}" for n, a in arguments.items()
    )
    return f"case {i + 1} of {total}: {shown}"


def _short(value):
    if isinstance(value, list | tuple) and any(isinstance(v, np.ndarray) for v in value):
        return "[" + ", ".join(str(v.shape) if isinstance(v, np.ndarray) else str(v) for v in value) + "]"
    return f"{value}"


def verdict(exercise, result, k):
    """Lines on output k of a Result with values."""
    name, got, right = exercise.returns[k], result.values[k], result.expected[k]
    what = f"the gradient in {name}" if exercise.forward else name
    if got.shape != right.shape:
        return [f"{what} has shape {got.shape}; needed {right.shape}"]
    if agree(got, right):
        return [f"{what} is right"]
    lines = []
    if bad := int((~np.isfinite(got) & np.isfinite(right)).sum()):
        index = tuple(map(int, np.argwhere(~np.isfinite(got) & np.isfinite(right))[0]))
        return [
            f"{what} is NaN or infinite in {bad} of {got.size} cells, first at [{_at(index)}]; needed {right[index]:.6g}"
        ]
    if exercise.forward:
        error = max(_directional(exercise, result.arguments, name, got, seed) for seed in range(DIRECTIONS))
        word = "wrong" if error > WRONG else "right" if error < HAPPY else "doubtful"
        lines.append(f"{what} is {word}: relative error {error:.0e} in the worst of {DIRECTIONS} random directions")
    if not right.shape:
        return [*lines, "{} is {}, and should be {}".format(what, *_pair(got, right))]
    index = guilty(got, right)
    cells = int(wrong_cells(got, right).sum())
    share = f"{cells} of {got.size} cells" if cells > 1 or got.size > 1 else "its only cell"
    if exercise.forward:
        unit = np.zeros_like(right)
        unit[index] = 1
        slope = _slope(exercise, result.arguments, name, unit)
        lines.append(f"{share} differ; at [{_at(index)}]: analytic (yours) {got[index]:.6g}, numerical {slope:.6g}")
    else:
        mine, needed = _pair(got[index], right[index])
        lines.append(f"{what} is wrong in {share}; at [{_at(index)}] it is {mine}, and should be {needed}")
    return lines


def _pair(a, b):
    """Two numbers with enough digits to differ."""
    digits = next((d for d in (6, 9, 12) if f"{a:.{d}g}" != f"{b:.{d}g}"), 17)
    return f"{a:.{digits}g}", f"{b:.{digits}g}"


def _at(index):
    return ", ".join(map(str, index))


def guilty(got, right):
    """The index of the element with the largest error."""
    distance = np.abs(np.where(np.isfinite(got), got, np.inf) - right)
    return tuple(map(int, np.unravel_index(np.nan_to_num(distance, nan=np.inf).argmax(), distance.shape)))


def _slope(exercise, arguments, name, v):
    """The centred difference of <g, forward> in argument `name` along v."""
    rest = {n: a for n, a in arguments.items() if n != "g"}
    sides = []
    for sign in (1, -1):
        moved = rest | {name: rest[name] + sign * STEP * v}
        tensors = {n: Tensor(a) if isinstance(a, np.ndarray) else a for n, a in moved.items()}
        with backend.use("reference"):
            sides.append(np.vdot(arguments["g"], exercise.forward(*tensors.values()).data))
    return float(sides[0] - sides[1]) / (2 * STEP)


def _directional(exercise, arguments, name, got, seed):
    """|a - n| / max(|a|, |n|) along a random direction."""
    v = np.random.default_rng(seed).standard_normal(got.shape)
    a, n = float(np.vdot(v, got)), _slope(exercise, arguments, name, v)
    return abs(a - n) / max(abs(a), abs(n), 1e-300)
