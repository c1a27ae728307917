"""What is called: for each operation a function that draws its arguments and returns the line to run."""

import numpy as np

OPERATIONS = {}


def operation(draw):
    OPERATIONS[draw.__name__] = draw
    return draw


# -- element by element ------------------------------------------------------------------------------------------------------

PLAIN = "exp expm1 sin cos erf abs neg sigmoid tanh relu relu6 elu hardswish logsigmoid gelu leaky_relu"
for name in PLAIN.split():
    OPERATIONS[name] = lambda d, name=name: f"F.{name}({d.floats(d.shape())})"
for name in ["log", "log1p", "sqrt"]:
    OPERATIONS[name] = lambda d, name=name: f"F.{name}({d.floats(d.shape(), positive=True)})"
for name in ["add", "sub", "mul", "maximum", "minimum", "eq", "lt", "ge"]:
    OPERATIONS[name] = lambda d, name=name: f"F.{name}({', '.join(_broadcast(d))})"


def _broadcast(d, positive=(), nonzero=()):
    shape = d.shape()
    d.mixed = True
    order = [shape, d.within(shape)][:: d.one(1, -1)]
    return [d.floats(s, k in positive, nonzero=k in nonzero) for k, s in enumerate(order)]


@operation
def div(d):
    return f"F.div({', '.join(_broadcast(d, positive=(1,)))})"


@operation
def scalar(d):
    a, number = d.floats(d.shape()), d.one(2, 0.5, -3, True)
    return d.one(f"{a} * {number}", f"{number} - {a}", f"{a} + {number}", f"{a} / {number}")


@operation
def integers(d):
    shape = d.shape()
    a = d.integers(shape, -5, 6, d.one(np.int64, np.int32, np.uint8, np.int8))
    return d.one(f"{a} + 1.5", f"{a} * 2", f"F.sum({a})", f"{a} + {d.floats(d.within(shape))}", f"F.exp({a})")


@operation
def power(d):
    if d.flag():
        return f"{d.floats(d.shape())} ** {d.one(0, 1, 2, 3)}"
    # PyTorch sets the derivative b a^(b - 1) to 0 where b = 0, and so loses its derivative in b, which is 1 / a there
    d.scale = min(d.scale, 1)  # the second derivative of a large power overflows float32: infinite here, NaN in PyTorch
    a, b = _broadcast(d, positive=(0,), nonzero=(1,))
    return f"F.pow({a}, {b})"


@operation
def clamp(d):
    low, high = d.one((-0.5, 0.7), (None, 0.3), (-0.2, None), (0, 1))
    return f"F.clamp({d.floats(d.shape())}, {low}, {high})"


@operation
def where(d):
    shape = d.shape()
    d.mixed = True
    a, b = d.floats(d.within(shape)), d.floats(shape)
    return f"F.where({d.integers(d.within(shape), 0, 2, np.bool_)}, {a}, {b})"


@operation
def prelu(d):
    shape = d.shape(d.integer(2, 4), 1)
    x = d.floats(shape, nonzero=True)  # 0 is the kink: each order of derivative takes a side of its own there
    return f"F.prelu({x}, {d.floats((d.one(1, shape[1]),))})"


@operation
def softplus(d):
    beta = d.one(1.0, 0.5, 3.0)
    return f"F.softplus({d.floats(d.shape())}, {beta}, {d.one(20.0, 2.0)})"


@operation
def gelu_tanh(d):
    return f"F.gelu({d.floats(d.shape())}, approximate='tanh')"


# -- reductions --------------------------------------------------------------------------------------------------------------


def _reduction(name):
    def draw(d):
        shape = d.shape()
        return f"F.{name}({d.floats(shape)}, {d.axes(len(shape))}, keepdim={d.flag()})"

    return draw


for name in ["sum", "mean", "amax", "amin"]:
    OPERATIONS[name] = _reduction(name)


