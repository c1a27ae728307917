"""Whole networks in the peers of `bench networks`: PyTorch, compiled or not, and the engines that read ONNX files.

Every library is a class with `start`, `synchronize`, `numbers` and OPS, as the worker asks for them.
"""

import contextlib

import numpy as np

from .inputs import images, target_of


def _numbers(results):
    results = results if isinstance(results, tuple) else (results,)
    return [np.asarray(r.detach() if hasattr(r, "detach") else r) for r in results]


class Library:
    """What the libraries have in common: threads, a clock that waits for nothing, results as NumPy arrays."""

    threads = 1
    numbers = staticmethod(_numbers)

    def __init__(self):
        self.OPS = {"network": self.network}

    def start(self, threads, device="cpu"):
        """Keep the number of threads."""
        if device != "cpu":
            raise RuntimeError("bench networks: peers run on the CPU")
        self.threads = threads

    def synchronize(self):
        """Nothing: calls return when they are done."""


class OnnxRuntime(Library):
    """onnxruntime, all its optimisations on."""

    def network(self, p, part):
        """Inference; it does not train."""
        if part != "inference":
            return {}
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(p["onnx"], options, providers=["CPUExecutionProvider"])
        x = images(p, 0)
        return {"onnxruntime": lambda: session.run(["out"], {"image": x})[0]}


class OpenVino(Library):
    """OpenVINO in float32, for the shape of the image, tuned for the latency of one image."""

    def network(self, p, part):
        """Inference; it does not train."""
        if part != "inference":
            return {}
        import openvino

        x, core = images(p, 0), openvino.Core()
        network = core.read_model(p["onnx"])
        network.reshape(list(x.shape))
        settings = {
            "INFERENCE_NUM_THREADS": self.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = core.compile_model(network, "CPU", settings).create_infer_request()
        return {"OpenVINO": lambda: request.infer([x])["out"]}


class Torch(Library):
    """PyTorch eager, in both memory layouts."""

    compiled = False

    def start(self, threads, device="cpu"):
        """Set the number of threads."""
        import torch

        super().start(threads, device)
        torch.set_num_threads(threads)
        with contextlib.suppress(RuntimeError):
            torch.set_num_interop_threads(1)

    def network(self, p, part):
        """Inference or a training step."""
        import torch

        from .torch_network import Network
        from .torch_place import LAYOUTS

        calls = {}
        for name, layout in LAYOUTS.items():
            x = torch.from_numpy(images(p, 0)).contiguous(memory_format=layout)
            model = Network(p["onnx"], x).to(memory_format=layout)
            calls[name] = self._inference(model, x) if part == "inference" else self._training(model, x, p)
        return calls

    def _made(self, model):
        import torch

        return torch.compile(model) if self.compiled else model

    def _inference(self, model, x):
        import torch

        model.eval()
        if self.compiled:
            import torch._inductor.config as inductor

            inductor.freezing = True
        model = self._made(model)

        def infer():
            with torch.no_grad():
                return model(x)

        return infer

    def _training(self, model, x, p):
        import torch

        from .torch_steps import training_step

        pixels = model.eval()(x).ndim == 4
        return training_step(self._made(model.train()), x, torch.from_numpy(target_of(p, pixels)))


class TorchCompiled(Torch):
    """torch.compile; for inference its weights are frozen."""

    compiled = True


LIBRARIES = {"torch": Torch, "torch.compile": TorchCompiled, "onnxruntime": OnnxRuntime, "openvino": OpenVino}
NAMES = {"torch": "PyTorch", "torch.compile": "torch.compile", "onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
