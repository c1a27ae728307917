"""Mistakes in the last step: the right result, but flipped, cropped, shifted or permuted."""

import numpy as np

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def _where(test, change):
    """The change where the test holds, else the identity."""
    return lambda right: change(right) if test(right) else right


def _flip(d):
    return _where(lambda r: r.ndim > -d - 1 and r.shape[d] > 1, lambda r: np.flip(r, d))


def _swapped(a, b):
    return _where(lambda r: r.ndim > b, lambda r: r.swapaxes(a, b))


def _read_in_another_order(a, b):
    return _where(lambda r: r.ndim > b, lambda r: r.swapaxes(a, b).reshape(r.shape))


def _written_in_another_order(a, b):
    def change(r):
        shape = list(r.shape)
        shape[a], shape[b] = shape[b], shape[a]
        return r.reshape(shape).swapaxes(a, b)

    return _where(lambda r: r.ndim > b, change)


def _shifted(d, by):
    def change(r):
        moved = np.roll(r, by, d)
        edge = [slice(None)] * r.ndim
        edge[d] = slice(None, by) if by > 0 else slice(by, None)
        moved[tuple(edge)] = 0
        return moved

    return _where(lambda r: r.ndim >= 2 and r.shape[d] > 1, change)


def _cut(d, start, stop):
    part = slice(start or None, -stop if stop else None)
    return _where(
        lambda r: r.ndim >= -d and r.shape[d] > start + stop,
        lambda r: r[(Ellipsis, part, *[slice(None)] * (-d - 1))],
    )


def _cut_both(start, stop):
    part = slice(start or None, -stop if stop else None)
    return _where(lambda r: r.ndim >= 3 and min(r.shape[-2:]) > start + stop, lambda r: r[..., part, part])


def _zeroed(d, part):
    def change(r):
        made = r.copy()
        made[(Ellipsis, part, *[slice(None)] * (-d - 1))] = 0
        return made

    return _where(lambda r: r.ndim >= max(-d, 1) and r.shape[d] > 1, change)


def _zeroed_both(part):
    def change(r):
        made = r.copy()
        made[..., part, :] = made[..., part] = 0
        return made

    return _where(lambda r: r.ndim >= 3 and min(r.shape[-2:]) > 1, change)


def _grown(before, after):
    def change(r):
        return np.pad(r, [(0, 0)] * (r.ndim - 2) + [(before, after)] * 2)

    return _where(lambda r: r.ndim >= 3, change)


def _images(change):
    return _where(lambda r: r.ndim >= 1 and len(r) > 1, change)


def _only_first(r):
    made = np.zeros_like(r)
    made[0] = r[0]
    return made


def _only_last(r):
    made = np.zeros_like(r)
    made[-1] = r[-1]
    return made


def _mean_of(r):
    return np.broadcast_to(r.mean(0), r.shape)


