"""What the functions that work element by element are in ONNX, as in emit.py, and products of matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .graph import Graph


def _number(v):
    return np.float32(v) if isinstance(v, float | int) else v


def _binary(op):
    return lambda g, out, args: g.node(op, _number(args.a), _number(args.b))


def _unary(op):
    return lambda g, out, args: g.node(op, args.x)


def clamp(g: Graph, out: Any, args: Any) -> Any:
    """Limits that may be absent."""
    return g.node("Clip", args.x, *["" if v is None else np.float32(v) for v in (args.min, args.max)])


def where(g: Graph, out: Any, args: Any) -> Any:
    """Where."""
    return g.node("Where", args.condition, _number(args.input), _number(args.other))


def gelu(g: Graph, out: Any, args: Any) -> Any:
    """x Phi(x), with erf or with tanh (ONNX's own Gelu needs opset 20)."""
    x, node = args.x, g.node
    if args.approximate == "none":
        inner = node("Erf", node("Mul", x, np.float32(math.sqrt(0.5))))
    else:
        cube = node("Mul", node("Mul", node("Mul", x, x), x), np.float32(0.044715))
        inner = node("Tanh", node("Mul", node("Add", x, cube), np.float32(math.sqrt(2 / math.pi))))
    return node("Mul", node("Mul", x, np.float32(0.5)), node("Add", inner, np.float32(1)))


BINARY = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "maximum": "Max", "minimum": "Min", "pow": "Pow",
    "matmul": "MatMul", "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
}  # fmt: skip
UNARY = {
    "neg": "Neg", "abs": "Abs", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "erf": "Erf", "sin": "Sin", "cos": "Cos",
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hardswish": "HardSwish",
}  # fmt: skip
POINTWISE = {name: _binary(op) for name, op in BINARY.items()} | {name: _unary(op) for name, op in UNARY.items()}
POINTWISE |= {
    "ne": lambda g, out, args: g.node("Not", g.node("Equal", _number(args.a), _number(args.b))),
    "clamp": clamp,
    "where": where,
    "gelu": gelu,
    "relu6": lambda g, out, args: g.node("Clip", args.x, np.float32(0), np.float32(6)),
    "elu": lambda g, out, args: g.node("Elu", args.x, alpha=float(args.alpha)),
    "leaky_relu": lambda g, out, args: g.node("LeakyRelu", args.x, alpha=float(args.negative_slope)),
}
