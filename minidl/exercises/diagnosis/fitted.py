"""Mistakes found from the answer itself: a constant factor, an added constant, an axis that is not summed."""

import numpy as np

from .agree import agree

CONSTANTS = (
    (1 / np.log(2), "the logarithm has base 2; needed the natural one"),
    (1 / np.log(10), "the logarithm has base 10; needed the natural one"),
    (np.log(2), "the natural logarithm stands where base 2 is needed, or ln 2 is too much"),
)


def fitted(answers, expected, arguments, tolerance):
    """The cause that explains all answers (lists over cases), or None."""
    if all(a.shape == e.shape for a, e in zip(answers, expected)):
        if sum(a.size for a in answers) > 1:
            return _factor(answers, expected, arguments, tolerance) or _offset(answers, expected, tolerance)
        return None
    return _shape(answers, expected, tolerance)


def _factor(answers, expected, arguments, tolerance):
    factors = []
    for answer, right in zip(answers, expected):
        if not (np.isfinite(answer).all() and np.isfinite(right).all()):
            return None
        factor = np.vdot(answer, right) / max(np.vdot(right, right), 1e-300)
        if not factor or not agree(answer / factor, right, tolerance):
            return None
        factors.append(factor)
    near = max(10 * tolerance, 1e-8)
    if np.allclose(factors, 1, rtol=near):
        return None
    for constant, text in CONSTANTS:
        if np.allclose(factors, constant, rtol=near):
            return text
    for text, sizes in _sizes(arguments):
        if len(set(sizes)) == 1 < len(sizes) or len(sizes) < len(factors) or 0 in sizes:
            continue  # a number that is equal in all cases identifies no size
        if np.allclose(factors, 1 / sizes, rtol=near):
            return f"everything is divided by {text}: a mean is taken where a sum is needed"
        if np.allclose(factors, sizes, rtol=near):
            return (
                f"everything is multiplied by {text}: a sum is taken where a mean is needed, or a division is missing"
            )
    if np.allclose(factors, factors[0], rtol=near):
        return f"everything is {factors[0]:.4g} times what it should be: a constant factor is wrong, or a sum or mean"
    return None


def _sizes(arguments):
    """(name, array of its values in all cases) of the sizes and integers that may occur as a divisor."""
    for d in range(5):
        for name, value in arguments[0].items():
            if isinstance(value, np.ndarray) and value.ndim > d:
                yield (
                    f"the length of axis {d} of {name}",
                    np.array([float(a[name].shape[d]) for a in arguments if a[name].ndim > d]),
                )
    for name, value in arguments[0].items():
        if isinstance(value, np.ndarray):
            every = [a[name] for a in arguments]
            yield f"the number of cells of {name}", np.array([float(v.size) for v in every])
            if value.ndim >= 2:
                yield f"the number of cells of {name}[0]", np.array([v.size / len(v) for v in every])
                plane = np.array([float(np.prod(v.shape[-2:])) for v in every])
                yield f"the number of pixels of {name}", plane
            if value.ndim == 4:
                yield f"the images times the pixels of {name}", np.array([v.size / v.shape[1] for v in every])
        elif isinstance(value, int | float):
            yield name, np.array([float(a[name]) for a in arguments])
            yield f"{name} squared", np.array([float(a[name]) ** 2 for a in arguments])


def _offset(answers, expected, tolerance):
    offsets = [np.mean(a - e) for a, e in zip(answers, expected)]
    same = np.isfinite(offsets).all() and np.allclose(offsets, offsets[0], atol=1e-9) and abs(offsets[0]) > 1e-6
    if same and all(agree(a - offsets[0], e, tolerance) for a, e in zip(answers, expected)):
        return f"everything is {offsets[0]:.4g} more than it should be: a constant is added"
    return None


def _shape(answers, expected, tolerance):
    """A cause that follows from the shapes and agrees with the values."""
    pairs = list(zip(answers, expected))
    if all(a.size == e.size and agree(a.reshape(e.shape), e, tolerance) for a, e in pairs):
        return "the right numbers in the wrong shape: reshape the result (or use keepdims=True)"
    for d in range(max(a.ndim for a in answers)):
        for way, text in ((np.sum, "a missing sum"), (np.mean, "a missing mean")):
            if all(_reduced(a, d, way, e, tolerance) for a, e in pairs):
                return f"{text} over axis {d} of what is returned"
    return None


def _reduced(answer, d, way, right, tolerance):
    if answer.ndim <= d:
        return agree(answer, right, tolerance)
    return any(agree(way(answer, axis=d, keepdims=keep), right, tolerance) for keep in (False, True))
