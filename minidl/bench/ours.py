"""Minidl's implementation of each case: kernels on arrays; whole steps by nn, models and optim.

Every function takes (params, part) and returns {variant: call}; `call()` runs the case once and returns its results.
"""

import numpy as np

from .. import Tensor, backend, crf, models, nn, no_grad, set_precision
from .. import functional as F
from ..autograd.tensor import tensor
from ..backend import cuda
from ..backend.threads import set_num_threads
from ..functional.resize import _taps
from ..kernels import cpu as K
from ..train import optim
from . import inputs
from .cases import BACKWARD, DATA, FORWARD, WEIGHT
from .inputs import geometry, labels, parameter

ONLY = "NCHW"
device = "cpu"


def start(threads, where="cpu"):
    """Choose the device and set Numba's threads (the environment sets those of BLAS), or TF32 on a GPU."""
    global K, device
    device = where
    if where != "cpu":
        cupy = cuda.require(f"--device {where}")
        cupy.cuda.Device(cuda.parse(where)[1]).use()
        set_precision("tf32")
        K = backend.kernels(cupy.empty(0, np.float32))
    else:
        set_num_threads(threads)


synchronize = cuda.synchronize


def images(*args, **kwargs):
    """`inputs.images` on the device."""
    return cuda.move(inputs.images(*args, **kwargs), device)


def conv_arrays(p):
    """`inputs.conv_arrays` on the device."""
    return [cuda.move(array, device) for array in inputs.conv_arrays(p)]


def numbers(results):
    """The results of a call as NumPy arrays."""
    results = results if isinstance(results, tuple) else (results,)
    return [cuda.to_host(r.data if isinstance(r, Tensor) else r) for r in results if r is not None]


def conv(p, part):
    """A convolution or one of its gradients."""
    g, (x, w, b, y) = geometry(p), conv_arrays(p)
    calls = {
        FORWARD: lambda: K.conv2d(x, w, b, g),
        DATA: lambda: K.conv_transpose2d(y, w, None, x.shape[2:], g),
        WEIGHT: lambda: K.conv2d_weight(x, y, g),
    }
    return {ONLY: calls[part]}


def conv_transpose(p, part):
    """A transposed convolution, whose data gradient is the convolution itself, or one of its gradients."""
    g, (x, w, b, y) = geometry(p), conv_arrays(p)
    b, size = cuda.move(np.resize(cuda.to_host(b), p["C"]), device), x.shape[2:]
    calls = {
        FORWARD: lambda: K.conv_transpose2d(y, w, b, size, g),
        DATA: lambda: K.conv2d(x, w, None, g),
        WEIGHT: lambda: K.conv2d_weight(x, y, g),
    }
    return {ONLY: calls[part]}


def separable(p, part):
    """A depthwise convolution followed by a pointwise one, or all three gradients of the pair."""
    depth, point = geometry(p), geometry({"kernel": 1})
    x, w, _, _ = conv_arrays(p | {"O": p["C"]})
    _, v, _, y = conv_arrays(p | {"kernel": 1, "padding": 0, "dilation": 1, "groups": 1})
    size, middle = x.shape[2:], K.conv2d(x, w, None, depth)

    def backward():
        g = K.conv_transpose2d(y, v, None, y.shape[2:], point)
        dv, dw = K.conv2d_weight(middle, y, point), K.conv2d_weight(x, g, depth)
        return K.conv_transpose2d(g, w, None, size, depth), dw, dv

    return {ONLY: (lambda: K.conv2d(K.conv2d(x, w, None, depth), v, None, point)) if part == FORWARD else backward}


def max_pool(p, part):
    """Maximum pooling; backward, the scatter to the positions of the maxima."""
    x, g = images(p, 0), geometry(p)
    size = g.output_size(x.shape[2:])
    index, y = K.max_pool2d(x, g, size)[1], images(p, 1, size=size)
    if part == BACKWARD:
        return {ONLY: lambda: K.plane_scatter(y, index, x.shape[2:])}
    return {ONLY: lambda: K.max_pool2d(x, g, size)[0]}


def max_unpool(p, part):
    """Unpooling to stored positions; backward, the gather from them."""
    x, g = images(p, 0), geometry(p)
    size = g.output_size(x.shape[2:])
    index, y = K.max_pool2d(x, g, size)[1], images(p, 1, size=size)
    if part == BACKWARD:
        return {ONLY: lambda: K.plane_gather(x, index)}
    return {ONLY: lambda: K.plane_scatter(y, index, x.shape[2:])}


def avg_pool(p, part):
    """Average pooling or its adjoint."""
    x, g = images(p, 0), geometry(p)
    size = g.output_size(x.shape[2:])
    y, scale = images(p, 1, size=size), np.full(size, 1 / p["kernel"] ** 2, np.float32)
    if part == BACKWARD:
        return {ONLY: lambda: K.avg_pool2d_adjoint(y, g, scale, x.shape[2:])}
    return {ONLY: lambda: K.avg_pool2d(x, g, scale)}


def _resize(mode):
    """The builder of a resize by the method `mode`, or of its adjoint."""

    def build(p, part):
        x, S = images(p, 0), p["size"]
        y = images(p, 1, size=(S, S))
        rows, cols = (_taps(n, S, None, mode, None, x.dtype) for n in x.shape[2:])
        if part == BACKWARD:
            return {ONLY: lambda: K.resize2d_adjoint(y, rows, cols, x.shape[2:])}
        return {ONLY: lambda: K.resize2d(x, rows, cols)}

    return build


