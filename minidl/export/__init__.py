"""Export of networks to ONNX."""

from .onnx import export_onnx
