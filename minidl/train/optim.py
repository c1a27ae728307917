"""Optimisers and gradient clipping, with PyTorch's names, defaults and formulas; schedules from `schedules`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..autograd.tape import touch
from ..autograd.tensor import Tensor
from ..backend import cuda, kernels, like, xp
from ..kernels import settings
from ..nn.module import Parameter
from .schedules import CosineAnnealingLR, LinearWarmup, PolyLR, Schedule, StepLR

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "LinearWarmup",
    "Optimizer",
    "PolyLR",
    "Schedule",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
]


class Optimizer:
    """Groups of parameters with their options, and the state of each parameter (such as its momentum).

    `params` are Parameters, or dictionaries {"params": Parameters, option: value} whose options override the defaults.
    """

    buffers: tuple[str, ...] = ()  # names of the state that has the parameter's shape
    counts = False  # whether a step depends on the number of earlier steps

    def __init__(self, params: Iterable[Parameter] | Iterable[dict[str, Any]], **defaults: Any) -> None:
        given: list[Any] = list(params)
        if not given:
            raise ValueError(f"{type(self).__name__}: params is empty; needed at least one parameter")
        self.defaults, self.state = defaults, {}
        self.param_groups: list[dict[str, Any]] = []
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add {"params": Parameters, option: value}."""
        params = [group["params"]] if isinstance(group["params"], Tensor) else list(group["params"])
        group = {**self.defaults, **group, "params": params}
        if unknown := group.keys() - {"params", "initial_lr", *self.defaults}:
            raise TypeError(f"{type(self).__name__}: unknown options {sorted(unknown)}; there are {[*self.defaults]}")
        self._check(**{name: group[name] for name in self.defaults})
        known = {id(p) for g in self.param_groups for p in g["params"]}
        for p in params:
            if not isinstance(p, Tensor) or not p.is_leaf:
                raise TypeError(f"{type(self).__name__}: parameters must be leaf Tensors, not {type(p).__name__}")
            if id(p) in known:
                raise ValueError(f"{type(self).__name__}: a parameter of shape {p.shape} occurs more than once")
            known.add(id(p))
        self.param_groups.append(group)

    def _check(self, **options):
        name = type(self).__name__
        for key in ("lr", "weight_decay", "momentum", "eps"):
            if options.get(key, 0) < 0:
                raise ValueError(f"{name}: {key} is {options[key]}; needed at least 0")
        if not all(0 <= b < 1 for b in options.get("betas", ())):
            raise ValueError(f"{name}: betas are {options['betas']}; needed numbers in [0, 1)")
        if options.get("nesterov") and (options["momentum"] == 0 or options["dampening"]):
            raise ValueError(f"{name}: nesterov needs momentum and dampening=0")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set all gradients to None, or with set_to_none=False to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None if set_to_none or p.grad is None else Tensor(np.zeros_like(p.data))

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        if cuda.recording is not None:
            self._recorded()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state.setdefault(p, {})
                    for name in state.keys() & self.buffers:  # the model may have moved to another device
                        state[name].data = like(state[name].data, p.data)
                    self._step(p.data, p.grad.data, state, group)
                    touch(p.data)

    def _step(self, p, g, state, group):
        """`_update` on a C-contiguous array, which the kernels need; any other array is copied, updated and copied back."""
        if p.flags.c_contiguous:
            return self._update(p, g, state, group)
        flat = p.copy(order="C")
        self._update(flat, g, state, group)
        p[...] = flat

    def _update(self, p, g, state, group):
        raise NotImplementedError(f"{type(self).__name__}: _update is not defined")

    def _recorded(self):
        if self.counts:
            cuda.refuse(f"{type(self).__name__} counts its steps on the CPU and would repeat the current one")
        cuda.recording.options(lambda: [{**group, "params": None} for group in self.param_groups])

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: {name: Tensor or number}}, "param_groups": [options, params as indices]}, as in PyTorch."""
        number = {id(p): k for k, p in enumerate(p for group in self.param_groups for p in group["params"])}
        groups = [{**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": {number[id(p)]: dict(s) for p, s in self.state.items() if s}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore a `state_dict`; raises ValueError where it does not fit, and then changes nothing."""
        saved = [dict(group) for group in state_dict["param_groups"]]
        needed, came = [len(g["params"]) for g in self.param_groups], [len(g["params"]) for g in saved]
        if came != needed:
            raise ValueError(f"{type(self).__name__}: groups of {came} parameters given; needed {needed}")
        params = {k: p for old, new in zip(saved, self.param_groups) for k, p in zip(old["params"], new["params"])}
        state = {}
        for key, values in state_dict["state"].items():
            if (p := params.get(int(key))) is None:
                raise ValueError(
                    f"{type(self).__name__}: state of parameter {key} given, but there is no such parameter"
                )
            state[p] = dict(values)
            for name in self.buffers:
                if name not in values:
                    continue
                array = values[name].data if isinstance(values[name], Tensor) else values[name]
                array = like(array, p.data).astype(p.dtype)
                if array.shape != p.shape:
                    raise ValueError(
                        f"{type(self).__name__}: {name} of parameter {key} has shape {array.shape}; needed {p.shape}"
                    )
                state[p][name] = Tensor(array)
            if "step" in values:
                state[p]["step"] = int(values["step"])
        for old, new in zip(saved, self.param_groups):
            new.update({name: value for name, value in old.items() if name != "params"})
        self.state = state

    def __repr__(self) -> str:
        lines = [
            f"Parameter Group {k}\n" + "".join(f"    {n}: {v}\n" for n, v in sorted(g.items()) if n != "params")
            for k, g in enumerate(self.param_groups)
        ]
        return f"{type(self).__name__} (\n{''.join(lines)})"


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, in PyTorch's form).

    d = g + weight_decay p;  v = momentum v + (1 - dampening) d, in the first step v = d;  p -= lr v, or, with `nesterov`,
    p -= lr (d + momentum v).
    """

    buffers = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def _update(self, p, g, state, group):
        velocity, dampening = None, group["dampening"]
        if group["momentum"]:
            if "momentum_buffer" not in state:
                state["momentum_buffer"], dampening = Tensor(np.zeros_like(p)), 0
            velocity = state["momentum_buffer"].data
        numbers = group["lr"], group["momentum"], dampening, group["weight_decay"], group["nesterov"]
        kernels(p).sgd_step(p, g, velocity, settings.SGD(*numbers))


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1); `weight_decay` adds weight_decay p to the gradient.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
    """

    buffers = ("exp_avg", "exp_avg_sq")
    counts = True
    decoupled = False

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def _update(self, p, g, state, group):
        if not state:
            state.update(step=0, exp_avg=Tensor(np.zeros_like(p)), exp_avg_sq=Tensor(np.zeros_like(p)))
        state["step"] += 1
        m, v = state["exp_avg"].data, state["exp_avg_sq"].data
        numbers = group["lr"], *group["betas"], group["eps"], group["weight_decay"]
        kernels(p).adam_step(p, g, m, v, settings.Adam(state["step"], *numbers, self.decoupled))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself, p *= 1 - lr weight_decay (Loshchilov and Hutter 2019)."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


