"""Reading an ONNX file; the operators are imported with the first one, so that `import minidl` stays fast."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..typing import PathLike

if TYPE_CHECKING:
    from .network import OnnxNetwork


def load_onnx(path: PathLike) -> OnnxNetwork:
    """The network in the ONNX file `path`, in evaluation mode: a Module of layers that runs, trains and is exported again.

    Layers carry the names that the file gives their weights. Called with one Tensor per input of the file, it returns a Tensor,
    or a dictionary {name: Tensor} where the file has several outputs; batch, height and width may be any that the file allows.
    Opset 9 or newer. Raises FileNotFoundError; ImportError without the onnx package; ValueError for a damaged file;
    NotImplementedError, with the node's name, for an operator that is not supported.
    """
    from .network import OnnxNetwork, read_onnx

    path = os.fspath(path)
    return OnnxNetwork(read_onnx(path), path).eval()
