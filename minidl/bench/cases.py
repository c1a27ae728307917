"""The benchmark's cases as data. Targets are ratios of PyTorch's time to minidl's, float32, on two cores."""

from dataclasses import dataclass, field
from typing import NamedTuple

FORWARD, DATA, WEIGHT, BACKWARD = "forward", "data gradient", "weight gradient", "backward"
BOTH = "forward + backward"
PARTS = (FORWARD, DATA, WEIGHT)


class Target(NamedTuple):
    """Targets of a group: the geometric mean and the least of its ratios."""

    mean: float
    least: float
    about: str


GROUPS = {
    "conv3x3": Target(1.8, 1.0, "3x3 convolution"),
    "dilated": Target(1.2, 0.8, "dilated 3x3 convolution"),
    "conv": Target(1.0, 0.8, "1x1, stride 2, 7x7 stem, 5x5, first layers"),
    "transposed": Target(1.5, 1.0, "transposed convolution"),
    "depthwise": Target(1.5, 0.9, "depthwise 3x3 and separable pairs"),
    "light": Target(1.5, 0.9, "pooling, resizing, normalisation, loss, optimiser steps"),
    "regions": Target(1.0, 1.0, "ROI Align and the dense CRF"),
    "steps": Target(1.2, 1.2, "whole networks, and the tape's overhead"),
}
TITLES = {name: target.about for name, target in GROUPS.items()} | {"layers": "layers of the networks here"}


@dataclass(frozen=True)
class Case:
    """One row of the table: the libraries build `op` with `params`, and run `part` of it.

    quick: part of `--quick`. target: least ratio, where it differs from the group's. clock: "wall" or "cpu" time.
    count: operations in one call, by which its time is divided. chance: whether its results are random (dropout).
    """

    group: str
    name: str
    op: str
    part: str
    params: dict = field(hash=False)
    quick: bool = False
    target: float | None = None
    clock: str = "wall"
    count: int = 1
    chance: bool = False

    @property
    def label(self):
        return f"{self.name}, {self.part}"


def conv(N, channels, H, kernel, stride=1, padding=0, dilation=1, groups=1):
    """Parameters of a convolution of N square images of height H; channels is (input channels, output channels)."""
    C, O = channels
    return {
        "N": N, "C": C, "O": O, "H": H, "W": H, "kernel": kernel, "stride": stride, "padding": padding,
        "dilation": dilation, "groups": groups,
    }  # fmt: skip


def _rows(group, name, op, params, parts=PARTS, quick=()):
    """A Case for each part."""
    return [Case(group, name, op, part, params, part in quick) for part in parts]


def _conv3x3():
    """3x3 convolutions of stride 1: sizes of a U-Net, and of feature maps."""
    rows = []
    for C, S in ((32, 256), (64, 128), (128, 64), (256, 32)):
        for N in (1, 2, 4):
            quick = PARTS if (C, N) == (64, 2) else (FORWARD,) if N == 2 else ()
            rows += _rows("conv3x3", f"{C} ch {S}² N={N}", "conv", conv(N, (C, C), S, 3, padding=1), quick=quick)
    for C, S in ((256, 33), (128, 65), (64, 97), (64, 127)):
        quick = (FORWARD,) if S == 65 else ()
        rows += _rows("conv3x3", f"{C} ch {S}² N=2", "conv", conv(2, (C, C), S, 3, padding=1), quick=quick)
    return rows


def _dilated():
    """Dilated convolutions, rates up to those of ASPP."""
    rows = []
    for C, S in ((256, 33), (128, 65)):
        for rate in (2, 4, 6, 12, 18):
            params = conv(2, (C, C), S, 3, padding=rate, dilation=rate)
            quick = PARTS if (S, rate) == (65, 6) else ()
            rows += _rows("dilated", f"rate {rate} {C} ch {S}² N=2", "conv", params, quick=quick)
    return rows


