"""Training on several MPI ranks: the same as on one process; and what happens when a rank fails."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ranks_train

from minidl import distributed
from minidl.backend.ranks import ALONE, Ranks
from minidl.data import DataLoader
from minidl.train import checkpoint

pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install minidl[mpi]")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec: pip install minidl[mpi]")
HELPERS = Path(ranks_train.__file__).parent


def start(ranks, program, *arguments):
    """Start `program` of tests/helpers on so many ranks."""
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    environment |= {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [MPIEXEC, "-n", str(ranks), sys.executable, str(HELPERS / program), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process, seconds=240):
    """The output of a program that must succeed."""
    output, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, output
    return output


def result(folder):
    with np.load(folder / "result.npz") as file:
        return dict(file)


@pytest.mark.parametrize("ranks", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_functions_of_all_ranks(ranks):
    """Batch norm, the collectives and the averaged gradients agree with one process; see the program."""
    output = finish(start(ranks, "ranks_program.py", "collected", "normalised", "averaged", "mixed"))
    assert output.count("fine") == ranks


@pytest.mark.parametrize("several", [(3,), pytest.param((2, 4), marks=pytest.mark.slow)])
def test_fifty_steps_are_those_of_one_process(tmp_path, several):
    """Losses and weights to 1e-5 relative with 1 to 4 ranks, batches of 5 images that no number divides."""
    for ranks in (1, *several):
        finish(start(ranks, "ranks_train.py", tmp_path / str(ranks)))
    one = result(tmp_path / "1")
    assert len(one["losses"]) == 50 and one["losses"][-1] < one["losses"][0] / 4
    for ranks in several:
        for name, array in result(tmp_path / str(ranks)).items():
            np.testing.assert_allclose(array, one[name], rtol=1e-5, atol=1e-5 * np.abs(one[name]).max(), err_msg=name)
        files = {path.name for path in (tmp_path / str(ranks)).iterdir()}
        assert files == {"last.safetensors", "best.safetensors", "log.csv", "result.npz"}


@pytest.mark.slow
def test_adamw_differs_by_rounding_alone(tmp_path):
    """Adam makes a full step of a gradient that is nothing but rounding, so float32 may differ; float64 must not."""
    for ranks in (1, 2, 3):
        finish(start(ranks, "ranks_train.py", tmp_path / str(ranks), "--adamw"))
    for ranks in (2, 3):
        for name, array in result(tmp_path / "1").items():
            np.testing.assert_allclose(result(tmp_path / str(ranks))[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_a_run_is_repeatable_and_goes_on_with_any_number_of_ranks(tmp_path):
    for name in ("a", "b"):
        finish(start(3, "ranks_train.py", tmp_path / name))
    for name, array in result(tmp_path / "a").items():
        np.testing.assert_array_equal(array, result(tmp_path / "b")[name], err_msg=name)
    finish(start(3, "ranks_train.py", tmp_path / "half", "--epochs", 5))
    for ranks in (1, 2, 3, 4):
        shutil.copytree(tmp_path / "half", tmp_path / f"on{ranks}")
        finish(start(ranks, "ranks_train.py", tmp_path / f"on{ranks}", "--resume"))
        for name, array in result(tmp_path / "a").items():
            array = array[25:] if name == "losses" else array
            tolerance = 0 if ranks == 3 else 1e-5 * np.abs(array).max()
            np.testing.assert_allclose(
                result(tmp_path / f"on{ranks}")[name], array, rtol=0, atol=tolerance, err_msg=name
            )


def ranks_of(process):
    """The process ids of the ranks, by rank."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = dict(v.split("=", 1) for v in (entry / "environ").read_text().split("\0") if "=" in v)
            command = (entry / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        parent = variables.get("PMIX_SERVER_URI41", "") + variables.get("PMIX_NAMESPACE", "")
        if "ranks_train" in command and f"-{process.pid}@" in parent and "OMPI_COMM_WORLD_RANK" in variables:
            found[int(variables["OMPI_COMM_WORLD_RANK"])] = int(entry.name)
    return found


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the ranks in /proc")
@pytest.mark.parametrize(
    ("blow", "says"),
    [pytest.param(signal.SIGKILL, r"rank 1", marks=pytest.mark.slow), (signal.SIGSTOP, r"rank 1 of 2 hangs")],
)
def test_the_others_end_when_a_rank_dies_or_stops(tmp_path, blow, says):
    process = start(2, "ranks_train.py", tmp_path, "--epochs", 100000, "--save-every", 0)
    wait_for(lambda: (tmp_path / "log.csv").exists())
    os.kill(ranks_of(process)[1], blow)
    struck = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - struck < 10 and process.returncode != 0
    assert re.search(says, output), output
    checkpoint.load(tmp_path / "last.safetensors")


@pytest.mark.parametrize(
    ("sick", "says"),
    [
        pytest.param("hang", "rank . of 2 hangs", marks=pytest.mark.slow),
        pytest.param("full", "No space left on device", marks=pytest.mark.slow),
        ("disk", r"rank 0 of 2:(.*\n)*.*File too large"),
    ],
)
def test_a_rank_that_waits_for_ever_or_fails_is_named(tmp_path, sick, says):
    process = start(2, "ranks_train.py", tmp_path, "--sick", sick)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0 and re.search(says, output) and "rank" in output, output
    checkpoint.load(tmp_path / "last.safetensors")
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*"))


def written(folder):
    """When the checkpoint was written, 0 where there is none."""
    path = folder / "last.safetensors"
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the ranks in /proc")
@pytest.mark.parametrize("seed", range(3))
def test_ten_kills(tmp_path, seed):
    """A rank is killed at 10 random moments; each time the others end, the checkpoint is whole, and 1 to 3 ranks go on."""
    draw, folder, step, steps = random.Random(seed), tmp_path / "run", -1, []
    for kill in range(10):
        count = draw.choice((2, 3))
        resume = ["--resume"] if (folder / "last.safetensors").exists() else []
        process = start(count, "ranks_train.py", folder, "--epochs", 100000, "--save-every", 0, *resume)
        before = written(folder)
        wait_for(lambda before=before: written(folder) > before)
        time.sleep(draw.uniform(0, 0.5))
        os.kill(ranks_of(process)[draw.randrange(count)], signal.SIGKILL)
        struck = time.monotonic()
        process.communicate(timeout=60)
        assert time.monotonic() - struck < 10, kill
        _, state = checkpoint.load(folder / "last.safetensors")
        assert state["run"]["step"] >= step
        step = state["run"]["step"]
        steps.append(step)
    assert step > 0, steps
    finish(start(1, "ranks_train.py", folder, "--resume", "--epochs", state["run"]["epoch"] + 1))


class Numbers:
    """Images whose only content is their index."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return np.full((1, 1, 1), index, np.float32), np.zeros((1, 1), np.int64)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("count", "batch", "size"), [(10, 4, 3), (7, 7, 4), (5, 2, 4), (1, 3, 2), (12, 4, 1)])
def test_every_image_is_on_one_rank(count, batch, size, whole):
    parts = []
    for rank in range(size):
        ranks = Ranks()
        ranks.rank, ranks.size = rank, size
        loader = DataLoader(Numbers(count), batch, shuffle=True, seed=4)
        loader.share(ranks, whole)
        parts.append([images.ravel() for images, _ in loader])
    assert sorted(int(v) for part in parts for images in part for v in images) == list(range(count))
    if not whole:  # ranks stay in step, and their parts side by side are the batches of one process
        alone = [images.ravel() for images, _ in DataLoader(Numbers(count), batch, shuffle=True, seed=4)]
        together = [np.concatenate(images) for images in zip(*parts, strict=True)]
        np.testing.assert_array_equal(np.concatenate(together), np.concatenate(alone))
        assert list(map(len, together)) == list(map(len, alone))


def test_one_process_is_left_as_it_is():
    net = ranks_train.network()
    assert distributed.wrap(net, ALONE) is net
    assert not any(p.node.hooks for p in net.parameters())
