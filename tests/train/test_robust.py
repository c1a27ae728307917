"""Runs with signals, kills, power failures, or two processes: no saved state is lost, no file is incomplete."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faults import PowerCut, small_disk
from minidl.kernels.files import sole_user

from minidl import nn, optim
from minidl.data import DataLoader
from minidl.train import checkpoint
from minidl.train.loop import fit
from minidl.train.run import LAST

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX systems")
SCRIPT = """
import sys
import numpy as np
from minidl import backend, manual_seed, nn, optim, set_num_threads
from minidl.data import DataLoader
from minidl.train.loop import fit
from pathlib import Path

folder, epochs, column, threads = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
rng = np.random.default_rng(0)


class Noise(list):
    classes, ignore_index = ("a", "b"), 255


data = Noise([(rng.integers(0, 256, (12, 12, 3)).astype(np.uint8), rng.integers(0, 2, (12, 12)).astype(np.uint8)) for _ in range(24)])
manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(8, 2, 3, padding=1))
loader = DataLoader(data, 4, True, seed=3)
if column == "cpu":
    set_num_threads(threads)
with backend.use(column):
    fit(
        model, loader, optimizer=optim.AdamW(model.parameters(), lr=0.01), epochs=epochs, folder=folder, save_every=0.0,
        resume=(Path(folder) / "last.safetensors").exists(), progress=False,
    )
"""  # noqa: E501


class Noise(list):
    """Random pictures and labels."""

    classes, ignore_index = ("a", "b"), 255


def noise(count=8):
    rng = np.random.default_rng(0)
    return Noise(
        (rng.integers(0, 256, (12, 12, 3)).astype(np.uint8), rng.integers(0, 2, (12, 12)).astype(np.uint8))
        for _ in range(count)
    )


def parts():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    for k, p in enumerate(model.parameters()):
        p.data[...] = np.random.default_rng(k).standard_normal(p.shape) / 4
    return model, DataLoader(noise(), 4, True, seed=1), optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(folder, epochs, resume=False):
    model, loader, optimizer = parts()
    fit(model, loader, optimizer=optimizer, epochs=epochs, folder=folder, save_every=0.0, resume=resume, progress=False)
    return model


def start(tmp_path, folder, epochs, column="reference", threads=1):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, folder, str(epochs), column, str(threads)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ | {"NUMBA_NUM_THREADS": "3"})


def step(folder):
    return checkpoint.load(folder / LAST)[1]["run"]["step"]


def wait_for_a_new_checkpoint(process, path):
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.001)


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_save_like_the_first_interrupt(tmp_path, name):
    folder = tmp_path / "run"
    process = start(tmp_path, folder, 100_000)
    wait_for_a_new_checkpoint(process, folder / LAST)
    process.send_signal(getattr(signal, name))
    said = process.communicate(timeout=60)[1].decode()
    assert f"{name}: stopping after this step" in said and f"saved in {folder / LAST}" in said
    assert (
        process.returncode in (1, -signal.SIGINT) and step(folder) >= 1
    )  # an uncaught KeyboardInterrupt outside the command line


@POSIX
def test_a_second_interrupt_says_something(tmp_path, monkeypatch, capfd):
    from minidl.train import run as running

    with running.interruptible() as interrupted:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
    assert "stopping at once" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@POSIX
def test_a_second_process_in_one_run_folder_is_told(tmp_path):
    folder = tmp_path / "run"
    train(folder, 1)
    before = (folder / LAST).read_bytes()
    code = f"""
from minidl.kernels.files import sole_user
with sole_user({str(folder)!r}):
    print("held", flush=True)
    input()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(RuntimeError, match=r"run is in use: another process trains there"):
        train(folder, 2, resume=True)
    assert (folder / LAST).read_bytes() == before
    holder.kill()
    holder.communicate()
    train(folder, 2, resume=True)  # a lock ends with its process
    with sole_user(folder), sole_user(folder):
        assert step(folder) == 4


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(
        path, {"w": np.arange(30, dtype=np.float32), "n": np.array(3)}, state={"a": [1, np.ones(2)], "b": "x"}
    )
    good, luck = path.read_bytes(), random.Random(0)
    weights, branches = checkpoint.load(path)
    for _ in range(300):
        bad = bytearray(good)
        bad[luck.randrange(len(bad))] ^= 1 << luck.randrange(8)
        path.write_bytes(bad)
        with pytest.raises(checkpoint.CheckpointError, match=r"c\.safetensors"):
            checkpoint.load(path)
    path.write_bytes(good)
    assert np.array_equal(weights["w"], checkpoint.load(path)[0]["w"]) and branches["state"]["b"] == "x"


