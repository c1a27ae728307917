"""The cache of compiled code: damaged entries and entries that others can write are not used; it works without a disk."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time

import pytest
from faults import PowerCut, failing, small_disk
from minidl.kernels import cache
from minidl.kernels.cache import Cache
from minidl.kernels.cpu.runtime import disk_cache

TEXT = """
from minidl.kernels.cpu.runtime.jit import njit

@njit(cache=True)
def twice(x):
    return 2 * x
"""
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners of POSIX systems")


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that gives `twice` as a new process would have it: nothing compiled, the disk as it is."""
    file = tmp_path / "module.py"
    file.write_text(TEXT)
    monkeypatch.setattr(disk_cache, "disk", lambda: Cache(tmp_path / "cache" / "kernels", "NUMBA_CACHE_DIR"))
    monkeypatch.setattr(cache, "said", {})

    def fresh():
        spec = importlib.util.spec_from_file_location("module", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.twice

    return fresh


def hits(kernel, argument=21):
    """Whether the kernel came from the disk; its answer must be right either way."""
    assert kernel(argument) == 2 * argument
    return sum(kernel.stats.cache_hits.values())


def entry(tmp_path):
    (path,) = (tmp_path / "cache" / "kernels").iterdir()
    return path


def test_compiled_once(tmp_path, kernel, capfd):
    assert not (tmp_path / "cache").exists()
    assert [hits(kernel()) for _ in range(3)] == [0, 1, 1] and not cache.said
    if os.name == "posix":
        assert [p.stat().st_mode & 0o777 for p in (tmp_path / "cache", tmp_path / "cache" / "kernels")] == [0o700] * 2
        assert entry(tmp_path).stat().st_mode & 0o777 == 0o600
    assert hits(kernel(), 2.5) == 0 and len(list((tmp_path / "cache" / "kernels").iterdir())) == 2  # another signature


@pytest.mark.parametrize(
    "kind", ["empty", "truncated", "a bit of the code", "a bit of the digest", "text", "of another key"]
)
def test_a_damaged_or_foreign_entry_is_deleted_and_compiled_again_with_one_line(tmp_path, kernel, capfd, kind):
    hits(kernel())
    path = entry(tmp_path)
    good = path.read_bytes()
    if kind == "of another key":
        code = good[: -cache.TRAILER]
        path.write_bytes(code + cache._trailer(b"another", code))
    else:
        flipped = {"a bit of the code": len(good) // 2, "a bit of the digest": len(good) - 1}.get(kind, 0)
        bad = {"empty": b"", "truncated": good[:-1], "text": b"hello" * 100}
        path.write_bytes(bad.get(kind, good[:flipped] + bytes([good[flipped] ^ 1]) + good[flipped + 1 :]))
    assert hits(kernel()) == 0
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and path.name in said and "compiling again" in said
    assert path.exists() and hits(kernel()) == 1 and not capfd.readouterr().err


def test_every_flipped_byte_is_noticed(tmp_path):
    kept = Cache(tmp_path, "X")
    path = kept.store("a", b"key", ".bin", b"0123456789")
    good = path.read_bytes()
    for k in range(len(good)):
        path.write_bytes(good[:k] + bytes([good[k] ^ 64]) + good[k + 1 :])
        assert kept.load("a", b"key", ".bin") is None and not path.exists()
    for k in range(len(good)):
        path.write_bytes(good[:k])
        assert kept.load("a", b"key", ".bin") is None
    path.write_bytes(good)
    assert kept.load("a", b"key", ".bin") == b"0123456789"


@POSIX
@pytest.mark.parametrize("place", ["file", "folder"])
@pytest.mark.parametrize("fault", ["can be written by others", "belongs to another user"])
def test_what_others_can_write_is_not_loaded(tmp_path, kernel, capfd, monkeypatch, place, fault):
    hits(kernel())
    path = entry(tmp_path) if place == "file" else entry(tmp_path).parent
    before = path.stat()
    if fault == "can be written by others":
        path.chmod(before.st_mode | 0o020)
    elif os.geteuid() == 0:
        os.chown(path, 4242, before.st_gid)
    else:
        monkeypatch.setattr(os, "getuid", lambda: before.st_uid + 1)
    assert hits(kernel()) == 0
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and f"{path} {fault}" in said and "NUMBA_CACHE_DIR" in said


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_where_nothing_can_be_kept_one_line_says_so_and_work_goes_on(tmp_path, kernel, capfd, monkeypatch, call):
    with failing(monkeypatch, call):
        for argument in (21, 2.5):
            assert hits(kernel(), argument) == 0
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "cannot be kept" in said and str(tmp_path / "cache" / "kernels") in said
    assert not list((tmp_path / "cache" / "kernels").iterdir())


def test_a_full_disk(tmp_path, kernel, capfd):
    with small_disk(tmp_path / "cache", 4096):
        assert hits(kernel()) == 0 and hits(kernel()) == 0
    assert "No space left" in capfd.readouterr().err


def test_a_file_where_the_folder_should_be(tmp_path, kernel, capfd):
    (tmp_path / "cache").write_text("")
    assert hits(kernel()) == 0
    said = capfd.readouterr().err
    assert said.count("\n") <= 2 and "cannot be kept" in said


def test_other_states_go_after_three_months_without_use(tmp_path):
    kept = Cache(tmp_path, "X")
    paths = [kept.store("a", key, ".bin", b"code") for key in (b"1", b"2")] + [kept.store("b", b"1", ".bin", b"code")]
    long_ago = time.time() - cache.UNUSED - 1
    for path in (paths[0], paths[2]):
        os.utime(path, (long_ago, long_ago))
    last = kept.store("a", b"3", ".bin", b"code")
    assert sorted(tmp_path.iterdir()) == sorted([paths[1], paths[2], last])


def test_a_power_cut_leaves_whole_entries_or_none(tmp_path, kernel):
    folder = tmp_path / "cache" / "kernels"
    folder.mkdir(parents=True, mode=0o700)
    cut = PowerCut(folder)
    for argument in (1, 2.5, 1j):
        kernel()(argument)
    cut.stop()
    for number, _ in enumerate(cut.moments):
        cut.restore(number)
        for argument in (1, 2.5, 1j):
            hits(kernel(), argument)
    assert len(cut.moments) >= 9 and not cache.said  # no damage was met: nothing of an entry is there before all of it


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")
@pytest.mark.skipif(os.name != "posix", reason="cudasim runs on Linux and macOS")
def test_a_damaged_library_of_the_simulator_is_compiled_again(tmp_path):
    code = (
        "import numpy as np; from minidl import backend\nwith backend.use('cudasim'):\n"
        "    from minidl.kernels import cuda; print(cuda.relu(np.array([-1.0, 2.0], np.float32)).tolist())"
    )
    environment = os.environ | {"MINIDL_CUDASIM_CACHE": str(tmp_path / "cache")}

    def run():
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stdout) == (0, "[0.0, 2.0]\n"), done.stderr
        return done.stderr

    assert run() == ""
    for library in (tmp_path / "cache").iterdir():
        content = bytearray(library.read_bytes())
        content[len(content) // 3 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 3)
        library.write_bytes(content)
    assert run().count("\n") == 1
    assert run() == ""
    (tmp_path / "cache").chmod(0o777)
    said = run()
    assert said.count("\n") == 1 and "can be written by others" in said