@operation
def logsumexp(d):
    shape = d.shape(d.integer(1, 4))
    dims = d.axes(len(shape))
    return f"F.logsumexp({d.floats(shape)}, {tuple(range(len(shape))) if dims is None else dims}, {d.flag()})"


@operation
def deviation(d):
    shape, name, correction = d.shape(d.integer(1, 4), 1), d.one("var", "std"), d.one(0, 1)
    dims = d.axes(len(shape))
    if name == "std":  # of one element it is NaN
        shape, dims = (*shape, 5), -1
    d.alone = 1 in shape  # of one element: derivatives that PyTorch makes NaN
    x = d.floats(shape)
    if name == "std":  # equal elements have no second derivative: 0 here, NaN in PyTorch
        d.alone |= not np.ptp(d.inputs[0].values, -1).all()
    return f"F.{name}({x}, {dims}, correction={correction}, keepdim={d.flag()})"


@operation
def extremum(d):
    shape, name = d.shape(), d.one("max", "min")
    if not d.flag(0.8):
        return f"F.{name}({d.floats(shape)})"
    return f"F.{name}({d.floats(shape)}, {d.axis(len(shape))}, {d.flag()})[{d.one(0, 1)}]"


@operation
def argmax(d):
    shape = d.shape()
    return f"{d.floats(shape)}.{d.one('argmax', 'argmin')}({d.axis(len(shape))})"


for name in ["softmax", "log_softmax"]:
    OPERATIONS[name] = lambda d, name=name: (lambda s: f"F.{name}({d.floats(s)}, {d.axis(len(s))})")(d.shape())


# -- shapes ------------------------------------------------------------------------------------------------------------------


@operation
def axes(d):
    shape = d.shape()
    a, n = d.floats(shape), len(shape)
    one, two = d.axis(n), d.axis(n)
    return d.one(
        f"F.transpose({a}, {one}, {two})",
        f"F.flatten({a}, {one}, {two})",
        f"F.squeeze({a}, {one})",
        f"F.squeeze({a})",
        f"F.unsqueeze({a}, {d.axis(n + 1)})",
        f"F.flip({a}, ({one},))",
        f"F.permute({a}, {tuple(map(int, d.rng.permutation(n)))})",
        f"F.roll({a}, {d.integer(-9, 9)}, {one})",
        f"F.roll({a}, {d.integer(-9, 9)})",
        f"F.stack([{a}, {a}], {d.axis(n + 1)})",
        f"F.cat([{a}, {a} * 2], {one})",
    )


@operation
def pieces(d):
    shape = d.shape(d.integer(1, 4))
    a, dim = d.floats(shape), d.axis(len(shape))
    length = shape[dim] if -len(shape) <= dim < len(shape) else 1
    return d.one(
        f"F.split({a}, {d.integer(1, 4)}, {dim})[-1]",
        f"F.chunk({a}, {d.integer(1, 5)}, {dim})[-1]",
        f"F.narrow({a}, {dim}, {d.integer(-length - 1, length + 1)}, {d.integer(0, length + 1)})",
    )


@operation
def joined(d):
    d.mixed = True
    shape = list(d.shape(d.integer(1, 4)))
    dim, parts = d.integer(0, len(shape) - 1), []
    for _ in range(d.integer(1, 4)):
        shape[dim] = d.size()
        parts.append(d.floats(tuple(shape)))
    return f"F.cat([{', '.join(parts)}], {dim})"


@operation
def reshape(d):
    shape = d.shape()
    other = [int(n) for n in d.rng.permutation(shape)] if shape else [1]
    if other and d.flag():
        other[d.integer(0, len(other) - 1)] = -1
    return f"{d.floats(shape)}.reshape({tuple(other)})"


@operation
def expand(d):
    shape = d.shape()
    return f"{d.floats(d.within(shape))}.expand({shape})"