def batch_norm_relu(p, part):
    """Batch normalisation in training mode and a rectifier, in one kernel; backward, from the stored statistics."""
    rows = (p["N"], p["C"], p["H"] * p["W"])
    x, g = images(p, 0).reshape(rows), images(p, 1).reshape(rows)
    w, b = (cuda.move(np.linspace(*ends, p["C"], dtype=np.float32), device) for ends in ((0.5, 2), (-1, 1)))

    def forward():
        mean, var = K.moments(x)
        return K.normalize(x, mean, 1 / np.sqrt(var + 1e-5), w, b, np.inf)

    mean, var = K.moments(x)
    invstd = 1 / np.sqrt(var + 1e-5)
    return {ONLY: forward if part == FORWARD else lambda: K.normalize_backward(g, x, mean, invstd, w, b, np.inf)}


def cross_entropy(p, part):
    """Cross-entropy of every pixel, or its gradient in the logits."""
    x, t = tensor(images(p, 0)), tensor(labels(p, p["C"]), device=device)
    if part == FORWARD:
        return {ONLY: lambda: F.cross_entropy(x, t)}
    x.requires_grad = True

    def both():
        x.grad = None
        loss = F.cross_entropy(x, t)
        loss.backward()
        return loss, x.grad

    return {ONLY: both}


def _optimizer(make):
    """The builder of one optimiser step over parameters of the sizes in `p`."""

    def build(p, part):
        params = [nn.Parameter(tensor(parameter(f"p{k}", shape), device=device)) for k, shape in enumerate(p["shapes"])]
        for k, q in enumerate(params):
            q.grad = tensor(parameter(f"g{k}", q.shape), device=device)
        optimizer = make(params)

        def step():
            optimizer.step()
            return tuple(params)

        return {ONLY: step}

    return build


def load(model):
    """Write the parameters of `inputs.parameter` into a network, on the device."""
    for name, p in model.named_parameters():
        p.data[...] = parameter(name, p.shape)
    return model.to(device)


def _training(model, p):
    """A training step: forward, loss, backward, step of the optimiser."""
    x, t = tensor(images(p, 0)), tensor(labels(p, p["classes"]), device=device)
    optimizer = optim.SGD(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x)["out"], t)
        loss.backward()
        optimizer.step()
        return loss

    return {ONLY: step}


def unet(p, part):
    """A training step of a U-Net."""
    return _training(load(models.UNet(p["C"], p["classes"], p["depth"], p["base"])), p)


def fcn8s(p, part):
    """A training step or a prediction of an FCN-8s."""
    backbone = models.VGG(p["blocks"], None, input_channels=p["C"])
    model = load(models.FCN(backbone, p["classes"], (32, 16, 8), p["hidden"], dropout=p["dropout"]))
    if part != "inference":
        return _training(model, p)
    x = tensor(images(p, 0))
    model.eval()

    def infer():
        with no_grad():
            return model(x)["out"]

    return {ONLY: infer}


def deeplab(p, part):
    """A training step of DeepLabv3+ with MobileNetV2."""
    backbone = models.backbones.mobilenet_v2(None, output_stride=16)
    return _training(load(models.DeepLabV3Plus(backbone, p["classes"], backbone.at_stride(4), dropout=p["dropout"])), p)


def roi_align(p, part):
    """ROI Align of boxes of one batch, or its adjoint."""
    x, boxes = tensor(images(p, 0), requires_grad=part != FORWARD), tensor(inputs.boxes(p), device=device)
    align = lambda: F.roi_align(x, boxes, p["bins"], sampling_ratio=p["samples"], aligned=True)
    if part == FORWARD:
        return {ONLY: align}
    g = tensor(images(p | {"N": p["boxes"]}, 1, size=(p["bins"],) * 2))

    def both():
        x.grad = None
        align().backward(g)
        return x.grad

    return {ONLY: both}


def dense_crf(p, part):
    """Mean-field inference of the dense CRF, without or with the construction of the lattice."""
    image = cuda.move(inputs.picture(p), device)
    unary, given = images(p | {"N": 1}, 0)[0], crf.DenseCRF(image)

    def infer():
        return (given if part == "inference" else crf.DenseCRF(image)).inference(unary, p["iterations"])

    return {ONLY: infer}


def tape(p, part):
    """A chain of small products on the tape, and its backward walk."""
    x = tensor(np.ones(4, np.float32), requires_grad=True, device=device)
    w = tensor(np.full(4, 0.999, np.float32), requires_grad=p["both"], device=device)
    g = tensor(np.ones(4, np.float32), device=device)

    def chain():
        x.grad = w.grad = None
        y = x
        for _ in range(p["length"]):
            y = y * w
        y.backward(g)
        return x.grad

    return {ONLY: chain}


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
    "sgd": _optimizer(lambda params: optim.SGD(params, lr=1e-3, momentum=0.9, weight_decay=1e-4)),
    "adam": _optimizer(lambda params: optim.Adam(params)),
    "unet": unet,
    "fcn8s": fcn8s,
    "deeplab": deeplab,
    "tape": tape,
    "roi_align": roi_align,
    "crf": dense_crf,
}
