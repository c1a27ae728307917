"""Solution: linear interpolation along rows, then along columns."""

import numpy as np

from minidl.exercises import check


def along(x, m, axis):
    """x resized to m along one axis."""
    n = x.shape[axis]
    at = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    f = (at - low).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    return (1 - f) * x.take(low, axis) + f * x.take(np.minimum(low + 1, n - 1), axis)


def bilinear_resize(x, size):
    return along(along(x, size[0], 2), size[1], 3)


if __name__ == "__main__":
    raise SystemExit(not check("bilinear_resize", bilinear_resize))