def _conv():
    """1x1, strided, large kernels and first layers."""
    no_data = (FORWARD, WEIGHT)  # the gradient of an image is not needed in training
    return [
        *_rows("conv", "1x1 256>64 ch 64² N=2", "conv", conv(2, (256, 64), 64, 1), quick=(FORWARD,)),
        *_rows("conv", "1x1 64>256 ch 64² N=2", "conv", conv(2, (64, 256), 64, 1)),
        *_rows("conv", "1x1 512>256 ch 33² N=2", "conv", conv(2, (512, 256), 33, 1)),
        *_rows("conv", "3x3 stride 2 64>128 ch 128² N=2", "conv", conv(2, (64, 128), 128, 3, 2, 1), quick=(FORWARD,)),
        *_rows("conv", "3x3 stride 2 128>256 ch 65² N=2", "conv", conv(2, (128, 256), 65, 3, 2, 1)),
        *_rows("conv", "1x1 stride 2 256>512 ch 56² N=2", "conv", conv(2, (256, 512), 56, 1, 2)),
        *_rows("conv", "7x7 stride 2 3>64 ch 224² N=2", "conv", conv(2, (3, 64), 224, 7, 2, 3), no_data, (FORWARD,)),
        *_rows("conv", "5x5 64 ch 64² N=2", "conv", conv(2, (64, 64), 64, 5, padding=2)),
        *_rows("conv", "3x3 1>32 ch 256² N=2", "conv", conv(2, (1, 32), 256, 3, padding=1), no_data),
        *_rows("conv", "3x3 3>64 ch 224² N=2", "conv", conv(2, (3, 64), 224, 3, padding=1), no_data, (WEIGHT,)),
    ]


def _transposed():
    """Parameters are those of the transposed convolution's adjoint: O input and C output channels; H and W are the result's."""
    op, up = "conv_transpose", PARTS
    return [
        *_rows("transposed", "2x2 stride 2 128>64 ch to 128² N=2", op, conv(2, (64, 128), 128, 2, 2), up, (FORWARD,)),
        *_rows("transposed", "2x2 stride 2 512>256 ch to 32² N=2", op, conv(2, (256, 512), 32, 2, 2)),
        *_rows("transposed", "4x4 stride 2 64 ch to 128² N=2", op, conv(2, (64, 64), 128, 4, 2, 1)),
        *_rows("transposed", "4x4 stride 2 21 ch to 28² N=2", op, conv(2, (21, 21), 28, 4, 2, 1)),
        *_rows("transposed", "16x16 stride 8 21 ch to 224² N=2", op, conv(2, (21, 21), 224, 16, 8, 4), up, (FORWARD, DATA)),
    ]  # fmt: skip


def _depthwise():
    """Depthwise and separable convolutions."""
    rows = []
    for C, S, stride, rate in ((32, 128, 1, 1), (128, 64, 1, 1), (128, 64, 1, 2), (128, 64, 1, 4), (128, 64, 2, 1),
                               (512, 33, 1, 1), (512, 33, 1, 2), (96, 113, 2, 1)):  # fmt: skip
        name = f"stride {stride} rate {rate} {C} ch {S}² N=2"
        params = conv(2, (C, C), S, 3, stride, rate, rate, groups=C)
        rows += _rows("depthwise", name, "conv", params, quick=PARTS if (C, stride, rate) == (128, 1, 1) else ())
    for C, O, S, rate in ((128, 128, 64, 1), (256, 256, 33, 2)):
        name = f"separable rate {rate} {C}>{O} ch {S}² N=2"
        params = conv(2, (C, O), S, 3, 1, rate, rate, groups=C)
        rows += _rows("depthwise", name, "separable", params, (FORWARD, BACKWARD), (FORWARD,) if C == 128 else ())
    return rows


