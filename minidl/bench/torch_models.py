"""The same networks in PyTorch, layer by layer and name by name, so that one recipe fills both."""

from itertools import pairwise

import torch
from torch import nn


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
    """The convolutions and pools of VGG; returns what each pool gives."""

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
