"""`freeze`: a network in evaluation mode as a short list of steps, with what does not change prepared in advance."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ...autograd import tape
from ...autograd.primitive import primitive
from ...autograd.tape import is_grad_enabled, no_grad
from ...autograd.tensor import Tensor
from ...backend import asarray, kernels
from ..module import Module
from .fuse import fuse
from .record import NotRecordable, another_input, check_repeatable, record

MAX_PLANS = 4  # sizes of image whose steps are kept
TOLERANCE = {2: 1e-2, 4: 1e-4, 8: 1e-9}  # of the largest value, by bytes of a number: more than rounding is a fault


def freeze(model: Module) -> Frozen:
    """A network that computes what `model` computes in evaluation mode, in fewer and faster steps.

    The first image of a size is run twice, and what the network computes is recorded. Then batch norm is folded into the
    convolution before it, bias, sum and rectifier are part of the convolution's step, weights are packed once, and arrays are
    freed after their last use. Results equal the model's to rounding (1e-5 of the largest value in float32); this is checked
    once for each size, on other values than those that were recorded. `print` of the result lists the steps.

    The model stays as it is, and its parameters its own: steps are prepared anew after an in-place write by an optimiser, a
    load or `Tensor` methods (a write through `parameter.data[...]` is not seen), and in training mode the model itself runs.
    What cannot be listed (values that are read into Python, hooks, several kinds of arguments) runs as it is, with the
    layers below it frozen. There are no gradients: backward raises a RuntimeError.

    >>> net = minidl.freeze(models.resnet50().eval())  # doctest: +SKIP
    >>> y = net(x)                                     # doctest: +SKIP
    """
    if not isinstance(model, Module):
        raise TypeError(f"freeze: needed a Module, not {type(model).__name__}")
    return model if isinstance(model, Frozen) else Frozen(model)


class Plan:
    """The steps for one kind of input, or `reason`, why there are none."""

    def __init__(self, model: Callable[..., Any], inputs: Sequence[Tensor]) -> None:
        self.steps, self.constants, self.reason = [], {}, ""
        try:
            self._prepare(model, inputs)
        except NotRecordable as error:
            self.reason = str(error)

    def _prepare(self, model, inputs):
        recording, output = record(model, inputs)
        others = [another_input(x) for x in inputs]
        second, expected = record(model, others)
        check_repeatable(recording, second)
        numbers: list[int] = []
        self.output = _shape_of(output, lambda t: numbers.append(recording.number(t.data)) or (len(numbers) - 1))
        self.outputs = numbers
        self.steps = fuse(recording, numbers)
        used = {k for step in self.steps for k in step.inputs} | set(numbers)
        made = {k for step in self.steps for k in step.outputs} | set(range(len(inputs)))
        self.constants = {k: recording.values[k] for k in used - made}
        came = self([x.data for x in others])
        needed: list[Any] = []
        _shape_of(expected, needed.append)
        if not all(_near(a, b.data) for a, b in zip(came, needed)):
            raise NotRecordable("its listed steps do not give its results")

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The arrays of the output for the arrays of the input."""
        values = {**self.constants, **dict(enumerate(arrays))}
        for step in self.steps:
            results = step.run(*[values[k] for k in step.inputs], **step.metadata)
            for k, result in zip(step.outputs, results if len(step.outputs) > 1 else (results,)):
                values[k] = result if hasattr(result, "ndim") else asarray(result)
            for k in step.dead:
                del values[k]
        return [values[k].copy() if k in self.constants else values[k] for k in self.outputs]

    def __str__(self) -> str:
        if self.reason:
            return f"runs as it is: {self.reason}"
        return "\n".join(f"{n:4}  {step.name}" for n, step in enumerate(self.steps, 1))


def _near(a, b):
    a, b = asarray(a), asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return True
    finite = np.isfinite(b)
    scale = np.abs(b[finite]).max(initial=0)
    return np.allclose(a, b, rtol=0, atol=TOLERANCE[a.dtype.itemsize] * scale, equal_nan=True)


def _shape_of(output, leaf):
    """The nested lists, tuples and dicts of an output with leaf(tensor) for its Tensors; anything else is refused."""
    if isinstance(output, Tensor):
        return leaf(output)
    if isinstance(output, dict):
        return type(output)((k, _shape_of(v, leaf)) for k, v in output.items())
    if type(output) in (list, tuple):
        return type(output)(_shape_of(v, leaf) for v in output)
    if output is None:
        return None
    raise NotRecordable(f"it returns {type(output).__name__}")


