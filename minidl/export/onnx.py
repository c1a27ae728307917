"""ONNX: a network as a file for other programs, for images of any height and width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..autograd.tape import no_grad
from ..autograd.tensor import Tensor
from ..kernels.files import write
from ..nn.module import Module
from ..typing import PathLike
from .graph import Graph
from .trace import Traced, recording

OPSET = 18


@no_grad()
def export_onnx(
    model: Module,
    path: PathLike,
    size: Sequence[int] = (97, 129),
    input_channels: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write `model`, in evaluation mode, to `path` (opset 18) for any batch size, height and width; returns the path.

    The input is called "image" (N, C, H, W), the outputs "out" and, where there is one, "aux". The network is run once on
    an image of `size` and its functions are recorded; sizes computed from the image's size are recorded as operations. A
    branch of the network's code that depends on sizes is recorded as taken for `size`, so choose odd sizes if images have them.
    metadata: entries of the file's metadata (`metadata.to_metadata` computes them from a run's settings).
    Raises ImportError without the onnx package, NotImplementedError for a function without an ONNX form here.
    """
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise ImportError('export_onnx needs the onnx package: pip install "minidl[onnx]"') from error
    channels = input_channels or int(getattr(model, "input_channels", 3))
    named = [*model.named_parameters(), *model.named_buffers()]
    graph = Graph({id(tensor): (name, tensor) for name, tensor in named})
    was_training = model.training
    model.eval()
    try:
        with recording():
            x = Traced(Tensor(np.zeros((1, channels, *size), np.float32)), graph, "image")
            result = model(x)
    finally:
        model.train(was_training)
    outputs = result if isinstance(result, dict) else {"out": result}
    declared = []
    for name, y in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [y.name], [name]))
        kind = helper.np_dtype_to_tensor_dtype(y.data.dtype)
        declared.append(helper.make_tensor_value_info(name, kind, _free_axes(name, y.data)))
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["N", channels, "H", "W"])
    arrays = [numpy_helper.from_array(np.asarray(a, order="C"), name) for name, a in graph.arrays.items()]
    body = helper.make_graph(graph.nodes, type(model).__name__, [image], declared, arrays)
    exported = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="minidl", ir_version=9
    )
    helper.set_model_props(exported, dict(metadata or {}))
    onnx.checker.check_model(exported, full_check=True)
    write(path, exported.SerializeToString())
    return Path(path)


def _free_axes(name, array):
    """The declared shape of an output: the channels of an image or the classes of a vector are fixed, the rest is free."""
    if array.ndim in (2, 4):
        return ["N", array.shape[1], f"{name}_H", f"{name}_W"][: array.ndim]
    return [f"{name}_{axis}" for axis in range(array.ndim)]
