"""minidl: semantic segmentation from scratch, small enough to read and fast enough to use."""

from . import backend, cuda, functional, nn, operators, optim
from .anomaly import AnomalyError, detect_anomaly
from .capture import capture
from .check import GradientError, check_adjoint, check_grads
from .convolution import conv_algorithm, explain_conv
from .engine import enable_grad, grad, is_grad_enabled, no_grad
from .graph import graph
from .kernels.precision import set_precision
from .memory import empty_cache, memory_summary
from .profiling import profile_kernel
from .random import get_rng_state, manual_seed, set_rng_state
from .summary import summary
from .tensor import Tensor, tensor
from .threads import get_num_threads, set_num_threads

__version__ = "0.1.0"
