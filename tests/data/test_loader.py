"""The loader: equal batches for any number of workers, resuming within an epoch, broken files, termination."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from PIL import Image

from minidl.data import BrokenImageError, DataLoader, SegmentationFolder, workers, write_mask
from minidl.data import transforms as T


class Numbers:
    """Image i is full of i; so is its mask."""

    classes, ignore_index = ("a", "b"), 255

    def __init__(self, length=10, fail_at=None, broken=(), instances=False, sizes=None):
        self.length, self.fail_at, self.broken, self.instances, self.sizes = length, fail_at, broken, instances, sizes

    def __len__(self):
        return self.length

    def name(self, index):
        return f"file{index}.png"

    def __getitem__(self, index):
        if index == self.fail_at:
            raise ZeroDivisionError("deep inside")
        if index in self.broken:
            raise BrokenImageError(f"file{index}.png cannot be decoded as an image")
        H, W = (4, 6) if self.sizes is None else self.sizes[index]
        image, mask = np.full((H, W, 3), index, np.uint8), np.full((H, W), index % 2, np.uint8)
        if self.instances:
            return image, {"boxes": np.zeros((index, 4)), "labels": np.arange(index)}
        return image, mask


def noise(image, target, rng):
    """A transform that returns random numbers only."""
    return rng.random(image.shape, dtype=np.float32), target


class Modules:
    """Its image tells which of the named modules the process that reads it has loaded."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        loaded = [name in sys.modules for name in ("numpy", "numba", "scipy", "minidl")]
        return np.array(loaded, np.float32).reshape(1, 4, 1), np.zeros((1, 4), int)


class Dies(Numbers):
    def __getitem__(self, index):
        if index == 5:
            os._exit(7)
        return super().__getitem__(index)


class Unportable(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Raises(Numbers):
    def __getitem__(self, index):
        raise Unportable("this", "that")


def indices(loader):
    return [np.rint(images[:, 0, 0, 0] * 255).astype(int).tolist() for images, _ in loader]


def order(loader):
    return [index for batch in indices(loader) for index in batch]


def everything(loader):
    return b"".join(images.tobytes() + masks.tobytes() for images, masks in loader)


@pytest.fixture(autouse=True)
def no_process_is_left_behind():
    yield
    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not multiprocessing.active_children()


def test_batches_are_arrays_of_the_promised_kind():
    loader = DataLoader(Numbers(10), 4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3 and [len(images) for images, _ in batches] == [4, 4, 2]
    images, masks = batches[1]
    assert images.shape == (4, 3, 4, 6) and images.dtype == np.float32 and images.flags.c_contiguous
    assert masks.shape == (4, 4, 6) and masks.dtype == np.int64
    np.testing.assert_array_equal(images[2], np.full((3, 4, 6), np.float32(6) / np.float32(255)))
    assert len(DataLoader(Numbers(10), 4, drop_last=True)) == 2 == len(list(DataLoader(Numbers(10), 4, drop_last=True)))
    assert len(DataLoader(Numbers(8), 4)) == 2 and list(DataLoader(Numbers(0), 4)) == []


def test_floats_pass_unscaled_and_channels_move():
    image = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    (images, _) = next(iter(DataLoader([(image, np.zeros((2, 4), int))])))
    np.testing.assert_array_equal(images[0], image.transpose(2, 0, 1))


def test_to_float_changes_nothing_but_its_place():
    ds = Numbers(5)
    assert everything(DataLoader(ds, 2)) == everything(DataLoader(ds, 2, transform=T.ToFloat()))


def test_shuffling_is_by_seed_and_epoch():
    loader = DataLoader(Numbers(40), 7, shuffle=True, seed=3)
    first, second = order(loader), order(loader)
    assert sorted(first) == sorted(second) == list(range(40)) and first != second != list(range(40))
    loader.set_epoch(0)
    assert order(loader) == first
    assert order(DataLoader(Numbers(40), 5, shuffle=True, seed=3)) == first
    assert order(DataLoader(Numbers(40), 7, shuffle=True, seed=4)) != first


def test_chance_in_transforms_depends_on_seed_epoch_and_index():
    by_size = [DataLoader(Numbers(12), size, seed=1, transform=noise) for size in (12, 5)]
    whole, parts = (np.concatenate([images for images, _ in loader]) for loader in by_size)
    np.testing.assert_array_equal(whole, parts)
    assert len({image.tobytes() for image in whole}) == 12
    again = np.concatenate([images for images, _ in by_size[0]])  # the next epoch
    assert not np.isclose(again, whole).all(axis=(1, 2, 3)).any()
    shuffled = DataLoader(Numbers(12), 12, shuffle=True, seed=1, transform=noise)
    assert {i.tobytes() for images, _ in shuffled for i in images} == {i.tobytes() for i in whole}


def test_workers_give_the_same_batches_epoch_after_epoch():
    def loader(**options):
        return DataLoader(Numbers(23), 4, shuffle=True, seed=2, transform=noise, **options)

    expected, one, three = loader(), loader(num_workers=1, prefetch=1), loader(num_workers=3, prefetch=4)
    for _ in range(2):
        reference = everything(expected)
        assert everything(one) == reference
        assert everything(three) == reference
    assert len(multiprocessing.active_children()) == 4  # they stay for the next epoch
    one.close()
    three.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_state_continues_with_the_next_batch(workers):
    def loader():
        return DataLoader(Numbers(20), 3, shuffle=True, seed=5, transform=noise, num_workers=workers)

    whole = loader()
    batches = [images.tobytes() for _ in range(2) for images, _ in whole]  # two epochs of 7
    whole.close()
    first = loader()
    for number, _ in enumerate(first):
        if number == 3:
            state = first.state_dict()  # taken while the fourth batch is in hand
            break
    resumed = loader()
    resumed.load_state_dict(state)
    resumed.set_epoch(0)  # a training loop that names the epoch does not undo it
    rest = [images.tobytes() for _ in range(2) for images, _ in resumed]
    resumed.close()
    assert rest == batches[4:]


def test_states_at_the_end_of_an_epoch():
    loader = DataLoader(Numbers(6), 3)
    states = [loader.state_dict()] + [loader.state_dict() for _ in loader] + [loader.state_dict()]
    assert [(s["epoch"], s["batch"]) for s in states] == [(0, 0), (0, 1), (0, 2), (1, 0)]
    loader.load_state_dict(states[2])  # all batches done, the pass not yet ended
    assert list(loader) == [] and loader.epoch == 1


def test_a_pass_left_early_starts_over():
    loader = DataLoader(Numbers(9), 3)
    next(iter(loader))
    assert indices(loader) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]] and loader.epoch == 1


