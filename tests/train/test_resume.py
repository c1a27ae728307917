"""A run that is killed repeatedly ends with the same bits as an uninterrupted run."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minidl.train import checkpoint
from minidl.train.run import LAST

SCRIPT = """
import sys
from minidl import backend, manual_seed, nn, optim, training
from minidl.data import DataLoader, DigitScenes
from minidl.data.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip
from minidl.run import LAST

folder, column, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])

if __name__ == "__main__":
    from pathlib import Path

    manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 3, 2, stride=2),
    )
    transform = Compose([RandomCrop(24), RandomHorizontalFlip(), Normalize()])
    scenes = dict(size=32, classes=2, photographs=False)
    train = DataLoader(DigitScenes(length=30, **scenes), 4, True, seed=3, transform=transform, num_workers=workers)
    val = DataLoader(DigitScenes(length=6, split="val", **scenes), 3, transform=Normalize())
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    schedule = optim.LinearWarmup(optim.PolyLR(optimizer, 32), 8)
    with backend.use(column):
        training.fit(
            model, train, val, optimizer=optimizer, schedule=schedule, epochs=5, folder=folder, save_every=0.02, clip=1.0,
            resume=(Path(folder) / LAST).exists(), progress=False,
        )
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "run.py"
    path.write_text(SCRIPT)
    return path


def launch(script, folder, column, workers=0):
    environment = os.environ | {"NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, script, folder, column, str(workers)], env=environment)


def finished(process):
    assert process.wait(timeout=240) == 0


def assert_same_bits(ours, theirs):
    """All weights, optimiser state, history and random state, but for how long it took."""
    (weights, state), (others, other) = (checkpoint.load(folder / LAST) for folder in (ours, theirs))
    assert weights.keys() == others.keys() and all(w.tobytes() == others[n].tobytes() for n, w in weights.items())
    for moments, expected in zip(state["optimizer"]["state"].values(), other["optimizer"]["state"].values()):
        assert moments.keys() == expected.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(np.asarray(moments[k]).tobytes() == np.asarray(expected[k]).tobytes() for k in expected)
    clock = ("seconds", "images_per_second")
    for run in (state["run"], other["run"]):
        run["tally"].pop("seconds")
        run["history"] = [{k: v for k, v in row.items() if k not in clock} for row in run["history"]]
    assert str(state["run"]) == str(other["run"]) and state["schedule"] == other["schedule"]
    logs = [[row.split(",")[:8] for row in (folder / "log.csv").read_text().splitlines()] for folder in (ours, theirs)]
    assert logs[0] == logs[1] and len(logs[0]) == 6
    best = [checkpoint.load(folder / "best.safetensors")[0] for folder in (ours, theirs)]
    assert all(w.tobytes() == best[1][n].tobytes() for n, w in best[0].items())


@pytest.mark.parametrize("column", ["reference", "cpu"])
def test_killed_at_random_moments(tmp_path, script, column):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finished(launch(script, whole, column))
    luck, kills = random.Random(column), 0
    while kills < 3:
        before = (broken / LAST).stat().st_mtime_ns if (broken / LAST).exists() else 0
        process = launch(script, broken, column)
        while process.poll() is None and (not (broken / LAST).exists() or (broken / LAST).stat().st_mtime_ns == before):
            time.sleep(0.002)  # until it has written something of its own
        time.sleep(luck.uniform(0, 0.1))
        process.kill()
        if process.wait() == 0:
            break  # it was quicker than we
        kills += 1
    assert kills >= 2
    finished(launch(script, broken, column))
    assert_same_bits(broken, whole)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_interrupted_with_worker_processes(tmp_path, script):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finished(launch(script, whole, "reference"))
    process = launch(script, broken, "reference", workers=1)
    while not (broken / LAST).exists() or (broken / "log.csv").exists() is False:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) in (1, -signal.SIGINT)
    assert 6 < checkpoint.load(broken / LAST)[1]["run"]["step"] < 40
    finished(launch(script, broken, "reference", workers=2))
    assert_same_bits(broken, whole)
