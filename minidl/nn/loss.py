"""Loss layers: PyTorch's arguments without the deprecated `size_average` and `reduce`. Class weights are buffers."""

from __future__ import annotations

from .. import functional as F
from ..autograd.tensor import Tensor, tensor
from ..typing import TensorLike
from .module import Module


class _Loss(Module):
    def __init__(self, reduction: str = "mean", **weights: TensorLike | None) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f'{type(self).__name__}: reduction must be "mean", "sum" or "none", not {reduction!r}')
        self.reduction = reduction
        for name, w in weights.items():
            self.register_buffer(name, w if w is None or isinstance(w, Tensor) else tensor(w))


class CrossEntropyLoss(_Loss):
    """`F.cross_entropy` of logits (N, C, ...) and class indices (N, ...)."""

    def __init__(
        self,
        weight: TensorLike | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """`F.nll_loss` of log-probabilities (N, C, ...) and class indices (N, ...)."""

    def __init__(self, weight: TensorLike | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction, weight=weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`F.binary_cross_entropy_with_logits`."""

    def __init__(
        self, weight: TensorLike | None = None, reduction: str = "mean", pos_weight: TensorLike | None = None
    ) -> None:
        super().__init__(reduction, weight=weight, pos_weight=pos_weight)

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class SmoothL1Loss(_Loss):
    """`F.smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class MSELoss(_Loss):
    """`F.mse_loss`."""

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """`F.l1_loss`."""

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class DiceLoss(Module):
    """`F.dice_loss` of logits (N, C, H, W) and class indices (N, H, W)."""

    def __init__(self, ignore_index: int = -100, smooth: float = 1.0) -> None:
        super().__init__()
        self.ignore_index, self.smooth = ignore_index, smooth

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.dice_loss(input, target, ignore_index=self.ignore_index, smooth=self.smooth)


class FocalLoss(_Loss):
    """`F.focal_loss` of logits (N, C, ...) and class indices (N, ...)."""

    def __init__(
        self, gamma: float = 2.0, weight: TensorLike | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction, weight=weight)
        self.gamma, self.ignore_index = gamma, ignore_index

    def forward(self, input: Tensor, target: TensorLike) -> Tensor:
        return F.focal_loss(
            input, target, self.gamma, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )
