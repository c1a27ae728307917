"""The recorded graph as a drawing: Graphviz DOT text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .tape import Leaf

if TYPE_CHECKING:
    from .tensor import Tensor


def graph(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> str:
    """DOT text of the operations that computed `tensor`; arrows point from inputs to results.

    Boxes are operations, ellipses leaves, and arrows are labelled with shapes; `names` is {label: leaf tensor}, such as
    `dict(model.named_parameters())`. Draw it with `dot -Tsvg` or paste it into any Graphviz viewer.
    """
    labels = {id(x.node): name for name, x in (names or {}).items() if x.node is not None}
    lines = ["digraph {", "  rankdir=LR", '  node [fontname="Helvetica", fontsize=11]']
    lines.append(f'  result [label="{_shape(tensor.shape)}", shape=ellipse, style=bold]')
    if tensor.node is not None:
        lines.append(f"  n{tensor.node.index} -> result")
    seen, stack = set(), [tensor.node] if tensor.node is not None else []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Leaf):
            leaf = node.tensor()
            label = labels.get(id(node), "leaf") + ("" if leaf is None else f"\\n{_shape(leaf.shape)}")
            lines.append(f'  n{node.index} [label="{label}", shape=ellipse, style=filled, fillcolor=lightgrey]')
            continue
        lines.append(f'  n{node.index} [label="{node.op.__name__}", shape=box]')
        for edge, shape in zip(node.edges, node.shapes):
            lines.append(f'  n{edge.index} -> n{node.index} [label="{_shape(shape)}", fontsize=9]')
            stack.append(edge)
    return "\n".join([*lines, "}"])


def _shape(shape):
    return " x ".join(map(str, shape)) or "scalar"