def _filled(shape, tensors):
    if isinstance(shape, dict):
        return type(shape)((k, _filled(v, tensors)) for k, v in shape.items())
    if isinstance(shape, list | tuple):
        return type(shape)(_filled(v, tensors) for v in shape)
    return shape if shape is None else tensors[shape]


@primitive
def _frozen(y, parameter):
    """y, which a backward pass must not go through."""
    return y.view()


def _no_gradient(g):
    raise RuntimeError("freeze: a frozen network has no gradients; call the model itself to train it")


_frozen.rules(y=lambda g: _no_gradient(g), parameter=lambda g: _no_gradient(g))


class Same:
    """Equal to another one of the same object; keeps it, so that its place in memory stays its own."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    __hash__ = None  # type: ignore[assignment]


def _equal(one, other):
    """Whether two snapshots are equal; what cannot be compared, such as another array, is not."""
    try:
        return bool(one == other)
    except (ValueError, TypeError):
        return False


class Frozen(Module):
    """What `freeze` returns: `model` with plans for the sizes of image that it has seen."""

    def __init__(self, model: Module, run: Callable[..., Any] | None = None) -> None:
        super().__init__()
        self.model = model
        object.__setattr__(self, "training", model.training)
        object.__setattr__(self, "_run", run or model)  # what is recorded, and what runs where there is no plan
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._seen: Any = None
        self._below: dict[str, Frozen] = {}
        self._stateful = ""

    def _snapshot(self):
        """What the plans rest on: which tensors and arrays the network holds, and the last write into one of them."""
        held: list[Any] = []
        for module in self.model.modules():
            held += [
                module,
                dict(vars(module)),
                len(module._hooks),
                len(module._pre_hooks),
            ]  # stride, eps, training, ...
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                if tensor is not None:
                    array = tensor.data
                    held += [Same(tensor), Same(array), tape.writes.times.get(id(tape.owner(array)), 0)]
        return held

    def plan(self, *inputs: Tensor) -> Plan:
        """The steps for inputs of these shapes and dtypes, prepared where they are new."""
        state = self._snapshot()
        if not _equal(state, self._seen):
            self._plans.clear()
            self._seen = state
        key = tuple((x.data.shape, np.dtype(x.dtype).str, id(kernels(x.data))) for x in inputs)
        if key not in self._plans:
            hooked = any(m._hooks or m._pre_hooks for m in self.model.modules())
            plan = Plan(_refusal("a hook is registered on a layer") if hooked else self._run, inputs)
            if not _equal(self._snapshot(), state):
                self._stateful = plan.reason = "it changes its own attributes"
            self._plans[key] = plan
            while len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return self._plans[key]

    def forward(self, *inputs: Any, **options: Any) -> Any:
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        if is_grad_enabled() and any(x.requires_grad for x in tensors):
            raise RuntimeError("freeze: a frozen network has no gradients; call the model itself, or detach the input")
        if self.model.training or tape.observer:
            return self._run(*inputs, **options)
        if self._stateful or options or not inputs or len(tensors) < len(inputs):
            return self._layer_by_layer(inputs, options)
        plan = self.plan(*inputs)
        if plan.reason:
            return self._layer_by_layer(inputs, options)
        results = [Tensor(array) for array in plan([x.data for x in inputs])]
        anchor = next((p for p in self.model.parameters() if p.requires_grad), None)
        if anchor is not None and is_grad_enabled():
            results = [_frozen(y, anchor) for y in results]
        return _filled(plan.output, results)

    def _layer_by_layer(self, inputs, options):
        """The model itself, with the modules directly below it frozen for the time of the call."""
        with contextlib.ExitStack() as stack:
            for name, child in self.model.named_children():
                if "forward" not in vars(child) and not child._hooks and not child._pre_hooks:
                    stack.enter_context(_replaced(child, self._frozen_child(name, child)))
            with no_grad():
                return self._run(*inputs, **options)

    def _frozen_child(self, name, child):
        if name not in self._below or self._below[name].model is not child:
            original = type(child).forward
            self._below[name] = Frozen(child, lambda *args, **options: original(child, *args, **options))
        return self._below[name].forward

    def __repr__(self) -> str:
        lines = [f"Frozen {type(self.model).__name__}"]
        for key, plan in self._plans.items():
            lines += ["input " + ", ".join(f"{dtype} {shape}" for shape, dtype, _ in key), str(plan)]
        return "\n".join(lines)


@contextlib.contextmanager
def _replaced(module: Module, forward: Callable[..., Any]) -> Iterator[None]:
    object.__setattr__(module, "forward", forward)
    try:
        yield
    finally:
        object.__delattr__(module, "forward")


def _refusal(reason):
    def refuse(*inputs):
        raise NotRecordable(reason)

    return refuse
