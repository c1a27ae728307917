"""An ONNX file as an `nn.Module`: convolutions, norms and linear maps are layers, other nodes run as operators."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..autograd.tensor import Tensor
from ..nn.module import Module, Parameter
from .activations import ACTIVATIONS
from .arithmetic import ARITHMETIC
from .layers import layer_for
from .resize import RESIZE
from .shapes import SHAPES
from .values import Node
from .windows import WINDOWS

OPERATORS = ARITHMETIC | ACTIVATIONS | WINDOWS | SHAPES | RESIZE
MIN_OPSET = 9
_BROADCASTING = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"}


def read_onnx(path: str) -> Any:
    """The onnx package's ModelProto of a file, its weights included. Errors as `load_onnx`."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError('ONNX files need the onnx package: pip install "minidl[onnx]"') from error
    with open(path, "rb") as file:
        content = file.read()
    try:
        model = onnx.load_from_string(content)
        onnx.load_external_data_for_model(model, os.path.dirname(path) or ".")
    except FileNotFoundError:
        raise
    except Exception as error:  # protobuf and onnx raise exceptions of their own types
        raise ValueError(f"{path} is not an ONNX file, or it is damaged: {str(error).splitlines()[0]}") from error
    if not model.graph.output:
        raise ValueError(f"{path} is not an ONNX file, or it is damaged: its graph has no output")
    return model


class OnnxNetwork(Module):
    """Result of `load_onnx`. `inputs` and `outputs` are {name: shape}, with None for free sizes; `metadata` is the file's."""

    def __init__(self, model: Any, path: str = "the graph") -> None:
        super().__init__()
        self.producer = model.producer_name
        self.path, self.metadata = path, {p.key: p.value for p in model.metadata_props}
        graph, opset = model.graph, _opset(model, path)
        known = {t.name: _array(t) for t in graph.initializer}
        self.inputs = {v.name: _shape(v) for v in graph.input if v.name not in known}
        self.outputs = {v.name: _shape(v) for v in graph.output}
        nodes = [(_node(n, opset), list(n.input), list(n.output)) for n in graph.node]
        _refuse_unknown(nodes, graph.node, path)
        self.steps, self._placed = [], {}
        given = set(known)
        for node, inputs, outputs in nodes:
            if all(name in known or not name for name in inputs):
                results = OPERATORS[node.op](node, *[known.get(name) for name in inputs])
                results = results if isinstance(results, tuple) else (results,)
                known |= {name: r.data if isinstance(r, Tensor) else _value(r) for name, r in zip(outputs, results)}
            else:
                self._add_step(node, inputs, outputs, known, given)
        self._constants = {name: known[name] for name in self._needed() if name in known}
        self._last_use = self._lifetimes()

    def _add_step(self, node, inputs, outputs, known, given):
        """Add a layer where the weights are in the file, else an operator; trainable constants become parameters."""
        layer, taken = layer_for(node, inputs, known)
        if layer is not None:
            weight = inputs[1] if taken else ""
            name = weight.removesuffix(".weight") if weight.endswith(".weight") else node.name or outputs[0]
            self._place(name, layer)
            inputs = [inputs[0]]
        else:
            for name in inputs:
                array = known.get(name)
                learnt = array is not None and array.dtype.kind == "f" and array.ndim and array.size > 1
                if learnt and name not in self._placed:
                    self._place(name, Parameter(array) if name in given else Tensor(array))
        self.steps.append((node, layer, inputs, outputs))

    def _place(self, name, value):
        """Register a layer, parameter or buffer under its dotted name, as in PyTorch; names in use get a number."""
        *path, leaf = [part for part in name.replace("/", ".").split(".") if part] or ["layer"]
        owner = self
        for part in path:
            child = owner._modules.get(part)
            if not isinstance(child, Module):
                child = Module()
                owner.add_module(part, child)
            owner = child
        unique, count = leaf, 1
        while unique in owner._modules or hasattr(owner, unique):
            count += 1
            unique = f"{leaf}_{count}"
        if isinstance(value, Module):
            owner.add_module(unique, value)
        elif isinstance(value, Parameter):
            owner.register_parameter(unique, value)
        else:
            owner.register_buffer(unique, value)
        if not isinstance(value, Module):
            self._placed[name] = owner, unique

    def _needed(self):
        return {name for _, _, inputs, _ in self.steps for name in inputs if name} | set(self.outputs)

    def _lifetimes(self):
        """{value: index of the last step that uses it}."""
        last = {name: k for k, (_, _, inputs, _) in enumerate(self.steps) for name in inputs}
        return {k: [n for n, at in last.items() if at == k and n not in self.outputs] for k in range(len(self.steps))}

    def forward(self, *images: Tensor) -> Tensor | dict[str, Tensor]:
        """The outputs for one Tensor per input."""
        if len(images) != len(self.inputs):
            raise TypeError(
                f"{self.path}: {len(images)} inputs given; needed {len(self.inputs)}: {', '.join(self.inputs)}"
            )
        values: dict[str, Any] = {"": None} | self._constants
        for (name, shape), x in zip(self.inputs.items(), images):
            if len(shape) != x.ndim or any(n not in (None, m) for n, m in zip(shape, x.data.shape)):
                wanted = ", ".join("any" if n is None else str(n) for n in shape)
                raise ValueError(f"{self.path}: input {name!r} has shape {tuple(x.data.shape)}; needed ({wanted})")
            values[name] = x
        for name, (owner, attribute) in self._placed.items():
            values[name] = getattr(owner, attribute)
        for k, (node, layer, inputs, outputs) in enumerate(self.steps):
            arguments = [values[name] for name in inputs]
            if node.op in _BROADCASTING and any(isinstance(a, Tensor) and a.ndim for a in arguments):
                arguments = [_scalar(a) for a in arguments]
            try:
                results = layer(*arguments) if layer is not None else OPERATORS[node.op](node, *arguments)
            except (ValueError, TypeError, IndexError) as error:
                error.add_note(f"in node {node.name or outputs[0]!r} ({node.op}) of {self.path}")
                raise
            for name, result in zip(outputs, results if isinstance(results, tuple) else (results,)):
                values[name] = _value(result)
            for name in self._last_use[k]:
                values.pop(name, None)
        found = {name: v if isinstance(v := values[name], Tensor) else Tensor(np.asarray(v)) for name in self.outputs}
        return next(iter(found.values())) if len(found) == 1 else found

    def extra_repr(self) -> str:
        return f"{os.path.basename(self.path)}, {len(self.steps)} nodes"


