"""How PyTorch does each case, in both of its memory layouts, each gradient asked for alone and without autograd.

Every function takes (params, part) and returns {variant: call}, like `ours`.
"""

import numpy as np
import torch
from torch.nn import functional as F

from .cases import DATA, FORWARD, WEIGHT
from .inputs import conv_arrays, geometry, images, labels, parameter
from .torch_models import FCN8s, UNet

LAYOUTS = {"NCHW": torch.contiguous_format, "channels-last": torch.channels_last}
aten = torch.ops.aten


def set_threads(count):
    torch.set_num_threads(count)


def numbers(results):
    """The results of a call as NumPy arrays."""
    results = results if isinstance(results, tuple) else (results,)
    return [r.detach().numpy() for r in results if r is not None]


def _layouts(build, *arrays):
    """{layout: call} where `build(*tensors)` makes the call; tensors of four axes take the layout, others stay."""
    calls = {}
    for name, layout in LAYOUTS.items():
        tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in arrays]
        call = build(*(t.contiguous(memory_format=layout) if t.ndim == 4 else t for t in tensors))
        calls[name] = torch.no_grad()(call)
    return calls


def _gradients(g, wanted, transposed=False):
    """f(grad_output, input, weight) with the gradients to input and weight that `wanted` names, both or one."""
    mask = [DATA in wanted, WEIGHT in wanted, False]
    rest = (g.stride, g.padding, g.dilation, transposed, (0, 0), g.groups, mask)

    def call(gy, x, w):
        results = aten.convolution_backward(gy, x, w, None, *rest)
        return tuple(r for r, asked in zip(results, mask) if asked)

    return call


def conv(p, part):
    g, (x, w, b, y) = geometry(p), conv_arrays(p)
    if part != FORWARD:
        gradient = _gradients(g, (part,))
        return _layouts(lambda x, w, y: lambda: gradient(y, x, w), x, w, y)
    return _layouts(lambda x, w, b: lambda: F.conv2d(x, w, b, g.stride, g.padding, g.dilation, g.groups), x, w, b)


def conv_transpose(p, part):
    g, (x, w, b, y) = geometry(p), conv_arrays(p)
    if part != FORWARD:
        gradient = _gradients(g, (part,), True)
        return _layouts(lambda x, w, y: lambda: gradient(x, y, w), x, w, y)
    b = np.resize(b, p["C"])
    return _layouts(lambda y, w, b: lambda: F.conv_transpose2d(y, w, b, g.stride, g.padding), y, w, b)


def separable(p, part):
    g = geometry(p)
    x, w, _, _ = conv_arrays(p | {"O": p["C"]})
    _, v, _, y = conv_arrays(p | {"kernel": 1, "padding": 0, "dilation": 1, "groups": 1})

    def depth(x, w):
        return F.conv2d(x, w, None, 1, g.padding, g.dilation, g.groups)

    if part == FORWARD:
        return _layouts(lambda x, w, v: lambda: F.conv2d(depth(x, w), v), x, w, v)
    point, deep = _gradients(geometry({"kernel": 1}), (DATA, WEIGHT)), _gradients(g, (DATA, WEIGHT))

    def build(x, w, v, y):
        middle = depth(x, w)

        def backward():
            dm, dv = point(y, middle, v)
            dx, dw = deep(dm, x, w)
            return dx, dw, dv

        return backward

    return _layouts(build, x, w, v, y)


def max_pool(p, part):
    x, (k, s, q) = images(p, 0), (p["kernel"], p["stride"], p["padding"])
    if part == FORWARD:
        return _layouts(lambda x: lambda: F.max_pool2d(x, k, s, q, return_indices=True)[0], x)

    def build(x, y):
        index = F.max_pool2d(x, k, s, q, return_indices=True)[1]
        sizes = ([k, k], [s, s], [q, q], [1, 1], False)
        return lambda: aten.max_pool2d_with_indices_backward(y, x, *sizes, index)

    return _layouts(build, x, images(p, 1, size=geometry(p).output_size(x.shape[2:])))


def max_unpool(p, part):
    x, k = images(p, 0), p["kernel"]
    y = images(p, 1, size=geometry(p).output_size(x.shape[2:]))

    def build(x, y):
        index = F.max_pool2d(x, k, return_indices=True)[1]
        if part == FORWARD:
            return lambda: F.max_unpool2d(y, index, k)
        return lambda: x.flatten(2).gather(2, index.flatten(2)).view_as(index)  # what autograd runs

    return _layouts(build, x, y)