def test_an_old_checkpoint_loads_with_one_line(tmp_path, capsys):
    import json

    from safetensors.numpy import save_file

    path = tmp_path / "old.safetensors"
    save_file({"w": np.ones(2)}, path, {"format": "minidl", "config": json.dumps({"a": 1})})
    weights, branches = checkpoint.load(path)
    assert np.array_equal(weights["w"], np.ones(2)) and branches == {"config": {"a": 1}}
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "old.safetensors has no digest" in said


def test_weights_of_another_kind_are_refused(tmp_path):
    model = nn.BatchNorm2d(3)
    state = {name: tensor.data.copy() for name, tensor in model.state_dict().items()}
    checkpoint.save(tmp_path / "good", state)
    checkpoint.load_weights(model, tmp_path / "good")
    for name, kind in (("weight", np.int64), ("weight", np.bool_), ("num_batches_tracked", np.float32)):
        checkpoint.save(tmp_path / "bad", state | {name: state[name].astype(kind)})
        with pytest.raises(checkpoint.CheckpointError, match=rf"bad is not of this BatchNorm2d: misshapen: {name}"):
            checkpoint.load_weights(model, tmp_path / "bad")


def test_a_full_disk_stops_a_run_and_leaves_its_last_checkpoint(tmp_path):
    with small_disk(tmp_path / "disk", 40 * 1024) as disk:
        train(disk / "run", 1)
        before = (disk / "run" / LAST).read_bytes()
        filler = b"x" * (40 * 1024)
        with open(disk / "filler", "wb", buffering=0) as file:
            while len(filler) > 512:
                try:
                    filler = filler[file.write(filler) :]
                except OSError:
                    filler = filler[: len(filler) // 2]
        with pytest.raises(OSError, match=r"safetensors|log\.csv"):
            train(disk / "run", 3, resume=True)
        assert (disk / "run" / LAST).read_bytes() == before
        (disk / "filler").unlink()
        train(disk / "run", 3, resume=True)
        assert step(disk / "run") == 6


def power_cuts(tmp_path, count):
    """Cut the power at `count` moments of a run: the last acknowledged step is there, and the run goes on to the same bits."""
    folder = tmp_path / "run"
    folder.mkdir()
    acknowledged = []
    cut = PowerCut(folder)
    write = checkpoint.write

    def acknowledging(path, content, **options):
        write(path, content, **options)
        if Path(path).name == LAST:
            acknowledged.append((len(cut.moments), step(folder)))

    patch = pytest.MonkeyPatch()
    patch.setattr(checkpoint, "write", acknowledging)
    whole = train(folder, 4)
    patch.undo()
    cut.stop()
    luck = random.Random(0)
    moments = sorted(luck.sample(range(acknowledged[0][0], len(cut.moments)), count))
    for moment in moments:
        cut.restore(moment)
        least = max(number for at, number in acknowledged if at <= moment + 1)
        assert step(folder) >= least
        again = train(folder, 4, resume=True)
        for ours, theirs in zip(again.parameters(), whole.parameters()):
            assert ours.data.tobytes() == theirs.data.tobytes()


@POSIX
def test_three_power_cuts(tmp_path):
    power_cuts(tmp_path, 3)


@POSIX
@pytest.mark.slow
def test_twenty_power_cuts(tmp_path):
    power_cuts(tmp_path, 20)


@POSIX
@pytest.mark.slow
def test_sixty_kills(tmp_path):
    whole, broken, luck = tmp_path / "whole", tmp_path / "broken", random.Random(0)
    epochs, kills, steps = 400, 0, 0
    while kills < 60:
        process = start(tmp_path, broken, epochs)
        wait_for_a_new_checkpoint(process, broken / LAST)
        time.sleep(luck.uniform(0, 0.1))
        process.kill()
        process.communicate()
        kills += 1
        assert step(broken) >= steps
        steps = step(broken)
    epochs = checkpoint.load(broken / LAST)[1]["run"]["epoch"] + 1
    for folder in (whole, broken):
        process = start(tmp_path, folder, epochs)
        said = process.communicate()[1].decode()
        assert process.returncode == 0, said
    (weights, state), (others, other) = (checkpoint.load(folder / LAST) for folder in (whole, broken))
    assert state["run"]["step"] == other["run"]["step"] and weights.keys() == others.keys()
    assert all(w.tobytes() == others[name].tobytes() for name, w in weights.items())
    assert sorted(p.name for p in broken.iterdir()) == sorted(p.name for p in whole.iterdir())
    print(f"60 kills, {steps} steps")


@POSIX
def test_a_run_goes_on_with_another_number_of_threads(tmp_path):
    states = []
    for counts in ((1, 1), (3, 1), (1, 2)):
        folder = tmp_path / "-".join(map(str, counts))
        for epochs, threads in zip((1, 2), counts):
            process = start(tmp_path, folder, epochs, "cpu", threads)
            said = process.communicate(timeout=500)[1].decode()
            assert process.returncode == 0, said
        states.append({name: w.tobytes() for name, w in checkpoint.load(folder / LAST)[0].items()})
    assert states[0] == states[1] == states[2]
