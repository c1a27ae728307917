"""Elementwise operators with NumPy's broadcasting, reductions, and matrix products."""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .values import Operator, again, arrays, called, integers, is_tensor, tensor


def binary(function: str | Operator, folded: Operator) -> Operator:
    """An operator of two arguments: of Tensors, or folded by NumPy where both are constants."""
    run = called(function)
    return lambda node, a, b: run(a, b) if is_tensor(a, b) else folded(a, b)


def unary(function: str | Operator, folded: Operator) -> Operator:
    """An operator of one argument."""
    run = called(function)
    return lambda node, x: run(x) if is_tensor(x) else folded(x)


def underived(function: Operator) -> Operator:
    """An operator without a useful derivative, computed by NumPy or CuPy."""
    return lambda node, *xs: again(node, function(*arrays(*xs)), *xs) if is_tensor(*xs) else function(*xs)


def _divide(a, b):
    """Division; that of integers rounds towards zero. Traced sizes are never negative."""
    kinds = {np.asarray(v).dtype.kind for v in (a, b)}
    if not kinds <= set("iuO"):
        return a / b
    return a // b if "O" in kinds else np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _div(node, a, b):
    if is_tensor(a, b) and not all(tensor(v).dtype.kind in "iu" for v in (a, b)):
        return F.div(a, b)
    return underived(_divide)(node, a, b)


def _modulo(node, a, b):
    """The remainder, with the sign of b or, where `fmod` is set, of a."""
    remainder = np.fmod if node.get("fmod", 0) else np.mod
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN for infinities and division by 0, without a warning
        return underived(remainder)(node, a, b)


def _several(pairwise):
    """An operator of any number of arguments, such as Max."""

    def run(node, first, *rest):
        for other in rest:
            first = pairwise(node, first, other)
        return first

    return run


def _reduce(function, folded):
    """A reduction over axes, which are an attribute or, in later opsets, an input."""
    function = called(function)

    def run(node, x, axes=None):
        axes = node.get("axes") if axes is None else integers(axes)
        keep = bool(node.get("keepdims", 1))
        if axes is None or len(axes) == 0:
            if node.get("noop_with_empty_axes", 0):
                return x
            axes = range(x.ndim)
        axes = tuple(a % x.ndim for a in axes)
        return function(x, axes, keep) if is_tensor(x) else folded(x, axis=axes, keepdims=keep)

    return run


def _mean(x, axes, keep):
    if axes == (2, 3) and keep and x.ndim == 4:
        return F.adaptive_avg_pool2d(x, 1)  # the same result by a function with an ONNX form
    return F.mean(x, axes, keep)


def _product(node, x, axes=None):
    """The product along axes; as a derivative of it is not needed, NumPy or CuPy computes it."""
    multiply = lambda x, axes, keep: again(
        node, x.data.prod(axis=axes, keepdims=keep), x, np.array(axes, np.int64), axes=None
    )
    return _reduce(multiply, np.prod)(node, x, axes)


def _derived_reduction(formula):
    """A reduction that is a formula around sums: `formula(x, total)`, where total adds up along the axes."""

    def run(node, x, axes=None):
        add = _reduce("sum", np.sum)
        return formula(tensor(x), lambda y: add(node, y, axes))

    return run


def _average(node, *xs):
    """The mean of several arrays, element by element."""
    return ARITHMETIC["Sum"](node, *map(tensor, xs)) / len(xs)


def _arg(best):
    def run(node, x):
        axis, (data,) = node.get("axis", 0), arrays(x)
        if node.get("select_last_index", 0):
            flipped = np.flip(data, axis)
            index = data.shape[axis] - 1 - best(flipped, axis=axis)
        else:
            index = best(data, axis=axis)
        return again(node, np.expand_dims(index, axis) if node.get("keepdims", 1) else index, x)

    return run


