"""PyTorch's functions under the names of `minidl.functional`, so that both libraries run the same line."""


class TorchFunctions:
    """torch.nn.functional, then torch itself."""

    def __getattr__(self, name):
        import torch

        return getattr(torch.nn.functional, name, None) or getattr(torch, name)