def _scalar(value):
    """A constant of one element as a 0-d array, which works on any device; other values unchanged."""
    return value.reshape(()) if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind == "f" else value


def _value(result):
    """The result of an operator as a value: arithmetic on sizes may return plain integers."""
    if isinstance(result, Tensor | np.ndarray | None):
        return result
    return np.array(result, object) if isinstance(result, int) else np.asarray(result)


def _opset(model, path):
    from onnx import defs

    versions = {o.domain: o.version for o in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 0))
    newest = defs.onnx_opset_version()
    if not MIN_OPSET <= opset <= newest:
        raise NotImplementedError(
            f"{path}: opset {opset}; needed {MIN_OPSET} to {newest}, the newest of the onnx package here"
        )
    return opset


def _array(proto):
    """The numbers of a TensorProto; halves of both kinds as float32, in which the network is computed."""
    from onnx import TensorProto, numpy_helper

    half = proto.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    array = numpy_helper.to_array(proto)
    return array.astype(np.float32) if half else array.copy()


def _shape(value):
    dims = value.type.tensor_type.shape.dim
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in dims)


def _node(proto, opset):
    from onnx import AttributeProto, helper

    attributes = {}
    for a in proto.attribute:
        attributes[a.name] = _array(a.t) if a.type == AttributeProto.TENSOR else helper.get_attribute_value(a)
    return Node(proto.op_type, proto.name, attributes | {"outputs": len(proto.output)}, opset)


def is_supported(proto: Any) -> bool:
    """Whether the operator of a NodeProto is supported; an unsupported attribute may still raise an error when it runs."""
    return proto.op_type in OPERATORS and proto.domain in ("", "ai.onnx")


def _refuse_unknown(nodes, protos, path):
    unknown = [(node, proto) for (node, _, _), proto in zip(nodes, protos) if not is_supported(proto)]
    if unknown:
        node, proto = unknown[0]
        others = sorted({n.op for n, _ in unknown})
        domain = f" of {proto.domain}" if proto.domain else ""
        raise NotImplementedError(
            f"{path}: node {node.name or proto.output[0]!r}: operator {node.op}{domain} (opset {node.opset}) is not supported"
            + (f"; nor are {', '.join(op for op in others if op != node.op)}" if len(others) > 1 else "")
        )