# -- clipping ------------------------------------------------------------------------------------------------------------


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad.data for p in parameters if p.grad is not None]


def clip_grad_norm_(
    parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Multiply all gradients by min(1, max_norm / norm), in place (Pascanu et al. 2013, algorithm 1).

    norm: the joint norm of all gradients before, which is returned as a 0-d Tensor. `norm_type` may be math.inf. Raises
    RuntimeError with error_if_nonfinite=True where the norm is not finite.
    """
    arrays = _gradients(parameters)
    norms = [np.linalg.norm(g.reshape(-1), norm_type) for g in arrays if g.size]
    norms = [float(n) for n in (xp(norms[0]).stack(norms).tolist() if norms else [])]  # one transfer from the GPU
    total = float(np.linalg.norm(norms, norm_type)) if norms else 0.0
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {total}")
    factor = max_norm / (total + 1e-6)
    factor = 1.0 if factor > 1 else factor  # NaN is kept, as in PyTorch
    for g in arrays:
        g *= g.dtype.type(factor)
        touch(g)
    return Tensor(np.asarray(total, arrays[0].dtype if arrays else np.float32))


def clip_grad_value_(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of the gradients to [-clip_value, clip_value], in place."""
    for g in _gradients(parameters):
        np.clip(g, -clip_value, clip_value, out=g)
        touch(g)