def avg_pool(p, part):
    x, (k, s, q) = images(p, 0), (p["kernel"], p["stride"], p["padding"])
    if part == FORWARD:
        return _layouts(lambda x: lambda: F.avg_pool2d(x, k, s, q), x)
    y = images(p, 1, size=geometry(p).output_size(x.shape[2:]))
    sizes = ([k, k], [s, s], [q, q], False, True, None)
    return _layouts(lambda x, y: lambda: aten.avg_pool2d_backward(y, x, *sizes), x, y)


def _resize(mode):
    def build(p, part):
        x, S = images(p, 0), p["size"]
        if part == FORWARD:
            return _layouts(lambda x: lambda: F.interpolate(x, (S, S), mode=mode), x)
        shape, y = list(x.shape), images(p, 1, size=(S, S))
        if mode == "nearest":
            return _layouts(lambda y: lambda: aten.upsample_nearest2d_backward(y, [S, S], shape), y)
        return _layouts(lambda y: lambda: aten.upsample_bilinear2d_backward(y, [S, S], shape, False), y)

    return build


def batch_norm_relu(p, part):
    w, b = np.linspace(0.5, 2, p["C"], dtype=np.float32), np.linspace(-1, 1, p["C"], dtype=np.float32)

    def build(x, g, w, b):
        if part == FORWARD:
            return lambda: F.batch_norm(x, None, None, w, b, True).relu_()
        y, mean, invstd = aten.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5)
        y = y.relu_()

        def backward():
            h = aten.threshold_backward(g, y, 0)
            return aten.native_batch_norm_backward(h, x, w, None, None, mean, invstd, True, 1e-5, [True] * 3)

        return backward

    return _layouts(build, images(p, 0), images(p, 1), w, b)


def cross_entropy(p, part):
    x, t = images(p, 0), torch.from_numpy(labels(p, p["C"]))
    if part == FORWARD:
        return _layouts(lambda x: lambda: F.cross_entropy(x, t), x)

    def build(x):
        x.requires_grad_()

        def both():
            x.grad = None
            with torch.enable_grad():
                loss = F.cross_entropy(x, t)
            loss.backward()
            return loss, x.grad

        return both

    return _layouts(build, x)


def _optimizer(make):
    def build(p, part):
        calls = {}
        for name in ("for-each", "fused"):
            params = [torch.from_numpy(parameter(f"p{k}", shape)) for k, shape in enumerate(p["shapes"])]
            for k, q in enumerate(params):
                q.grad = torch.from_numpy(parameter(f"g{k}", q.shape))
            step = make(params, foreach=name == "for-each", fused=name == "fused").step
            calls[name] = lambda step=step, params=params: (step(), tuple(params))[1]
        return calls

    return build


def load(model):
    """The recipe's parameters into a network."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(parameter(name, tuple(p.shape))))
    return model


def _models(make, p, part):
    """Both layouts; each network is made at its first use, so that it takes no memory before."""
    t = torch.from_numpy(labels(p, p["classes"]))

    def build(layout):
        x = torch.from_numpy(images(p, 0)).contiguous(memory_format=layout)
        model = load(make()).to(memory_format=layout)
        return _inference(model, x) if part == "inference" else _training(model, x, t)

    return {name: _at_first_use(build, layout) for name, layout in LAYOUTS.items()}


def _at_first_use(build, *args):
    made = []

    def call():
        if not made:
            made.append(build(*args))
        return made[0]()

    return call


def _inference(model, x):
    model.eval()
    return torch.inference_mode()(lambda: model(x))


def _training(model, x, t):
    optimizer = torch.optim.SGD([q for q in model.parameters() if q.requires_grad], lr=1e-3)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return step


def unet(p, part):
    return _models(lambda: UNet(p["C"], p["classes"], p["depth"], p["base"]), p, part)


def fcn8s(p, part):
    return _models(lambda: FCN8s(p["C"], p["classes"], p["blocks"], p["hidden"], p["dropout"]), p, part)


def tape(p, part):
    x, g = torch.ones(4, requires_grad=True), torch.ones(4)
    w = torch.full((4,), 0.999, requires_grad=p["both"])

    def chain():
        x.grad = w.grad = None
        y = x
        for _ in range(p["length"]):
            y = y * w
        y.backward(g)
        return x.grad

    return {"eager": chain}


OPS = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "separable": separable,
    "max_pool": max_pool,
    "max_unpool": max_unpool,
    "avg_pool": avg_pool,
    "bilinear": _resize("bilinear"),
    "nearest": _resize("nearest"),
    "batch_norm_relu": batch_norm_relu,
    "cross_entropy": cross_entropy,
    "sgd": _optimizer(lambda params, **how: torch.optim.SGD(params, 1e-3, 0.9, weight_decay=1e-4, **how)),
    "adam": _optimizer(lambda params, **how: torch.optim.Adam(params, **how)),
    "unet": unet,
    "fcn8s": fcn8s,
    "tape": tape,
}