ROW = {-2: "row", -1: "column"}
TRANSFORMS = [
    ("the sign is wrong", lambda r: -r),
    ("negative results become 0: does a maximum start at 0?", lambda r: np.maximum(r, 0)),
    ("positive results become 0", lambda r: np.minimum(r, 0)),
    ("the absolute value is returned", np.abs),
    ("the result is cut to whole numbers: is it written into an array of integers?", np.trunc),
    ("the result is rounded to whole numbers", np.rint),
    ("the result is squared: a root is missing, or a square is too much", np.square),
    ("the root of the result is returned", _where(lambda r: (r >= 0).all(), np.sqrt)),
    ("the reciprocal of the result is returned", _where(lambda r: (r != 0).all(), lambda r: 1 / r)),
    ("exp of the result is returned: a logarithm is missing, or exp is too much", np.exp),
    ("the logarithm of the result is returned", _where(lambda r: (r > 0).all(), np.log)),
    ("later images are empty: does `return` stand inside the loop?", _images(_only_first)),
    ("only the last image is there: is the result made anew for every image?", _images(_only_last)),
    ("every image holds the result of the first", _images(lambda r: np.broadcast_to(r[:1], r.shape))),
    ("every image holds the result of the last", _images(lambda r: np.broadcast_to(r[-1:], r.shape))),
    ("each image still holds the sums of those before it: start from zeros for each", _images(lambda r: r.cumsum(0))),
    ("the images are averaged", _images(_mean_of)),
    ("the images are in reverse order", _images(lambda r: r[::-1])),
    *((f"the result is turned over along its last axis ({ROW[d]}s in reverse order)", _flip(d)) for d in (-1,)),
    ("the rows of the result are in reverse order", _where(lambda r: r.ndim >= 2, lambda r: r[..., ::-1, :])),
    ("the result is turned by 180 degrees", _where(lambda r: r.ndim >= 3, lambda r: r[..., ::-1, ::-1])),
    *(
        (f"the {ORDINALS[a]} and the {ORDINALS[b]} axis of the result are exchanged", _swapped(a, b))
        for b in range(5)
        for a in range(b)
    ),
    *(
        (
            f"the numbers are in another order: the {ORDINALS[a]} and the {ORDINALS[b]} axis are exchanged before a reshape",
            change(a, b),
        )
        for b in range(4)
        for a in range(b)
        for change in (_read_in_another_order, _written_in_another_order)
    ),
    *(
        (f"everything is one {ROW[d]} too far {side}", _shifted(d, by))
        for d, sides in ((-2, ("down", "up")), (-1, ("right", "left")))
        for side, by in zip(sides, (1, -1))
    ),
    *(
        (
            f"a lost row from floor: the last {n}{ROW[d]} is missing"
            if n == ""
            else f"the last two {ROW[d]}s are missing",
            c,
        )
        for d in (-2, -1)
        for n, c in (("", _cut(d, 0, 1)), ("two ", _cut(d, 0, 2)))
    ),
    *((f"the first {ROW[d]} is missing", _cut(d, 1, 0)) for d in (-2, -1)),
    ("a lost row from floor: the last row and the last column are missing", _cut_both(0, 1)),
    ("two rows lost: the last two rows and columns are missing", _cut_both(0, 2)),
    ("the first row and the first column are missing", _cut_both(1, 0)),
    ("the border is missing: one pixel on each side is cut off", _cut_both(1, 1)),
    *((f"the last {ROW[d]} is 0: does a range end one too early?", _zeroed(d, slice(-1, None))) for d in (-2, -1)),
    *((f"the first {ROW[d]} is 0: does a range start at 1?", _zeroed(d, slice(None, 1))) for d in (-2, -1)),
    ("the last row and the last column are 0: does a range end one too early?", _zeroed_both(slice(-1, None))),
    ("the first row and the first column are 0: does a range start at 1?", _zeroed_both(slice(None, 1))),
    ("a border of zeros is too much: crop the padding", _grown(1, 1)),
    ("a row and a column of zeros are too much at the end", _grown(0, 1)),
    ("a row and a column of zeros are too much at the start", _grown(1, 0)),
    *(
        (f"a sum too many: the result is summed over its {ORDINALS[d]} axis", _where(lambda r, d=d: r.ndim > d, change))
        for d in range(4)
        for change in (lambda r, d=d: r.sum(d), lambda r, d=d: r.sum(d, keepdims=True))
    ),
    *(
        (
            f"a mean too many: the result is averaged over its {ORDINALS[d]} axis",
            _where(lambda r, d=d: r.ndim > d, change),
        )
        for d in range(4)
        for change in (lambda r, d=d: r.mean(d), lambda r, d=d: r.mean(d, keepdims=True))
    ),
    *(
        (
            f"the result is divided by its sum over the {ORDINALS[d]} axis",
            _where(lambda r, d=d: r.ndim > d, lambda r, d=d: r / r.sum(d, keepdims=True)),
        )
        for d in range(3)
    ),
]