def _gemm(node, a, b, c=None):
    """alpha A B + beta C; transA and transB transpose the factors."""
    a, b = tensor(a), tensor(b)
    a = F.transpose(a, 0, 1) if node.get("transA", 0) else a
    b = F.transpose(b, 0, 1) if node.get("transB", 0) else b
    y = F.matmul(a, b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    y = y if alpha == 1 else y * alpha
    return y if c is None else y + (tensor(c) if beta == 1 else tensor(c) * beta)


def _cast(node, x):
    import onnx

    halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)  # computed in float32
    kind = np.dtype(np.float32 if node.get("to") in halves else onnx.helper.tensor_dtype_to_np_dtype(node.get("to")))
    if kind.kind not in "biuf" or (kind.kind == "f" and kind.itemsize < 4):
        raise node.refuse(f"a cast to {kind}")
    if is_tensor(x):
        return x.to(kind)
    if x.dtype == object and kind.kind in "iu":
        return x  # sizes remain integers
    if x.dtype == object and any(type(n) is not int for n in x.reshape(-1)):
        raise node.refuse("a size that becomes a fraction, in a network that is exported again,")
    return x.astype(kind)


def _where(node, condition, a, b):
    if not is_tensor(condition, a, b):
        return np.where(condition, a, b)
    return F.where(tensor(condition), tensor(a), tensor(b))


def _comparison(function, folded):
    compare = called(function)
    return binary(lambda a, b: compare(tensor(a), tensor(b)), folded)


ARITHMETIC: dict[str, Operator] = {
    "Add": binary("add", np.add),
    "Sub": binary("sub", np.subtract),
    "Mul": binary("mul", np.multiply),
    "Div": _div,
    "Pow": binary("pow", np.power),
    "Mod": _modulo,
    "Max": _several(binary("maximum", np.maximum)),
    "Min": _several(binary("minimum", np.minimum)),
    "Sum": _several(binary("add", np.add)),
    "Neg": unary("neg", np.negative),
    "Abs": unary("abs", np.abs),
    "Exp": unary("exp", np.exp),
    "Log": unary("log", np.log),
    "Sqrt": unary("sqrt", np.sqrt),
    "Reciprocal": unary(lambda x: F.div(1.0, x), np.reciprocal),
    "Erf": lambda node, x: F.erf(tensor(x)),
    "Floor": underived(np.floor),
    "Ceil": underived(np.ceil),
    "ReduceMean": _reduce(_mean, np.mean),
    "ReduceSum": _reduce("sum", np.sum),
    "ReduceMax": _reduce("amax", np.max),
    "ReduceMin": _reduce("amin", np.min),
    "ReduceProd": _product,
    "ReduceL1": _derived_reduction(lambda x, total: total(F.abs(x))),
    "ReduceL2": _derived_reduction(lambda x, total: F.sqrt(total(x * x))),
    "ReduceSumSquare": _derived_reduction(lambda x, total: total(x * x)),
    "ReduceLogSum": _derived_reduction(lambda x, total: F.log(total(x))),
    "ReduceLogSumExp": _reduce("logsumexp", None),
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "MatMul": lambda node, a, b: F.matmul(tensor(a), tensor(b)) if is_tensor(a, b) else a @ b,
    "Gemm": _gemm,
    "Cast": _cast,
    "Where": _where,
    "Equal": _comparison("eq", np.equal),
    "Less": _comparison("lt", np.less),
    "LessOrEqual": _comparison("le", np.less_equal),
    "Greater": _comparison("gt", np.greater),
    "GreaterOrEqual": _comparison("ge", np.greater_equal),
    "Not": underived(np.logical_not),
    "And": underived(np.logical_and),
    "Or": underived(np.logical_or),
    "Xor": underived(np.logical_xor),
    "Sign": underived(np.sign),
    "Round": underived(np.round),
    "Sin": unary("sin", np.sin),
    "Cos": unary("cos", np.cos),
    "IsNaN": underived(np.isnan),
    "Mean": _average,
}
