"""The training loop: learning, logging, best weights, stopping and its messages."""

import csv
import os
import signal
import threading

import numpy as np
import pytest

import minidl
from minidl import backend, nn
from minidl import functional as F
from minidl.data import DataLoader
from minidl.train import checkpoint, optim
from minidl.train import loop as training
from minidl.train.run import BEST, LAST, LOG, Diverged


class Squares:
    """Bright squares on dark noise: a task that a few steps solve. Two pixels in a corner have no label."""

    classes, colors, ignore_index = ("dark", "bright"), np.array([(0, 0, 0), (255, 255, 255)], np.uint8), 255

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        mask = np.zeros((16, 16), np.uint8)
        y, x = rng.integers(0, 8, 2)
        mask[y : y + 8, x : x + 8] = 1
        image = rng.integers(0, 90, (16, 16, 3)) + 150 * mask[..., None]
        mask[0, :2] = 255
        return image.astype(np.uint8), mask


class Net(nn.Module):
    """Two layers with everything that has state of its own: batch norm and dropout."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1))
        self.score = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return {"out": self.score(self.body(x))}


@pytest.fixture(autouse=True)
def reference():
    minidl.manual_seed(0)
    with backend.use("reference"):
        yield


def start(epochs=2, lr=0.1, **options):
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    train = DataLoader(Squares(12), 4, shuffle=True)
    return training.fit(model, train, optimizer=optimizer, epochs=epochs, progress=False, **options), model


def test_it_learns_and_writes_what_it_says(tmp_path):
    seen = []
    history, model = start(
        4,
        val=DataLoader(Squares(6), 3),
        folder=tmp_path / "a" / "run",
        config={"n": 1},
        on_epoch=lambda h: seen.append(len(h)),
    )
    assert history[-1]["val_iou"] > 0.9 and history[-1]["train_loss"] < history[0]["train_loss"] / 2
    assert seen == [1, 2, 3, 4] and history[-1]["step"] == 12
    folder = tmp_path / "a" / "run"
    assert sorted(p.name for p in folder.iterdir()) == sorted([BEST, LAST, LOG])
    with open(folder / LOG, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["val_iou"]) for r in rows] == [r["val_iou"] for r in history]
    weights, state = checkpoint.load(folder / LAST)
    assert all(np.array_equal(weights[n], w.data) for n, w in model.state_dict().items())
    assert state["config"] == {"n": 1} and state["run"]["epoch"] == 4
    best = checkpoint.load(folder / BEST)[1]["scores"]
    assert best["val_iou"] == max(r["val_iou"] for r in history)
    loss, matrix = training.evaluate(model, DataLoader(Squares(6), 3))
    assert loss == pytest.approx(history[-1]["val_loss"]) and matrix.mean_iou() == history[-1]["val_iou"]
    assert matrix.counts.sum() == 6 * (16 * 16 - 2)  # unlabelled pixels do not count


def test_the_mode_in_which_each_part_runs():
    modes = []
    model = Net()
    model.register_forward_pre_hook(lambda module, args: modes.append((module.training, minidl.is_grad_enabled())))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    training.fit(
        model, DataLoader(Squares(4), 4), DataLoader(Squares(4), 4), optimizer=optimizer, epochs=2, progress=False
    )
    assert modes == [(True, True), (False, False)] * 2


def test_schedule_steps_with_the_optimiser_and_clipping_bounds_the_step():
    model = Net()
    before = {n: w.data.copy() for n, w in model.named_parameters()}
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.StepLR(optimizer, 3, gamma=1e-30)  # nothing moves after the third step
    history = training.fit(
        model, DataLoader(Squares(12), 4), optimizer=optimizer, schedule=schedule, epochs=2, clip=0.01, progress=False
    )
    moved = np.sqrt(sum(((w.data - before[n]) ** 2).sum() for n, w in model.named_parameters()))
    assert 0 < moved <= 3 * 0.01 * 1.001
    assert [row["lr"] for row in history] == pytest.approx([1e-30, 1e-60])


def test_loss_ignores_crops_and_adds_auxiliary_scores():
    rng = np.random.default_rng(0)
    scores = minidl.tensor(rng.standard_normal((2, 3, 4, 5)), dtype=np.float64, requires_grad=True)
    target = rng.integers(0, 3, (2, 8, 7))
    inner = target[:, 2:6, 1:6]
    expected = float(F.cross_entropy(scores, inner))
    assert float(training.segmentation_loss(scores, target)) == pytest.approx(expected)
    both = training.segmentation_loss({"out": scores, "aux": scores}, target, aux_weight=0.25)
    assert float(both) == pytest.approx(1.25 * expected)
    weight = np.array([0.2, 1.0, 3.0])
    weighted = training.segmentation_loss(scores, target, weight=weight)
    assert float(weighted) == pytest.approx(float(F.cross_entropy(scores, inner, weight)))
    none = training.segmentation_loss(scores, np.full((2, 8, 7), 9), ignore_index=9)
    none.backward()
    assert float(none) == 0 and not scores.grad.data.any()


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    calls = []

    def loss(output, target, ignore_index):
        calls.append(1)
        value = training.segmentation_loss(output, target, ignore_index)
        return value * (float("nan") if len(calls) == 5 else 1.0)

    with pytest.raises(Diverged, match=r"loss is nan at step 5 \(epoch 2\); the last good checkpoint is .*last"):
        start(folder=tmp_path, loss=loss)
    weights, state = checkpoint.load(tmp_path / LAST)
    assert state["run"]["step"] == 3 and all(np.isfinite(w).all() for w in weights.values())


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    model = Net()
    model.unused = nn.Parameter(np.ones(2, np.float32))  # its value shows in no loss

    def poison(history):
        model.unused.data[1] = np.inf

    options = {"optimizer": optim.SGD(model.parameters(), lr=0.1), "folder": tmp_path, "progress": False}
    with pytest.raises(Diverged, match="after step 2, 1 weights are not finite, first unused"):
        training.fit(model, DataLoader(Squares(4), 4), epochs=3, on_epoch=poison, **options)
    assert np.isfinite(checkpoint.load(tmp_path / LAST)[0]["unused"]).all()


@pytest.mark.parametrize("at", ["training", "validation"])
def test_ctrl_c_finishes_the_step_and_leaves_a_checkpoint(tmp_path, at):
    def loss(output, target, ignore_index):
        if len(losses) == (2 if at == "training" else 4):
            os.kill(os.getpid(), signal.SIGINT)
        losses.append(1)
        return training.segmentation_loss(output, target, ignore_index)

    losses = []
    with pytest.raises(KeyboardInterrupt, match=r"after step 3, saved in .*last"):
        start(loss=loss, folder=tmp_path, val=DataLoader(Squares(6), 2))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    state = checkpoint.load(tmp_path / LAST)[1]["run"]
    assert state["step"] == 3 and state["epoch"] == 0 and state["place"]["batch"] == 3


def test_outside_the_main_thread_it_trains_all_the_same():
    result = []
    thread = threading.Thread(target=lambda: result.append(start()[0]))
    thread.start()
    thread.join()
    assert len(result[0]) == 2


def test_refusals(tmp_path):
    start(folder=tmp_path / "run")
    with pytest.raises(FileExistsError, match="already holds a run"):
        start(folder=tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="no run to resume"):
        start(folder=tmp_path / "other", resume=True)
    with pytest.raises(ValueError, match="needs the folder"):
        start(resume=True)
    with pytest.raises(ValueError, match="0 epochs"):
        start(0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        start(folder=tmp_path / "file")

    class Bare(Squares):
        classes = property()

    with pytest.raises(TypeError, match="num_classes is needed"):
        training.evaluate(Net(), DataLoader(Bare(4)))


def test_a_checkpoint_of_another_kind_is_not_resumed(tmp_path):
    checkpoint.save(tmp_path / LAST, Net().state_dict())
    with pytest.raises(checkpoint.CheckpointError, match="not the state of a run"):
        start(folder=tmp_path, resume=True)
    checkpoint.save(tmp_path / LAST, nn.Conv2d(1, 1, 1).state_dict(), run={}, optimizer={})
    with pytest.raises(checkpoint.CheckpointError, match="not of this Net"):
        start(folder=tmp_path, resume=True)


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    """Epochs may be added when the schedule does not depend on them."""
    start(1, folder=tmp_path / "a")
    resumed, model = start(3, folder=tmp_path / "a", resume=True)
    minidl.manual_seed(0)
    whole, same = start(3, folder=tmp_path / "b")
    assert [row["train_loss"] for row in resumed] == [row["train_loss"] for row in whole]
    assert all(np.array_equal(w.data, same.state_dict()[n].data) for n, w in model.state_dict().items())
