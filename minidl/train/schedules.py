"""Learning-rate schedules, with PyTorch's names, defaults and formulas; also in `minidl.optim`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .optim import Optimizer


class Schedule:
    """The learning rate as a closed formula of the number of steps t; call `step()` after each `optimizer.step()`.

    Subclasses define `lr(base, t)`, which is affine in `base`, the initial rate of the group. A group that is added later
    keeps its own rate at that step and continues by the same formula.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.last_epoch = optimizer, 0
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self._apply()

    def _join(self):
        """Set `base` of each newly added group so that the formula yields its current rate at the current step."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            zero, one = (self.lr(base, self.last_epoch) for base in (0.0, 1.0))
            base = (group["lr"] - zero) / (one - zero) if one != zero else group["lr"]
            self.base_lrs.append(group.setdefault("initial_lr", base))

    def _apply(self):
        for group, base in zip(self.optimizer.param_groups, self.base_lrs):
            group["lr"] = self.lr(base, self.last_epoch)

    def step(self) -> None:
        """Count one step (or epoch: the unit is the caller's) and set the rates."""
        self._join()
        self.last_epoch += 1
        self._apply()

    def lr(self, base: float, t: int) -> float:
        """The rate after `t` steps of a group with the initial rate `base`."""
        raise NotImplementedError(f"{type(self).__name__}: lr is not defined")

    def get_last_lr(self) -> list[float]:
        """The current rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to continue."""
        self._join()
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`, and set the rates."""
        self._join()
        if len(state_dict["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: rates of {len(state_dict['base_lrs'])} groups given; needed {len(self.base_lrs)}"
            )
        self.last_epoch, self.base_lrs = int(state_dict["last_epoch"]), list(state_dict["base_lrs"])
        self._apply()


class PolyLR(Schedule):
    """base (1 - t / total_iters)^power, 0 from `total_iters` on (Chen et al. 2018, section 4.1: power 0.9)."""

    def __init__(self, optimizer: Optimizer, total_iters: int, power: float = 0.9) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def lr(self, base: float, t: int) -> float:
        return base * (1 - min(t, self.total_iters) / self.total_iters) ** self.power


class StepLR(Schedule):
    """base gamma^floor(t / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def lr(self, base: float, t: int) -> float:
        return base * self.gamma ** (t // self.step_size)


class CosineAnnealingLR(Schedule):
    """eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2 (Loshchilov and Hutter 2017, equation 5)."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def lr(self, base: float, t: int) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class LinearWarmup(Schedule):
    """A linear rise over `steps` steps from start_factor times the initial rate to that rate, then `schedule` from its start.

    `schedule` is any other schedule, e.g. LinearWarmup(PolyLR(optimizer, 1000), 100); call step() of the outer one only.
    """

    def __init__(self, schedule: Schedule, steps: int, start_factor: float = 1e-3) -> None:
        self.schedule, self.steps, self.start_factor = schedule, steps, start_factor
        super().__init__(schedule.optimizer)

    def lr(self, base: float, t: int) -> float:
        if t >= self.steps:
            return self.schedule.lr(base, t - self.steps)
        return self.schedule.lr(base, 0) * (self.start_factor + (1 - self.start_factor) * t / self.steps)