def _light():
    """Pooling, resizing, normalisation, losses: passes limited by memory."""
    both, image = (FORWARD, BACKWARD), {"N": 2, "C": 64, "H": 128, "W": 128}
    halves, overlapping = {"kernel": 2, "stride": 2, "padding": 0}, {"kernel": 3, "stride": 2, "padding": 1}
    logits = {"N": 2, "C": 21, "H": 64, "W": 64, "size": 512}
    widths = [64, 128, 256, 512, 512]
    weights = {"shapes": [[o, c, 3, 3] for c, o in zip([3, *widths], widths)] + [[o] for o in widths]}
    return [
        *_rows("light", "max-pool 2x2 64 ch 128² N=2", "max_pool", image | halves, both, both),
        *_rows("light", "max-pool 3x3 stride 2 64 ch 128² N=2", "max_pool", image | overlapping, both),
        *_rows("light", "max-unpool 2x2 64 ch to 128² N=2", "max_unpool", image | halves, both),
        *_rows("light", "average pool 2x2 64 ch 128² N=2", "avg_pool", image | halves, both),
        *_rows("light", "average pool 3x3 stride 2 64 ch 128² N=2", "avg_pool", image | overlapping, both),
        *_rows("light", "bilinear 64² to 128² 64 ch N=2", "bilinear", image | {"H": 64, "W": 64, "size": 128}, both),
        *_rows("light", "bilinear 64² to 512² 21 ch N=2", "bilinear", logits, both, (FORWARD,)),
        *_rows("light", "nearest 64² to 128² 64 ch N=2", "nearest", image | {"H": 64, "W": 64, "size": 128}, both),
        *_rows("light", "batch norm + ReLU 64 ch 128² N=2", "batch_norm_relu", image, both, both),
        *_rows("light", "batch norm + ReLU 32 ch 256² N=2", "batch_norm_relu", image | {"C": 32, "H": 256, "W": 256}, both),
        *_rows("light", "cross-entropy 21 x 512²", "cross_entropy", {"N": 1, "C": 21, "H": 512, "W": 512},
               (FORWARD, BOTH), (FORWARD,)),
        *_rows("light", "SGD, 3.9 M weights", "sgd", weights, ("step",)),
        *_rows("light", "Adam, 3.9 M weights", "adam", weights, ("step",), ("step",)),
    ]  # fmt: skip


def _regions():
    """ROI Align and the dense CRF."""
    roi = {"N": 2, "C": 256, "H": 50, "W": 68, "boxes": 512, "bins": 7, "samples": 2}
    crf = {"C": 21, "H": 480, "W": 640, "iterations": 10}
    return [
        *_rows("regions", "ROI Align 7x7, 512 boxes, 256 ch", "roi_align", roi, (FORWARD, BOTH), (FORWARD,)),
        *_rows("regions", "CRF 640x480, 21 labels, 10 rounds", "crf", crf, ("inference", "with lattices")),
    ]


VGG16 = [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]]
UNET = {"N": 2, "C": 1, "classes": 2, "H": 256, "W": 256, "base": 32, "depth": 4}
FCN8S = {"N": 1, "C": 3, "classes": 21, "H": 224, "W": 224, "blocks": VGG16, "hidden": 4096, "dropout": 0.5}
DEEPLAB = {"N": 2, "C": 3, "classes": 21, "H": 256, "W": 256, "dropout": 0.5}
CHAIN = 1000
UNET_STEP = Case("steps", "U-Net base 32 depth 4, 2 x 1 x 256²", "unet", "training step", UNET, True, 1.6)


def _steps():
    """Whole training steps and predictions, optimisers, the tape."""
    fcn = "FCN-8s VGG-16, 1 x 3 x 224²"
    return [
        UNET_STEP,
        Case("steps", fcn, "fcn8s", "inference", FCN8S, target=1.3),
        Case("steps", fcn, "fcn8s", "training step", FCN8S, target=1.3, chance=True),
        Case("steps", "DeepLabv3+ MobileNetV2, 2 x 3 x 256²", "deeplab", "training step", DEEPLAB, chance=True),
        *(
            Case("steps", f"tape: y = y * w, {what}", "tape", BOTH,
                 {"length": CHAIN, "both": both}, True, 1.2, "cpu", CHAIN)
            for what, both in (("gradient to y", False), ("gradients to y and w", True))
        ),
    ]  # fmt: skip


CASES = [*_conv3x3(), *_dilated(), *_conv(), *_transposed(), *_depthwise(), *_light(), *_regions(), *_steps()]


def select(groups=None, text=None, quick=False):
    """The cases of `groups` (all if None) whose label contains `text`, or those of `--quick` among them."""
    for group in groups or ():
        if group not in GROUPS:
            raise ValueError(f"bench: there is no group {group!r}; there are {', '.join(GROUPS)}")
    found = [
        case
        for case in CASES
        if case.group in (groups or GROUPS) and (not text or text in case.label) and (case.quick or not quick)
    ]
    if not found:
        raise ValueError(f"bench: no case matches; --group is {groups}, --filter {text!r}, --quick {quick}")
    return found
