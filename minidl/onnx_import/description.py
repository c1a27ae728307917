"""A description of an ONNX file: inputs, outputs, operators, and the nodes that cannot be run."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import Any

from ..typing import PathLike
from .network import MIN_OPSET, is_supported, read_onnx

FLOATING = (1, 10, 11, 16)  # TensorProto.FLOAT, FLOAT16, DOUBLE, BFLOAT16


def describe(path: PathLike) -> dict[str, list[str]]:
    """{heading: lines} about the ONNX file `path`. Raises FileNotFoundError, ImportError, ValueError as `load_onnx`."""
    model = read_onnx(os.fspath(path))
    graph = model.graph
    given = {tensor.name for tensor in graph.initializer}
    counts = Counter(node.op_type for node in graph.node)
    unknown = [node for node in graph.node if not is_supported(node)]
    opset = {o.domain: o.version for o in model.opset_import}
    main = opset.get("", opset.get("ai.onnx", 0))
    refused = [f"{n.name or n.output[0]!r}: {n.domain}{'.' * bool(n.domain)}{n.op_type}" for n in unknown]
    if main < MIN_OPSET:
        refused.insert(0, f"opset {main}; needed {MIN_OPSET} or newer")
    constants = [a.t for node in graph.node if node.op_type == "Constant" for a in node.attribute if a.name == "value"]
    weights = [math.prod(t.dims) for t in (*graph.initializer, *constants) if t.dims and t.data_type in FLOATING]
    return {
        "written by": [f"{model.producer_name or 'unknown'} {model.producer_version}".strip() + f", opset {main}"],
        "inputs": [_value(v) for v in graph.input if v.name not in given],
        "outputs": [_value(v) for v in graph.output],
        "weights": [f"{sum(weights):,} numbers in {len(weights)} arrays"],
        "operators": [", ".join(f"{count} {name}" for name, count in counts.most_common())],
        "not supported": refused or ["nothing"],
        "metadata": [f"{p.key}: {p.value}" for p in model.metadata_props] or ["none"],
    }


def _value(value: Any) -> str:
    from onnx import TensorProto

    kind = value.type.tensor_type
    sizes = [str(d.dim_value) if d.dim_value > 0 else d.dim_param or "any" for d in kind.shape.dim]
    return f"{value.name} ({', '.join(sizes)}) {TensorProto.DataType.Name(kind.elem_type).lower()}"
