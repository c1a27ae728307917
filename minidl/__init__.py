"""minidl: semantic segmentation from scratch, small enough to read and fast enough to use."""

from . import _import_paths, backend, distributed, functional, nn
from .analysis.memory import empty_cache, memory_summary
from .analysis.profiling import profile_kernel
from .analysis.summary import summary
from .autograd.anomaly import AnomalyError, detect_anomaly
from .autograd.capture import capture
from .autograd.check import GradientError, check_adjoint, check_grads
from .autograd.dlpack import from_dlpack
from .autograd.engine import grad
from .autograd.graph import graph
from .autograd.tape import enable_grad, is_grad_enabled, no_grad
from .autograd.tensor import Tensor, tensor
from .backend import cuda
from .backend.convolution import conv_algorithm, explain_conv
from .backend.random import get_rng_state, manual_seed, set_rng_state
from .backend.threads import get_num_threads, set_num_threads
from .kernels.precision import set_precision
from .onnx_import import load_onnx
from .train import optim

__version__ = "0.1.0"

_import_paths.install()
