"""Writing networks for other programs to run."""

from .onnx import export_onnx
