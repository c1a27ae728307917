"""Every network learns: shortened by default, with MINIDL_LONG=1 until it segments DigitScenes."""

import os

import pytest

import minidl
from minidl import data, models
from minidl.data import transforms as T
from minidl.train import loop as training
from minidl.train import optim

LONG = os.environ.get("MINIDL_LONG") == "1"
SIZE, BATCH = 64, 8
DIGITS = {"digit": range(10)}  # digit or background, over photographs
COARSE = {"fcn32s_small", "fcn16s_small"}  # cells of 32 and 16 pixels in images of 64


def scenes(split, length):
    return data.DigitScenes(SIZE, length, DIGITS, split=split, scales=(0.4, 0.8))


def learn(name, steps):
    """(history of four epochs, mean IoU on validation scenes) of the small configuration `name`."""
    minidl.manual_seed(0)
    model = getattr(models, name)(num_classes=2)
    loader = data.DataLoader(
        scenes("train", steps * BATCH // 4), BATCH, True, seed=0, transform=T.Compose([T.Normalize()]), drop_last=True
    )
    optimizer = optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3, weight_decay=1e-4)
    schedule = optim.LinearWarmup(optim.PolyLR(optimizer, max(steps - 30, 1)), 30) if steps > 60 else None
    history = training.fit(model, loader, optimizer=optimizer, epochs=4, schedule=schedule, clip=5.0, progress=False)
    if not LONG:
        return history, None
    val = data.DataLoader(scenes("val", 64), 32, transform=T.Compose([T.Normalize()]))
    return history, training.evaluate(model, val)[1].mean_iou()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in models.NETWORKS if name.endswith("_small")])
def test_learns_to_segment_digits(name):
    history, miou = learn(name, 240 if LONG else 16)
    assert history[-1]["train_loss"] < 0.97 * history[0]["train_loss"]
    if LONG and name not in COARSE:
        assert miou >= 0.75
