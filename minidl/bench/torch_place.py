"""PyTorch on the chosen device: threads or GPU, transfer of arrays, memory layouts."""

import numpy as np
import torch

LAYOUTS = {"NCHW": torch.contiguous_format, "channels-last": torch.channels_last}
device = "cpu"


def start(threads, where="cpu"):
    """Choose the device: threads on the CPU; on a GPU TF32, and cuDNN tries its algorithms and keeps the fastest."""
    global device
    torch.set_num_threads(threads)
    device = where
    if where == "cpu":
        return
    if not torch.cuda.is_available():
        raise RuntimeError(
            f"PyTorch {torch.__version__} finds no GPU; install one for your CUDA version, see pytorch.org"
        )
    torch.cuda.set_device(torch.device(where if ":" in where else "cuda:0"))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True


def synchronize():
    """Wait until the GPU has finished all its work; no effect on the CPU."""
    if device != "cpu":
        torch.cuda.synchronize()


def put(array):
    """The array as a tensor on the device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def numbers(results):
    """The results of a call as NumPy arrays."""
    results = results if isinstance(results, tuple) else (results,)
    return [r.detach().cpu().numpy() for r in results if r is not None]


def layouts(build, *arrays):
    """{layout: call}, with calls from `build(*tensors)`; only tensors of four axes are converted to the layout."""
    calls = {}
    for name, layout in LAYOUTS.items():
        tensors = [put(a) for a in arrays]
        call = build(*(t.contiguous(memory_format=layout) if t.ndim == 4 else t for t in tensors))
        calls[name] = torch.no_grad()(call)
    return calls
