"""Patterns of wrong cells: a description that fits all wrong cells of all cases, and advice."""

import numpy as np

from .agree import wrong_cells


def pattern(results, k, tolerance):
    """A description of the positions of all wrong cells of output k, or None. `results` have values."""
    pairs = [(r.values[k], r.expected[k]) for r in results]
    if any(a.shape != e.shape for a, e in pairs):
        return _cases([a.shape != e.shape for a, e in pairs], results) or _sizes(pairs)
    masks = [wrong_cells(a, e, tolerance) for a, e in pairs]
    if place := _plane(masks):
        return place
    if place := _leading(masks, _first_axis(results[0].arguments)):
        return place
    return _cases([m.any() for m in masks], results) or _signs(pairs, masks)


def _plane(masks):
    wrong = [m for m in masks if m.any()]
    if any(m.ndim < 3 or min(m.shape[-2:]) < 3 for m in wrong):
        return None
    for width in (1, 2):
        inner = slice(width, -width)
        if any(min(m.shape[-2:]) <= 2 * width for m in wrong) or any(m[..., inner, inner].any() for m in wrong):
            continue
        size = "" if width == 1 else "two "
        plural = "" if width == 1 else "s"
        if not any(m[..., :-width, :-width].any() for m in wrong):
            return f"only the last {size}row{plural} or column{plural} are wrong: what does floor lose, where does a range end?"
        if not any(m[..., width:, width:].any() for m in wrong):
            return (
                f"only the first {size}row{plural} or column{plural} are wrong: is padding treated alike on both sides?"
            )
        return f"only the border ({width} pixel{plural}) is wrong: how is what lies outside treated?"
    return None


def _first_axis(arguments):
    """What the first axis of a result counts."""
    return "box" if "boxes" in arguments else "image"


def _leading(masks, first):
    wrong = [m for m in masks if m.any()]
    for d, name in ((0, f"{first} (index 0 of the first axis)"), (1, "channel (index 0 of the second axis)")):
        if all(m.ndim >= max(3, d + 1) and m.shape[d] > 1 for m in wrong):
            each = [m.any(tuple(a for a in range(m.ndim) if a != d)) for m in wrong]  # by index of axis d
            if all(not e[0] and e[1:].all() for e in each):
                return f"the first {name} is right, all later ones are wrong: is index 0 used for all?"
            if all(e[0] and not e[1:].any() for e in each):
                return f"only the first {name} is wrong"
    return None


def _cases(failing, results):
    """A property of all wrong cases that no right case has."""
    if all(failing) or not any(failing):
        return None
    for words, test in _properties(results[0].arguments):
        if [bool(test(r.arguments)) for r in results] == list(failing):
            return f"wrong exactly where {words}"
    return None


def _properties(arguments):
    first = _first_axis(arguments)
    for name, value in arguments.items():
        if isinstance(value, int) and not isinstance(value, bool):
            for least in (1, 2, 3):
                yield f"{name} is at least {least}", lambda a, n=name, v=least: a[n] >= v
            yield f"{name} is 0", lambda a, n=name: a[n] == 0
        elif isinstance(value, np.ndarray):
            for d, axis in enumerate((first if name == "g" else "image", "channel")):
                if value.ndim == 4:
                    yield f"{name} has more than one {axis}", lambda a, n=name, d=d: a[n].shape[d] > 1
            if value.ndim >= 2:
                yield f"{name} is not square", lambda a, n=name: a[n].shape[-1] != a[n].shape[-2]
            if value.dtype.kind == "f":
                yield f"{name} holds no positive number", lambda a, n=name: (a[n] <= 0).all()
                yield f"{name} holds large numbers", lambda a, n=name: np.abs(a[n]).max(initial=0) > 100


def _signs(pairs, masks):
    if sum(int(m.sum()) for m in masks) <= 3 or any(m.ndim == 0 for m in masks):
        return None
    for words, test in (("negative", np.less), ("positive", np.greater)):
        signs = [test(e, 0) for _, e in pairs]
        both = not all(s.all() for s in signs)  # else the sign distinguishes nothing
        if both and all((m == s).all() for s, m in zip(signs, masks)):
            return f"the cells whose right value is {words} are wrong, and only they"
    return None


def _sizes(pairs):
    if all(a.ndim == e.ndim and sorted(a.shape) == sorted(e.shape) for a, e in pairs):
        return "the axes are in another order"
    if all(a.ndim > e.ndim for a, e in pairs):
        return "an axis too many: is a sum missing?"
    if all(a.ndim < e.ndim for a, e in pairs):
        return "an axis too few: is a sum too many, or keepdims missing?"
    if all(a.ndim == e.ndim and all(s <= t for s, t in zip(a.shape, e.shape)) for a, e in pairs):
        return "rows or columns are missing: which size does the formula give?"
    if all(a.ndim == e.ndim and all(s >= t for s, t in zip(a.shape, e.shape)) for a, e in pairs):
        return "rows or columns are too many: which size does the formula give?"
    return None
