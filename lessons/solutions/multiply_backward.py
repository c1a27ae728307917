"""Solution: each argument gets g times the other, summed back to its own shape."""

from minidl.exercises import check


def unbroadcast(gradient, shape):
    """Sum over the axes along which an array of `shape` was repeated."""
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(d for d, n in enumerate(shape) if n == 1 != gradient.shape[d])
    return gradient.sum(repeated, keepdims=True)


def multiply_backward(g, a, b):
    return unbroadcast(g * b, a.shape), unbroadcast(g * a, b.shape)


if __name__ == "__main__":
    raise SystemExit(not check("multiply_backward", multiply_backward))
