"""Losses by name, U-Net's border weights, boundary IoU, and the plan of a run."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl.autograd.check import check_grads
from minidl.train.border import border_weights
from minidl.train.boundary import BoundaryIoU
from minidl.train.losses import SegmentationLoss, parse
from minidl.train.plan import Plan


def case(seed=0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 3, (2, 4, 5))
    target[0, 0] = 255
    return rng.normal(size=(2, 3, 4, 5)), target


@pytest.mark.parametrize("loss", [F.tversky_loss, F.lovasz_softmax])
def test_gradients(loss):
    x, target = case()
    with minidl.backend.use("reference"):
        check_grads(lambda t: loss(t, target, ignore_index=255), [minidl.tensor(x, requires_grad=True)], order=1)


def test_tversky_of_halves_is_dice_and_ignored_pixels_do_not_count():
    x, target = case()
    with minidl.backend.use("reference"):
        dice = F.dice_loss(minidl.tensor(x), target, ignore_index=255, smooth=2.0)
        ours = F.tversky_loss(minidl.tensor(x), target, 0.5, 0.5, ignore_index=255, smooth=1.0)
        assert float(ours) == pytest.approx(float(dice), abs=1e-9)
        x[0, :, 0] = 50
        again = F.tversky_loss(minidl.tensor(x), target, 0.5, 0.5, ignore_index=255, smooth=1.0)
        assert float(again) == pytest.approx(float(ours), abs=1e-9)


def test_lovasz_of_certain_scores_is_one_minus_iou():
    _, target = case()
    prediction = np.roll(target, 1, axis=2) % 3
    scores = 200.0 * (prediction[:, None] == np.arange(3)[:, None, None])
    kept = target != 255
    ious = [
        ((prediction == c) & (target == c) & kept).sum() / (((prediction == c) | (target == c)) & kept).sum()
        for c in range(3)
    ]
    with minidl.backend.use("reference"):
        loss = F.lovasz_softmax(minidl.tensor(scores), target, ignore_index=255)
    assert float(loss) == pytest.approx(1 - np.mean(ious), abs=1e-6)


def test_sums_by_name():
    x, target = case()
    assert parse("cross_entropy + 0.5*dice") == [(1.0, "cross_entropy"), (0.5, "dice")]
    with minidl.backend.use("reference"):
        parts = [
            float(SegmentationLoss(parse(name))(minidl.tensor(x), target, 255)) for name in ("cross_entropy", "dice")
        ]
        both = float(SegmentationLoss(parse("cross_entropy+0.5*dice"))(minidl.tensor(x), target, 255))
        assert both == pytest.approx(parts[0] + 0.5 * parts[1], rel=1e-6)
        mean = float(F.cross_entropy(minidl.tensor(x), minidl.tensor(target), ignore_index=255))
        assert parts[0] == pytest.approx(mean, rel=1e-6)


def test_border_weights_agree_with_the_formula():
    labels = np.zeros((9, 12), np.int64)
    labels[3:6, 1:4] = labels[3:6, 7:10] = 1
    weights = border_weights(labels, 10.0, 2.0)
    points = [np.argwhere(labels[:, :6]), np.argwhere(labels[:, 6:]) + np.array([0, 6])]
    for y, x in ((4, 5), (0, 0), (8, 11)):
        d = sorted(np.hypot(*(p - [y, x]).T).min() for p in points)
        assert weights[y, x] == pytest.approx(10 * np.exp(-((d[0] + d[1]) ** 2) / 8), rel=1e-5)
    assert (weights[labels == 1] == 0).all() and not border_weights(np.eye(4, dtype=int), 10.0).any()


def test_boundary_iou():
    truth = np.zeros((12, 12), np.int64)
    truth[2:10, 2:10] = 1
    assert BoundaryIoU(2, 2).update(truth, truth).mean_iou() == 1
    moved = BoundaryIoU(2, 1).update(np.roll(truth, 1, axis=1), truth)
    assert 0 < moved.iou()[1] < 0.6


def test_early_stopping_counts_epochs_without_a_better_score():
    plan = Plan(early_stopping=2, val_every=2)
    assert [plan.validates(epoch, 5) for epoch in range(5)] == [False, True, False, True, True]
    history = [{"epoch": k + 1, "val_iou": score} for k, score in enumerate((0.2, 0.5, 0.4, 0.5))]
    assert [plan.exhausted(history[:n], "iou") for n in range(5)] == [False, False, False, False, True]
