"""PyTorch's training steps: optimisers, whole networks, and the tape."""

import torch
from torch.nn import functional as F

from . import torch_place
from .inputs import images, labels, parameter
from .torch_models import DeepLabV3Plus, FCN8s, UNet
from .torch_place import LAYOUTS, put


def optimizer(make):
    """The builder of one step of the optimiser from `make`, in both of PyTorch's implementations."""

    def build(p, part):
        calls = {}
        for name in ("for-each", "fused"):
            params = [put(parameter(f"p{k}", shape)) for k, shape in enumerate(p["shapes"])]
            for k, q in enumerate(params):
                q.grad = put(parameter(f"g{k}", q.shape))
            step = make(params, foreach=name == "for-each", fused=name == "fused").step
            calls[name] = lambda step=step, params=params: (step(), tuple(params))[1]
        return calls

    return build


def load(model):
    """Write the parameters of `inputs.parameter` into a network."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(parameter(name, tuple(p.shape))))
    return model


def _models(make, p, part):
    """Both layouts; each network is created at its first use, so that it takes no memory before."""
    t = put(labels(p, p["classes"]))

    def build(layout):
        x = put(images(p, 0)).contiguous(memory_format=layout)
        model = load(make()).to(torch_place.device, memory_format=layout)
        return _inference(model, x) if part == "inference" else _training(model, x, t)

    return {name: _at_first_use(build, layout) for name, layout in LAYOUTS.items()}


def _at_first_use(build, *args):
    """A call that builds its case at the first call."""
    made = []

    def call():
        if not made:
            made.append(build(*args))
        return made[0]()

    return call


def _inference(model, x):
    """A prediction without autograd."""
    model.eval()
    return torch.inference_mode()(lambda: model(x))


def _training(model, x, t):
    """One training step: forward, loss, backward, step of the optimiser."""
    optimizer = torch.optim.SGD([q for q in model.parameters() if q.requires_grad], lr=1e-3)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def unet(p, part):
    """A training step or a prediction of a U-Net."""
    return _models(lambda: UNet(p["C"], p["classes"], p["depth"], p["base"]), p, part)


def fcn8s(p, part):
    """A training step or a prediction of an FCN-8s."""
    return _models(lambda: FCN8s(p["C"], p["classes"], p["blocks"], p["hidden"], p["dropout"]), p, part)


def deeplab(p, part):
    """A training step or a prediction of DeepLabv3+ with MobileNetV2."""
    return _models(lambda: DeepLabV3Plus(p["classes"], p["dropout"]), p, part)


def tape(p, part):
    """A chain of small products on the tape, and its backward walk."""
    x, g = torch.ones(4, requires_grad=True, device=torch_place.device), torch.ones(4, device=torch_place.device)
    w = torch.full((4,), 0.999, requires_grad=p["both"], device=torch_place.device)

    def chain():
        x.grad = w.grad = None
        y = x
        for _ in range(p["length"]):
            y = y * w
        y.backward(g)
        return x.grad

    return {"eager": chain}