@operation
def index(d):
    shape = d.shape(d.integer(1, 4), 1)
    a, n = d.floats(shape), shape[0]
    i, j = (d.integers((d.size(),), -n, n) for _ in range(2))
    mask = d.add(d.rng.random(n) < 0.5)
    return d.one(
        f"{a}[{d.integer(-n, n)}]",
        f"{a}[{d.integer(-n, n)}:, None]",
        f"{a}[..., ::{d.integer(1, 3)}]",
        f"{a}[{i}]",
        f"{a}[{i}, ...] * {a}[{i}]",
        f"{a}[{mask}]",
        f"{a}[{j}, None]",
    )


@operation
def gather(d):
    shape = d.shape(d.integer(1, 3), 1)
    dim = d.integer(0, len(shape) - 1)
    small = tuple(d.size() if k == dim else d.integer(0, n) for k, n in enumerate(shape))
    a, i = d.floats(shape), d.integers(small, 0, shape[dim])
    if d.flag():
        return f"F.gather({a}, {dim}, {i})"
    return f"F.scatter_add({a}, {dim}, {i}, {d.floats(small)})"


@operation
def pad(d):
    shape = d.shape(d.integer(1, 4))
    if d.flag():
        widths = [d.integer(-2, 3) for _ in range(2 * d.integer(1, len(shape)))]
        return f"F.pad({d.floats(shape)}, {widths}, value={d.one(0.0, 1.5)})"
    mode, shape = d.one("reflect", "replicate", "circular"), d.image()
    return f"F.pad({d.floats(shape)}, {[d.integer(0, 3) for _ in range(4)]}, mode='{mode}')"


@operation
def matmul(d):
    n, k, m = (d.size() for _ in range(3))
    batch = d.shape(d.integer(0, 2))
    a = d.floats(d.one((n, k), (k,), (*batch, n, k)))
    return f"F.matmul({a}, {d.floats(d.one((k, m), (k,), (*d.within(batch), k, m)))})"


@operation
def linear(d):
    shape, out = d.shape(d.integer(1, 4)), d.size()
    x, w = d.floats(shape), d.floats((out, shape[-1]))
    return f"F.linear({x}, {w}, {d.floats((out,)) if d.flag() else None})"


# -- images ------------------------------------------------------------------------------------------------------------------