def test_a_state_of_another_arrangement_is_refused():
    state = DataLoader(Numbers(9), 3).state_dict()
    with pytest.raises(ValueError, match=r"'batch_size': 3.*this one has.*'batch_size': 4"):
        DataLoader(Numbers(9), 4).load_state_dict(state)
    with pytest.raises(ValueError, match="'length'"):
        DataLoader(Numbers(8), 3).load_state_dict(state)


def test_two_passes_at_once_do_not_mix():
    loader = DataLoader(Numbers(8), 2, num_workers=1)
    pairs = [(a[0].tobytes(), b[0].tobytes()) for a, b in zip(loader, loader)]
    assert len(pairs) == 4 and all(a == b for a, b in pairs) and len({a for a, _ in pairs}) == 4
    loader.close()


def test_instances_stay_lists():
    images, targets = next(iter(DataLoader(Numbers(3, instances=True, sizes=[(4, 5), (6, 7), (8, 9)]), 3)))
    assert [image.shape for image in images] == [(3, 4, 5), (3, 6, 7), (3, 8, 9)]
    assert [len(target["labels"]) for target in targets] == [0, 1, 2]


def test_different_sizes_are_refused_with_advice():
    with pytest.raises(ValueError, match=r"\(3, 4, 5\), \(3, 6, 7\).*add Resize or RandomCrop"):
        next(iter(DataLoader(Numbers(2, sizes=[(4, 5), (6, 7)]), 2)))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_with_traceback_and_file(workers):
    loader = DataLoader(Numbers(10, fail_at=7), 2, num_workers=workers)
    seen = []
    with pytest.raises(ZeroDivisionError, match="deep inside") as caught:
        for images, _ in loader:
            seen.append(len(images))
    notes = "\n".join(caught.value.__notes__)
    assert len(seen) == 3 and "while loading sample 7 (file7.png) in epoch 0" in notes
    if workers:
        assert "Traceback in worker process 1" in notes and "in __getitem__" in notes


def test_an_error_that_cannot_travel_is_told():
    with pytest.raises(RuntimeError, match="Unportable: this and that") as caught:
        list(DataLoader(Raises(4), 2, num_workers=1))
    assert "Traceback in worker process 0" in "\n".join(caught.value.__notes__)


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_files_stop_the_pass_unless_asked(workers):
    ds = Numbers(10, broken=(1, 4, 6, 7))
    with pytest.raises(BrokenImageError, match=r"file1\.png cannot be decoded"):
        list(DataLoader(ds, 2, num_workers=workers))
    loader = DataLoader(ds, 2, num_workers=workers, skip_broken=True)
    with pytest.warns(UserWarning, match=r"skipped sample \d \(file\d\.png\): file\d\.png cannot be") as told:
        batches = indices(loader)
    assert batches == [[0], [2, 3], [5], [8, 9]] and len(told) == 4  # 6 and 7 were a whole batch
    assert sorted(loader.skipped) == [1, 4, 6, 7]
    assert indices(loader) == batches  # no second warning, which would be an error here
    assert len(loader) == 5
    loader.close()


