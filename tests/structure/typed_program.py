"""A user's program, for `mypy` to check: Tensors have their operators and methods, wrong uses (`type: ignore`) are refused."""

from typing import assert_type

import numpy as np

import minidl
from minidl import Tensor, nn, optim
from minidl import functional as F
from minidl.crf import DenseCRF
from minidl.data import DataLoader, DigitScenes
from minidl.models import unet_small
from minidl.train.loop import fit


def scalar(x: Tensor) -> float:
    y = (x @ x).relu().sum()
    y.backward()
    assert_type(y, Tensor)
    assert_type(-((2 * x + 1) ** 2) / x, Tensor)
    assert_type(x[0, ..., None], Tensor)
    assert_type(x > 0, Tensor)
    assert_type(x.max(), Tensor)
    assert_type(x.max(1), tuple[Tensor, Tensor])
    assert_type(F.exp(x).reshape(-1, 2).T, Tensor)
    assert_type(F.conv2d(x, x, stride=(2, 1), padding="same"), Tensor)
    x.reshap(3)  # type: ignore[attr-defined]
    F.conv2d(x, x, stride="2")  # type: ignore[arg-type]
    return y.item()


def train(folder: str) -> list[float]:
    scenes = DigitScenes((96, 96), 8, classes=3)
    loader = DataLoader(scenes, batch_size=4, shuffle=True)
    model: nn.Module = unet_small(4)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    history = fit(model, loader, optimizer=optimizer, epochs=1, folder=folder)
    optim.SGD(model.parameters(), lr="fast")  # type: ignore[arg-type]
    return [row["train_loss"] for row in history]


def differentiate(x: Tensor) -> np.ndarray:
    with minidl.no_grad():
        y = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())(x)
    (g,) = minidl.grad(F.mse_loss(x, 0.0), x)
    assert_type(g, Tensor)
    beliefs = DenseCRF(exact=True, terms=()).inference(np.zeros((2, 3, 3), np.float32))
    return np.asarray(g.numpy() + y.numpy() + beliefs)
