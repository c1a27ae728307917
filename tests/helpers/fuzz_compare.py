"""Run a drawn call in each column and in PyTorch, compare values and derivatives, and make a failing call small."""

import importlib.util
import warnings

import numpy as np
from fuzz_draw import NAMES, Call, Draw
from fuzz_operations import OPERATIONS
from torch_functions import TorchFunctions

import minidl
from minidl import backend
from minidl import functional as F

REFUSALS = (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError)
HAS_TORCH = importlib.util.find_spec("torch") is not None


def draw(operation, seed, largest=13):
    d = Draw(np.random.default_rng(seed), largest)
    source = OPERATIONS[operation](d)
    return Call(operation, source, tuple(d.inputs), d.alone)


class Minidl:
    """How a call runs here, in one column."""

    def __init__(self, column):
        self.column, self.F, self.T = column, F, minidl.Tensor

    def leaf(self, i):
        x = minidl.Tensor(i.array())
        return x.requires_grad_() if i.differentiable else x

    def number(self, x):
        return np.asarray(x.data)

    def constant(self, array):
        return minidl.Tensor(array)

    def grad(self, y, xs, u):
        return minidl.grad([y], xs, [u], create_graph=True, allow_unused=True)

    def inside(self):
        return backend.use(self.column)


class Torch:
    """How a call runs in PyTorch."""

    def __init__(self):
        import torch

        self.torch, self.F = torch, TorchFunctions()
        self.T = torch.as_tensor

    def leaf(self, i):
        x = self.torch.tensor(np.ascontiguousarray(i.values).reshape(i.values.shape))
        return x.requires_grad_() if i.differentiable else x

    def number(self, x):
        return x.detach().numpy(force=True)

    def constant(self, array):
        return self.torch.tensor(array)

    def grad(self, y, xs, u):
        return self.torch.autograd.grad([y], xs, [u], create_graph=True, allow_unused=True)

    def inside(self):
        return self.torch.enable_grad()


def results(call, library, orders=2):
    """[value, first derivatives ..., second derivatives ...] as arrays, None where there is none; or the error raised."""
    rng = np.random.default_rng(0)

    def weights(x):
        return rng.standard_normal(tuple(x.shape)).astype(library.number(x).dtype)

    with library.inside(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xs = [library.leaf(i) for i in call.inputs]
        try:
            y = eval(call.source, {"F": library.F, "T": library.T, "np": np, **dict(zip(NAMES, xs))})
        except Exception as error:
            return error
        found = [library.number(y)]
        wanted = [x for x, i in zip(xs, call.inputs) if i.differentiable]
        if not orders or not y.requires_grad or not wanted:
            return found
        u = library.constant(weights(y)).requires_grad_()
        first = library.grad(y, wanted, u)
        found += [None if g is None else library.number(g) for g in first]
        if orders > 1:
            recorded = [g for g in first if g is not None and g.requires_grad]
            if recorded:
                total = sum((g * library.constant(weights(g))).sum() for g in recorded)
                second = library.grad(total, [*wanted, u], library.constant(np.ones((), library.number(total).dtype)))
                found += [None if g is None else library.number(g) for g in second]
        return found


def difference(ours, theirs, call, exact_dtype=True):
    """None, or in words what differs."""
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        if isinstance(ours, Exception) and not isinstance(theirs, Exception):
            return f"{type(ours).__name__}: {ours}"
        if isinstance(ours, Exception) and not isinstance(ours, REFUSALS):
            return f"an error that explains nothing, {type(ours).__name__}: {ours}"
        return None
    dtypes = {i.values.dtype for i in call.inputs if i.differentiable}
    single = np.dtype(np.float32) in dtypes or theirs[0].dtype == np.float32
    tolerance = 2e-3 if single else 1e-8
    inputs = [i for i in call.inputs if i.differentiable]
    for k in range(max(len(ours), len(theirs))):
        a, b = (r[k] if k < len(r) and r[k] is not None else np.zeros(()) for r in (ours, theirs))
        what = "the value" if not k else f"derivative {k} of {len(inputs)} first ones and the second ones"
        if k == 0 and (a.shape != b.shape or (exact_dtype and a.dtype != b.dtype)):
            return f"{what} is {a.dtype} of {a.shape}; needed {b.dtype} of {b.shape}"
        own = inputs[k - 1].values if 0 < k <= len(inputs) and k < len(ours) and ours[k] is not None else a
        if (a.shape, a.dtype) != (own.shape, own.dtype):
            return f"{what} is {a.dtype} of {a.shape}; needed {own.dtype} of {own.shape}"
        if k and not (a.ndim and b.ndim):  # a derivative that one of the two does not have is 0 in the other
            a, b = np.broadcast_arrays(a, b)
        scale = np.abs(b[np.isfinite(b)]).max(initial=1.0) if b.dtype.kind == "f" else 1.0
        if a.shape != b.shape or not np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
            return f"{what} is {a.tolist()}; needed {b.tolist()}"
    return None


def fault(call):
    """None, or what is wrong with the call: against PyTorch, and between the columns."""
    cpu = results(call, Minidl("cpu"))
    reference = results(call, Minidl("reference"))
    if isinstance(cpu, Exception) != isinstance(reference, Exception):
        return f"cpu: {cpu!r:.300}; reference: {reference!r:.300}"
    found = difference(cpu, reference, call)
    if found:
        return f"cpu against reference: {found}"
    if HAS_TORCH and not call.alone:
        try:
            theirs = results(call, Torch())
        except RuntimeError as refusal:  # of a derivative alone, as of an empty image or of a stride of 10^12
            theirs = refusal if isinstance(cpu, Exception) else results(call, Torch(), orders=0)
            cpu = cpu if isinstance(cpu, Exception) else cpu[:1]
        found = difference(cpu, theirs, call)
        if found:
            return f"against PyTorch: {found}"
    return None


def check(call):
    """`fault`, where an error outside of the call itself, as in a derivative, is a fault as well."""
    try:
        return fault(call)
    except Exception as error:
        return f"a derivative: {type(error).__name__}: {error}"


def minimise(call, tries=150):
    """The smallest failing call of the same operation among some with small sizes, in plain memory if it fails there too."""
    best = call
    for largest in (1, 2, 3):
        for seed in range(tries):
            other = draw(call.operation, (largest, seed), largest)
            if other.size() < best.size() and check(other):
                best = other
    return best.plain() if check(best.plain()) else best