@operation
def conv2d(d):
    groups = d.one(1, 1, 2, 3)
    N, C, H, W = d.image()
    C, O = C * groups, d.size(1) * groups
    kernel = d.integer(1, 4), d.integer(1, 4)
    x, w = d.floats((N, C, H, W)), d.floats((O, C // groups, *kernel))
    b = d.floats((O,)) if d.flag() else None
    d.alone = C == 0  # PyTorch then gives no channel, although its documentation, like the definition, has O: the bias
    stride = d.pair(1, 3) if d.flag(0.95) else 10**12
    return f"F.conv2d({x}, {w}, {b}, {stride}, {d.pair(0, 3)}, {d.pair(1, 3)}, {groups})"


@operation
def conv_transpose2d(d):
    groups = d.one(1, 1, 2, 3)
    N, C, H, W = d.image()
    C, O = C * groups, d.size(1)
    x, w = d.floats((N, C, H, W)), d.floats((C, O, d.integer(1, 4), d.integer(1, 4)))
    b = d.floats((O * groups,)) if d.flag() else None
    return (
        f"F.conv_transpose2d({x}, {w}, {b}, {d.pair(1, 3)}, {d.pair(0, 2)}, {d.one(0, 0, 1)}, {groups}, {d.pair(1, 2)})"
    )


@operation
def unfold(d):
    x, kernel = d.floats(d.image()), d.pair(1, 3)
    return f"F.unfold({x}, {kernel}, {d.pair(1, 2)}, {d.pair(0, 2)}, {d.pair(1, 3)})"


@operation
def max_pool2d(d):
    shape = d.image()
    x, kernel = d.floats(shape), d.integer(1, 4)
    padding, dilation = d.integer(0, kernel // 2), d.integer(1, 2)
    # The taps of a window can then miss a single row or column: PyTorch gives it an index outside of the plane, at which its
    # derivative writes into memory that is not its own. Here that index is -1, and the derivative 0.
    d.alone = padding > 0 and dilation > 1 and 1 in shape[2:]
    options = f"{d.integer(1, 3)}, {padding}, {dilation}, {d.flag()}"
    return f"F.max_pool2d({x}, {kernel}, {options})"


@operation
def avg_pool2d(d):
    x, kernel = d.floats(d.image()), d.integer(1, 4)
    stride = d.one(None, d.integer(1, 3), 10**12)
    options = f"{stride}, {d.integer(0, kernel // 2)}, {d.flag()}, {d.flag()}, {d.one(None, None, 3)}"
    return f"F.avg_pool2d({x}, {kernel}, {options})"


@operation
def adaptive_pool(d):
    x, size = d.floats(d.image()), d.pair(1, 6)
    return f"F.adaptive_{d.one('avg', 'max')}_pool2d({x}, {size})"


@operation
def unpool(d):
    x = d.floats(d.image(2))
    return f"F.max_unpool2d(*F.max_pool2d({x}, 2, return_indices=True), 2)"


@operation
def interpolate(d):
    shape = d.image()
    x, mode = d.floats(shape), d.one("nearest", "nearest-exact", "bilinear")
    if d.flag():
        how = f"size={(d.integer(1, 9), d.integer(1, 9))}"
    else:
        factor = d.one(0.4, 1.2, 1.9, 2, 2.0, 2.3, 3)
        how = f"scale_factor={factor}"
        # 4 * 1.2 makes 4: PyTorch then copies, although its documentation has the factor given decide where pixels lie
        d.alone = mode == "bilinear" and any(n == int(n * factor) for n in shape[2:])
    corners = f", align_corners={d.flag()}" if mode == "bilinear" else ""
    return f"F.interpolate({x}, {how}, mode='{mode}'{corners})"


@operation
def grid_sample(d):
    N, C, H, W = d.image(1)
    x, grid = d.floats((N, C, H, W)), d.floats((N, d.size(), d.size(), 2))
    mode, padding = d.one("bilinear", "nearest"), d.one("zeros", "border", "reflection")
    return f"F.grid_sample({x}, {grid}, '{mode}', '{padding}', {d.flag()})"


@operation
def shuffle(d):
    N, C, H, W = d.image()
    r = d.integer(1, 3)
    if d.flag():
        return f"F.pixel_shuffle({d.floats((N, C * r * r, H, W))}, {r})"
    d.alone = 0 in (N, C, H, W)  # which PyTorch leaves as they are
    return f"F.pixel_unshuffle({d.floats((N, C, H * r, W * r))}, {r})"


# -- normalisation and losses ------------------------------------------------------------------------------------------------


@operation
def batch_norm(d):
    shape = d.image() if d.flag() else d.shape(2)
    C = shape[1]
    x = d.floats(shape)
    w, b = (d.floats((C,)), d.floats((C,))) if d.flag(0.7) else (None, None)
    if d.flag():
        return f"F.batch_norm({x}, None, None, {w}, {b}, True, 0.1, 1e-3)"
    mean = d.rng.standard_normal(C).astype(d.dtype).tolist()
    var = (d.rng.random(C) + 0.5).astype(d.dtype).tolist()
    dtype = np.dtype(d.dtype).name
    return f"F.batch_norm({x}, T(np.array({mean}, np.{dtype})), T(np.array({var}, np.{dtype})), {w}, {b}, False, 0.1, 1e-3)"


@operation
def group_norm(d):
    groups, (N, C, H, W) = d.integer(1, 3), d.image()
    d.alone = 0 in (H, W)  # the weight's derivative is a sum over nothing, which PyTorch makes NaN
    x = d.floats((N, C * groups, H, W))
    w, b = (d.floats((C * groups,)), d.floats((C * groups,))) if d.flag() else (None, None)
    return f"F.group_norm({x}, {groups}, {w}, {b}, 1e-3)"


@operation
def instance_norm(d):
    return f"F.instance_norm({d.floats(d.image())}, eps=1e-3)"


@operation
def layer_norm(d):
    shape = d.shape(d.integer(1, 4))
    end = shape[-d.integer(1, len(shape)) :]
    x = d.floats(shape)
    w, b = (d.floats(end), d.floats(end)) if d.flag() else (None, None)
    return f"F.layer_norm({x}, {end}, {w}, {b}, 1e-3)"


def _reduction_name(d):
    return d.one("mean", "sum", "none")


def _logits(d):
    """Logits (N, C, ...) and labels, of which 2 is ignored; the first label counts, since PyTorch's mean over none is NaN."""
    shape = d.shape(d.integer(2, 4), 1)
    if d.flag(0.05):
        shape = (0, *shape[1:])
    labels = d.rng.integers(0, shape[1], (shape[0], *shape[2:]))
    labels[d.rng.random(labels.shape) < 0.3] = -7
    if labels.size:
        labels[(0,) * labels.ndim] = 0
    return shape, d.floats(shape), d.add(labels)


@operation
def cross_entropy(d):
    shape, x, t = _logits(d)
    w = d.floats((shape[1],), positive=True) if d.flag() else None
    w = w and f"{w}.detach()"
    smooth = d.one(0.0, 0.0, 0.1)
    return (
        f"F.cross_entropy({x}, {t}, {w}, ignore_index=-7, reduction='{_reduction_name(d)}', label_smoothing={smooth})"
    )


@operation
def nll_loss(d):
    _, x, t = _logits(d)
    return f"F.nll_loss({x}, {t}, ignore_index=-7, reduction='{_reduction_name(d)}')"


@operation
def soft_cross_entropy(d):
    shape = d.shape(d.integer(2, 4), 1)
    return f"F.cross_entropy({d.floats(shape)}, {d.floats(shape, positive=True)}, reduction='{_reduction_name(d)}')"


@operation
def binary_cross_entropy(d):
    shape = d.shape()
    x, t = d.floats(shape), d.add(d.rng.random(shape).round(d.one(0, 1)).astype(d.dtype))
    p = f", pos_weight={d.floats(shape[-1:], positive=True)}.detach()" if d.flag() and shape else ""
    return f"F.binary_cross_entropy_with_logits({x}, {t}, reduction='{_reduction_name(d)}'{p})"


@operation
def regression(d):
    shape, name = d.shape(), d.one("mse_loss", "l1_loss", "smooth_l1_loss")
    beta = f", beta={d.one(1.0, 0.3, 1e-6, 0.0)}" if name == "smooth_l1_loss" else ""
    return f"F.{name}({d.floats(shape)}, {d.floats(shape)}, reduction='{_reduction_name(d)}'{beta})"


@operation
def segmentation(d):
    d.alone = True  # no PyTorch function
    _, x, t = _logits(d)
    gamma = d.one(0.0, 0.5, 1.0, 2.0)
    return d.one(f"F.focal_loss({x}, {t}, {gamma}, ignore_index=-7)", f"F.dice_loss({x}, {t}, ignore_index=-7)")


@operation
def roi(d):
    d.alone = True  # no PyTorch function
    N, C, H, W = d.image(1)
    K = d.size()
    corner = d.rng.random((K, 2)) * 8
    boxes = np.concatenate([d.rng.integers(0, max(N, 1), (K, 1)), corner, corner + d.rng.random((K, 2)) * 8], 1)
    x, rois = d.floats((N, C, H, W)), d.add(boxes.astype(d.dtype))
    name = d.one("roi_align", "roi_pool")
    return f"F.{name}({x}, {rois}.detach(), {(d.integer(1, 3), d.integer(1, 3))}, {d.one(1.0, 0.5)})"
