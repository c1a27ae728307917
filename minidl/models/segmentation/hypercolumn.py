"""Hypercolumns (Hariharan, Arbelaez, Girshick and Malik 2015): every pixel is classified from several layers.

The hypercolumn of a pixel is the vector of the features of chosen layers at that position, each enlarged bilinearly to the
pixels (section 3, equation 1), and a linear classifier reads it. Since the position of a pixel in its box matters too, there
is a K x K grid of classifiers, interpolated bilinearly between the centres of their cells (section 3.1).

A hypercolumn is long: 4544 numbers per pixel for AlexNet's pool2, conv4 and fc7. But a linear classifier is a sum over
layers, and enlarging is linear: a 1x1 convolution scores every layer at its own resolution, and the enlarged scores are
added (section 3.2). `efficient=False` computes the definition, with the same result up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd.tensor import Tensor, tensor
from ...typing import TensorLike
from .. import backbones
from ..backbones.base import Backbone, Stage, check_images
from .base import OnBackbone
from .fcn import FCN


class Columns(OnBackbone):
    """Chosen layers of a backbone, and a linear classifier on them for each cell of a `grid` x `grid`.

    layers: names of the backbone's stages; "fc7" is the backbone's last stage behind two fully connected layers of
        `hidden` channels as convolutions, the first `kernel` x `kernel`.
    """

    head: Any = FCN.head
    load_classifier: Any = FCN.load_classifier

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        layers: Sequence[str],
        hidden: int = 4096,
        kernel: int = 7,
        grid: int = 5,
        dropout: float = 0.5,
        efficient: bool = True,
    ) -> None:
        super().__init__(backbone, num_classes)
        self.multiple = backbone.output_stride
        known = {**backbone.stages}
        if "fc7" in layers:
            last = backbone.stages[backbone.last]
            shift = 0.5 * (
                kernel % 2 - 1
            )  # in cells: an even kernel, padded by one more before, is centred between two cells
            known["fc7"] = Stage(last.stride, hidden, last.centre + shift * last.stride)
            self.fc6 = nn.Conv2d(last.channels, hidden, kernel)
            self.fc7 = nn.Conv2d(hidden, hidden, 1)
            self.drop = nn.Dropout(dropout)
        if unknown := [name for name in layers if name not in known]:
            raise ValueError(f"{type(self).__name__}: layers {unknown}; needed some of {', '.join(known)}, fc7")
        if not layers or grid < 1:
            raise ValueError(f"{type(self).__name__}: layers {layers}, grid {grid}; needed at least one of each")
        self.layers = {name: known[name] for name in layers}
        self.grid, self.efficient = grid, efficient
        outputs = num_classes * grid**2  # channel c grid^2 + k: class c by the classifier of cell k
        self.score = nn.ModuleList([nn.Conv2d(s.channels, outputs, 1, bias=False) for s in self.layers.values()])
        for score in self.score:
            nn.init.normal_(score.weight, 0, 0.01)
        self.bias = nn.Parameter(np.zeros(outputs, np.float32))

    def features(self, x: Tensor) -> list[Tensor]:
        """The chosen layers' feature maps."""
        found = self.backbone.pyramid(x)
        if "fc7" in self.layers:
            k = self.fc6.kernel_size[0]
            found["fc7"] = self.head(F.pad(found[self.backbone.last], (k // 2, (k - 1) // 2) * 2))
        return [found[name] for name in self.layers]

    def scores(self, features: Sequence[Tensor], enlarge: Callable[[Tensor, Stage], Tensor]) -> Tensor:
        """The classifiers' scores on the hypercolumns of `features`; enlarge(y, stage) enlarges a map to the pixels."""
        stages = self.layers.values()
        if self.efficient:
            parts = [enlarge(score(y), stage) for score, y, stage in zip(self.score, features, stages)]
            total = sum(parts[1:], parts[0])
        else:
            columns = F.cat([enlarge(y, stage) for y, stage in zip(features, stages)], 1)  # (N, all channels, H, W)
            total = F.conv2d(columns, F.cat([score.weight for score in self.score], 1))
        return self.interpolate(total + F.reshape(self.bias, (1, -1, 1, 1)))

    def interpolate(self, scores: Tensor) -> Tensor:
        """(N, classes grid^2, H, W) -> (N, classes, H, W): at each pixel the mean of the classifiers around it.

        The weight of classifier k is the bilinear enlargement of a grid that is 1 in cell k and 0 elsewhere.
        """
        if self.grid == 1:
            return scores
        K, (N, _, H, W) = self.grid**2, scores.shape
        cells = tensor(np.eye(K, dtype=scores.data.dtype).reshape(1, K, self.grid, self.grid))
        weights = F.interpolate(cells, size=(H, W), mode="bilinear")
        by_cell = F.reshape(scores, (N, self.num_classes, K, H, W))
        return F.sum(by_cell * F.reshape(weights, (1, 1, K, H, W)), 2)


class Hypercolumn(Columns):
    """Per image: scores (N, classes, H, W) from the hypercolumns of all pixels; the grid is laid over the image.

    efficient: score the layers and enlarge the scores; False: enlarge the layers and score the hypercolumns.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        layers: Sequence[str],
        hidden: int = 4096,
        kernel: int = 7,
        grid: int = 1,
        dropout: float = 0.5,
        efficient: bool = True,
    ) -> None:
        super().__init__(backbone, num_classes, layers, hidden, kernel, grid, dropout, efficient)

    def logits(self, x: Tensor) -> dict[str, Tensor]:
        """Scores at the size of the image."""
        H, W = x.shape[2:]
        return {"out": self.scores(self.features(x), lambda y, stage: enlarge(y, stage, H, W))}

    def hypercolumns(self, x: Tensor) -> Tensor:
        """(N, channels of all layers, H, W): the columns themselves; H and W are multiples of the deepest stride."""
        check_images("Hypercolumn.hypercolumns", x, self.input_channels, self.min_size)
        H, W = x.shape[2:]
        if H % self.multiple or W % self.multiple:
            raise ValueError(f"Hypercolumn.hypercolumns: input is {H}x{W}; needed multiples of {self.multiple}")
        return F.cat([enlarge(y, stage, H, W) for y, stage in zip(self.features(x), self.layers.values())], 1)


class BoxHypercolumn(Columns):
    """Per box: scores (boxes, classes, size, size) on a grid of points in each box; the classifiers' grid is the box's.

    The backbone processes the image once. Bilinear interpolation at the points of a box is ROI Align with one
    sample per bin; more than one cell outside the map features are 0. hidden, kernel, grid, dropout and efficient are
    as in Hypercolumn.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        layers: Sequence[str],
        size: int = 50,
        **classifiers: Any,
    ) -> None:
        super().__init__(backbone, num_classes, layers, **classifiers)
        self.size = size

    def forward(  # type: ignore[override]  # boxes come with the images, scores are per box
        self, x: Tensor, boxes: TensorLike | Sequence[TensorLike]
    ) -> Tensor:
        """x: (N, C, H, W); boxes: K x 5 (image, x1, y1, x2, y2), or a list of L x 4 for each image; pixel edges."""
        check_images("BoxHypercolumn", x, self.input_channels, self.min_size)
        H, W = x.shape[2:]
        padded = F.pad(x, (0, -W % self.multiple, 0, -H % self.multiple))

        def read(y, stage):
            late = (stage.stride - 1) / 2 - stage.centre  # pixels by which ROI Align's cell centres exceed the stage's
            moved = [_moved(b, late) for b in boxes] if isinstance(boxes, list | tuple) else _moved(boxes, late)
            return F.roi_align(y, moved, self.size, 1 / stage.stride, sampling_ratio=1, aligned=True)

        return self.scores(self.features(padded), read)


def _moved(boxes, by):
    """Boxes (last four of 4 or 5 columns) moved along both axes."""
    moved = np.array(boxes, np.float32)
    moved[:, -4:] += by
    return moved


def enlarge(y: Tensor, stage: Stage, H: int, W: int) -> Tensor:
    """A feature map enlarged bilinearly to the H x W pixels of its image; beyond the outermost cells their values continue.

    Enlarging by the stride centres cell 0 on pixel (stride - 1) / 2. Where `stage.centre` is another pixel (AlexNet,
    ResNet), the map is padded and the result cropped at an offset, accurate to half a pixel.
    """
    s = stage.stride
    late = (s - 1) / 2 - stage.centre  # pixels
    if late == 0 and (y.shape[2] * s, y.shape[3] * s) == (H, W):
        return y if s == 1 else F.interpolate(y, size=(H, W), mode="bilinear")
    y = F.pad(y, (1, 2, 1, 2), mode="replicate")
    h, w = y.shape[2:]
    first = s + int(np.floor(late))
    return F.crop(F.interpolate(y, size=(h * s, w * s), mode="bilinear"), first, first, H, W)


def hypercolumn(
    num_classes: int = 21,
    backbone: Backbone | None = None,
    layers: Sequence[str] = ("pool2", "conv4", "fc7"),
    hidden: int = 4096,
    kernel: int = 6,
    grid: int = 1,
) -> Hypercolumn:
    """On AlexNet's pool2, conv4 and fc7, as the paper's first system (section 4.1)."""
    return Hypercolumn(backbone or backbones.alexnet(None), num_classes, layers, hidden, kernel, grid)


def hypercolumn_small(num_classes: int = 11, grid: int = 1, efficient: bool = True) -> Hypercolumn:
    """For lessons: all stages of `vgg_small`, strides 2 to 32."""
    backbone = backbones.vgg_small()
    return Hypercolumn(backbone, num_classes, tuple(backbone.stages), grid=grid, efficient=efficient)


def box_hypercolumn(
    num_classes: int = 1,
    backbone: Backbone | None = None,
    layers: Sequence[str] = ("pool2", "conv4", "fc7"),
    hidden: int = 4096,
    kernel: int = 6,
    grid: int = 10,
) -> BoxHypercolumn:
    """Object or background at 50x50 points of each box, by 10x10 classifiers (sections 3 and 4)."""
    backbone = backbone or backbones.alexnet(None)
    return BoxHypercolumn(backbone, num_classes, layers, grid=grid, hidden=hidden, kernel=kernel)


def box_hypercolumn_small(
    num_classes: int = 1, grid: int = 5, size: int = 28, efficient: bool = True
) -> BoxHypercolumn:
    """For lessons: all stages of `vgg_small`, 28x28 points, 5x5 classifiers."""
    backbone = backbones.vgg_small()
    return BoxHypercolumn(backbone, num_classes, tuple(backbone.stages), grid=grid, efficient=efficient, size=size)
