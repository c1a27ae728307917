"""Elementwise operators with NumPy's broadcasting, reductions, softmax, and matrix products."""

from __future__ import annotations

import math

import numpy as np

from .. import functional as F
from ..autograd.tensor import Tensor
from .values import Operator, integers, is_tensor, number, tensor


def called(function: str | Operator) -> Operator:
    """The function of `minidl.functional` with this name, looked up at each call, since an exporter replaces it."""
    return function if callable(function) else lambda *args: getattr(F, function)(*args)


def binary(function: str | Operator, folded: Operator) -> Operator:
    """An operator of two arguments: of Tensors, or folded by NumPy where both are constants."""
    run = called(function)
    return lambda node, a, b: run(a, b) if is_tensor(a, b) else folded(a, b)


def unary(function: str | Operator, folded: Operator) -> Operator:
    """An operator of one argument."""
    run = called(function)
    return lambda node, x: run(x) if is_tensor(x) else folded(x)


def _divide(a, b):
    """Division; that of integers rounds towards zero. Traced sizes are never negative."""
    kinds = {np.asarray(v).dtype.kind for v in (a, b)}
    if not kinds <= set("iuO"):
        return a / b
    return a // b if "O" in kinds else np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _divide_tensors(a, b):
    if all(tensor(v).dtype.kind in "iu" for v in (a, b)):
        return Tensor(_divide(tensor(a).data, tensor(b).data))
    return F.div(a, b)


def _modulo(node, a, b):
    """The remainder, with the sign of b or, where `fmod` is set, of a."""
    remainder = np.fmod if node.get("fmod", 0) else np.mod
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN for infinities and division by 0, without a warning
        return Tensor(remainder(tensor(a).data, tensor(b).data)) if is_tensor(a, b) else remainder(a, b)


def _several(pairwise):
    """An operator of any number of arguments, such as Max."""

    def run(node, first, *rest):
        for other in rest:
            first = pairwise(node, first, other)
        return first

    return run


def _clip(node, x, low=None, high=None):
    low = node.get("min") if low is None else number(low)
    high = node.get("max") if high is None else number(high)
    if not is_tensor(x):
        return np.clip(x, low, high)
    if (low, high) == (0, 6):
        return F.relu6(x)
    return x if low is None and high is None else F.clamp(x, low, high)


def _leaky_relu(node, x):
    return F.leaky_relu(tensor(x), node.get("alpha", 0.01))


def _hard_sigmoid(node, x):
    return F.clamp(tensor(x) * node.get("alpha", 0.2) + node.get("beta", 0.5), 0.0, 1.0)


def _hard_swish(node, x):
    return F.hardswish(tensor(x))


def _prelu(node, x, slope):
    """x where it is positive, else slope x; the slope broadcasts from the last axis."""
    return F.relu(tensor(x)) - tensor(slope) * F.relu(-tensor(x))


def _elu(node, x):
    return F.elu(tensor(x), node.get("alpha", 1.0))


def _gelu(node, x):
    return F.gelu(tensor(x), node.get("approximate", "none"))


def _softplus(node, x):
    x = tensor(x)
    return F.relu(x) + F.log(1 + F.exp(-F.abs(x)))


def _softmax(name):
    function = called(name)

    def run(node, x):
        x = tensor(x)
        if node.opset >= 13:
            return function(x, node.get("axis", -1))
        axis = node.get("axis", 1) % x.ndim  # earlier opsets flatten from this axis on
        rows = math.prod(x.shape[:axis])
        return F.reshape(function(F.reshape(x, (rows, -1)), 1), x.shape)

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


def _arg(best):
    def run(node, x):
        axis, data = node.get("axis", 0), x.data if is_tensor(x) else x
        if node.get("select_last_index", 0):
            flipped = np.flip(data, axis)
            index = data.shape[axis] - 1 - best(flipped, axis=axis)
        else:
            index = best(data, axis=axis)
        return Tensor(np.expand_dims(index, axis) if node.get("keepdims", 1) else index)

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

    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(node.get("to")))
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
    "Div": binary(_divide_tensors, _divide),
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
    "Floor": unary(lambda x: Tensor(np.floor(x.data)), np.floor),
    "Ceil": unary(lambda x: Tensor(np.ceil(x.data)), np.ceil),
    "Relu": lambda node, x: F.relu(tensor(x)),
    "Sigmoid": lambda node, x: F.sigmoid(tensor(x)),
    "Tanh": lambda node, x: F.tanh(tensor(x)),
    "Softplus": _softplus,
    "Clip": _clip,
    "LeakyRelu": _leaky_relu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "PRelu": _prelu,
    "Elu": _elu,
    "Gelu": _gelu,
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "ReduceMean": _reduce(_mean, np.mean),
    "ReduceSum": _reduce("sum", np.sum),
    "ReduceMax": _reduce("amax", np.max),
    "ReduceMin": _reduce("amin", np.min),
    "ReduceProd": _reduce(lambda x, axes, keep: Tensor(np.prod(x.data, axis=axes, keepdims=keep)), np.prod),
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
    "Not": unary(lambda x: Tensor(np.logical_not(x.data)), np.logical_not),
    "And": binary(lambda a, b: Tensor(np.logical_and(tensor(a).data, tensor(b).data)), np.logical_and),
    "Or": binary(lambda a, b: Tensor(np.logical_or(tensor(a).data, tensor(b).data)), np.logical_or),
}