def test_skipping_hides_no_other_error():
    with pytest.raises(ZeroDivisionError):
        list(DataLoader(Numbers(4, fail_at=2), 2, skip_broken=True))


def test_a_real_broken_file(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(4):
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(tmp_path / "images" / f"{i}.png")
        write_mask(tmp_path / "masks" / f"{i}.png", np.zeros((4, 4), np.uint8))
    whole = (tmp_path / "masks" / "2.png").read_bytes()
    (tmp_path / "masks" / "2.png").write_bytes(whole[:40])
    ds = SegmentationFolder(tmp_path, classes=2)
    with pytest.raises(BrokenImageError, match=r"masks.2\.png") as caught:
        list(DataLoader(ds, 2))
    assert "while loading sample 2" in caught.value.__notes__[0]
    with pytest.warns(UserWarning, match=r"masks.2\.png"):
        assert indices(DataLoader(ds, 2, skip_broken=True)) == [[0, 1], [3]]


def test_workers_load_no_numba():
    images, _ = next(iter(DataLoader(Modules(), num_workers=1)))
    assert images[0, 0, 0].tolist() == [1, 0, 0, 1]


def test_leaving_early_stops_the_workers():
    for number, _ in enumerate(DataLoader(Numbers(100), 2, num_workers=2)):
        if number == 3:
            break
    assert not multiprocessing.active_children()


def test_workers_go_with_their_loader():
    loader = DataLoader(Numbers(4), 2, num_workers=2)
    list(loader)
    assert len(multiprocessing.active_children()) == 2
    del loader
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_reported():
    with pytest.raises(RuntimeError, match=r"worker process 0 died \(exit code 7\)"):
        list(DataLoader(Dies(10), 2, num_workers=2))


def test_what_cannot_travel_is_refused_before_a_worker_starts():
    with pytest.raises(TypeError, match=r"DataLoader\(num_workers=1\): .*cannot be pickled.*without lambdas"):
        list(DataLoader(Numbers(4), transform=lambda image, mask, rng: (image, mask), num_workers=1))


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"num_workers": -1}, {"prefetch": 0}, {"seed": -1}])
def test_wrong_settings_are_refused(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"DataLoader: .*{name} {value}"):
        DataLoader(Numbers(4), **options)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), int)])
def test_an_image_of_another_kind_is_refused(image):
    with pytest.raises(TypeError, match="needed H x W x C uint8 or float"):
        next(iter(DataLoader([(image, np.zeros((4, 4), int))])))


SCRIPT = """
    import os, sys, time
    from minidl.data import DataLoader, DigitScenes
    {guard}
        loader = DataLoader(DigitScenes(length=10**6, photographs=False), 8, num_workers=2)
        for number, batch in enumerate(loader):
            if number == 2:
                print("ready", *[p.pid for p in loader_processes()], flush=True)
            time.sleep(0.01)
"""
PROCESSES = "import multiprocessing\n    loader_processes = multiprocessing.active_children\n    {guard}"


def start(tmp_path, guard='if __name__ == "__main__":'):
    pytest.importorskip("sklearn")
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.replace("{guard}", PROCESSES).replace("{guard}", guard)))
    return subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc to see which processes live")
@pytest.mark.parametrize("how", ["interrupt", "kill"])
def test_no_worker_survives_ctrl_c_or_a_killed_parent(tmp_path, how):
    process = start(tmp_path)
    try:
        workers = [int(pid) for pid in process.stdout.readline().split()[1:]]
        assert len(workers) == 2 and all(map(is_alive, workers))
        if how == "interrupt":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        else:
            process.kill()
        _, errors = process.communicate(timeout=20)
        if how == "interrupt":
            assert process.returncode in (-signal.SIGINT, 130, 1)
            assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")
        deadline = time.monotonic() + 10
        while any(map(is_alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(map(is_alive, workers))
    finally:
        process.kill()
        process.communicate()


def test_a_script_without_main_guard_is_told_what_to_do(tmp_path):
    process = start(tmp_path, guard="if True:")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and 'put a script\'s code under `if __name__ == "__main__":`' in errors


class Stopping:
    """A data set whose worker stops itself, as a debugger or Ctrl-Z would."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGSTOP)
        return np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint8)


@pytest.mark.skipif(os.name != "posix", reason="SIGSTOP of POSIX systems")
def test_a_stopped_worker_is_named_and_given_up(monkeypatch, capsys):
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    monkeypatch.setattr(workers, "MAX_WAITS", 4)
    with pytest.raises(RuntimeError, match="worker process 0 has not answered for 2 s"):
        list(DataLoader(Stopping(), num_workers=1))
    assert "worker process 0 has not answered for 0.5 s" in capsys.readouterr().err
