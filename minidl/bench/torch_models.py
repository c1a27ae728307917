"""The same networks in PyTorch, with the same layers and names, so that both get the same parameters."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from ..models.backbones.inverted_residual import SETTING


class UNet(nn.Module):
    """`minidl.models.UNet` with same padding and transposed up-convolutions."""

    def __init__(self, in_channels, num_classes, depth, base):
        super().__init__()
        widths = [base * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList([_double(a, b) for a, b in zip([in_channels, *widths[:-1]], widths)])
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, 2) for a, b in pairwise(widths)][::-1])
        self.merge = nn.ModuleList([_double(2 * a, a) for a in widths[:-1]][::-1])
        self.score = nn.Conv2d(base, num_classes, 1)

    def forward(self, x):
        skips = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        x = skips.pop()
        for up, block in zip(self.up, self.merge):
            x = block(torch.cat([skips.pop(), up(x)], 1))
        return self.score(x)


def _double(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class Features(nn.Module):
    """The convolutions and pools of VGG; returns the output of each pool."""

    def __init__(self, channels, blocks):
        super().__init__()
        layers = []
        for block in blocks:
            for width in block:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, x):
        pooled = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
        return pooled


class FCN8s(nn.Module):
    """`minidl.models.fcn8s` for sizes that are multiples of 32; its crops become the padding of the transposed layers."""

    def __init__(self, channels, classes, blocks, hidden, dropout):
        super().__init__()
        self.backbone = Features(channels, blocks)
        self.fc6 = nn.Conv2d(blocks[4][-1], hidden, 7, padding=3)
        self.fc7 = nn.Conv2d(hidden, hidden, 1)
        self.drop = nn.Dropout(dropout)
        self.score = nn.ModuleList([nn.Conv2d(c, classes, 1) for c in (hidden, blocks[3][-1], blocks[2][-1])])
        self.up = nn.ModuleList([nn.ConvTranspose2d(classes, classes, 2 * f, f, f // 2, bias=False) for f in (2, 2, 8)])
        self.up[2].weight.requires_grad = False

    def forward(self, x):
        *_, pool3, pool4, pool5 = self.backbone(x)
        y = self.drop(torch.relu_(self.fc6(pool5)))
        y = self.drop(torch.relu_(self.fc7(y)))
        y = self.up[0](self.score[0](y)) + self.score[1](pool4)
        y = self.up[1](y) + self.score[2](pool3)
        return self.up[2](y)


def _conv(inputs, outputs, kernel=3, stride=1, dilation=1, groups=1, activation=nn.ReLU):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), activation(inplace=True))


def _separable(inputs, outputs, dilation=1):
    return nn.Sequential(_conv(inputs, inputs, 3, 1, dilation, inputs), _conv(inputs, outputs, 1))


class InvertedResidual(nn.Module):
    """`minidl.models.backbones.mobilenet_v2.InvertedResidual`."""

    def __init__(self, inputs, outputs, stride, expansion, dilation):
        super().__init__()
        hidden, self.same = inputs * expansion, stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([_conv(inputs, hidden, 1, activation=nn.ReLU6)] if expansion > 1 else []),
            _conv(hidden, hidden, 3, stride, dilation, hidden, nn.ReLU6),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x):
        return x + self.conv(x) if self.same else self.conv(x)


class DeepLabV3Plus(nn.Module):
    """`minidl.models.deeplab_v3plus_mobilenet_v2` at output stride 16."""

    def __init__(self, classes, dropout):
        super().__init__()
        layers, channels, reach = [_conv(3, 32, stride=2, activation=nn.ReLU6)], 32, 2
        for expansion, width, count, step in SETTING:
            for k in range(count):
                stride = step if k == 0 and reach < 16 else 1
                dilation = 2 if width == 320 or (width == 160 and k) else 1  # in place of a stride
                reach *= stride
                layers.append(InvertedResidual(channels, width, stride, expansion, dilation))
                channels = width
        self.backbone = nn.ModuleDict({"features": nn.Sequential(*layers)})
        self.aspp = nn.Module()
        branches = [_conv(channels, 256, 1), *(_separable(channels, 256, rate) for rate in (6, 12, 18))]
        self.aspp.convs = nn.ModuleList([*branches, nn.Sequential(nn.AdaptiveAvgPool2d(1), *_conv(channels, 256, 1))])
        self.aspp.project = nn.Sequential(*_conv(5 * 256, 256, 1), nn.Dropout(dropout))
        self.reduce = _conv(24, 48, 1)
        self.refine = nn.Sequential(_separable(256 + 48, 256), _separable(256, 256))
        self.score = nn.Conv2d(256, classes, 1)

    def forward(self, x):
        low = self.backbone["features"][:4](x)
        deep = self.backbone["features"][4:](low)
        *branches, pooled = [branch(deep) for branch in self.aspp.convs]
        deep = self.aspp.project(torch.cat([*branches, pooled.expand_as(branches[0])], 1))
        low = self.reduce(low)
        y = self.score(self.refine(torch.cat([_resize(deep, low), low], 1)))
        return _resize(y, x)


def _resize(x, like):
    return F.interpolate(x, like.shape[2:], mode="bilinear")
