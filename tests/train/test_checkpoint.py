"""Checkpoints: exact round trip, atomic files, and errors that name other files."""

import json
import subprocess
import sys

import numpy as np
import pytest
from faults import failing
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minidl import nn, tensor
from minidl.train import checkpoint
from minidl.train.checkpoint import CheckpointError

DTYPES = [np.float32, np.float64, np.int64, np.uint8, np.bool_]
arrays = st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_side=3, min_side=0)))
leaves = st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.floats(allow_nan=False) | st.text() | arrays
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text())
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(tree=trees)
@settings(deadline=None, max_examples=80)
def test_any_tree_comes_back(tree):
    arrays = {}
    text = json.dumps(checkpoint.pack(tree, arrays, "@state"))
    assert same(checkpoint.unpack(json.loads(text), arrays), tree)


def test_trees_and_dtypes_survive_the_file(tmp_path):
    values = [np.arange(3).astype(d) for d in DTYPES]
    tree = {"a": values, 3: (1, 2.5, None, -np.inf, 2**127), "empty": np.zeros((0, 2)), "scalar": np.float32(0.1)}
    checkpoint.save(tmp_path / "c", {f"w{k}": v for k, v in enumerate(values)}, state=tree, config=None)
    weights, branches = checkpoint.load(tmp_path / "c")
    assert len(weights) == len(values) and all(same(weights[f"w{k}"], v) for k, v in enumerate(values))
    assert same(branches["state"], tree | {"scalar": np.array(0.1, np.float32)}) and branches["config"] is None


def test_weights_are_plain_safetensors_and_keep_their_order_in_memory(tmp_path):
    from safetensors.numpy import load_file

    w = np.arange(6.0).reshape(2, 3)
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"a": np.asfortranarray(w), "b": w[:, ::-1], "c": tensor([1.0, 2.0]), "d": np.float64(3)})
    expected = {"a": w, "b": w[:, ::-1], "c": np.array([1, 2], np.float32), "d": np.array(3.0)}
    for read in (load_file(path), checkpoint.load(path)[0]):
        assert all(np.array_equal(read[k], expected[k]) and read[k].dtype == expected[k].dtype for k in expected)
    checkpoint.load(path)[0]["a"][0, 0] = 5  # what was loaded can be written to


def test_foreign_safetensors_have_weights_and_no_branches(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.ones(2)}, tmp_path / "f.safetensors", {"format": "pt", "note": "not JSON"})
    weights, branches = checkpoint.load(tmp_path / "f.safetensors")
    assert list(weights) == ["w"] and branches == {}


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1])
def test_truncated(tmp_path, kept):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"w": np.ones(100)}, state={"a": np.zeros(10)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"c\.safetensors is truncated"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "content, kind",
    [
        (b"PK\x03\x04" + b"x" * 50, "zip"),
        (b"\x80\x02}q\x00x\x01\x00\x00\x00", "pickle"),
        (b"\x89PNG\r\n\x1a\n....", "PNG"),
    ],
)
def test_foreign_files_are_named(tmp_path, content, kind):
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=kind):
        checkpoint.load(path)


def test_metadata_that_is_not_ours_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.ones(2)}, tmp_path / "c.safetensors", {"format": "minidl", "state": '{"$array": "gone"}'})
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(tmp_path / "c.safetensors")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "none.safetensors")
    with pytest.raises(IsADirectoryError):
        checkpoint.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        checkpoint.save(tmp_path / "no" / "folder.safetensors", {"w": np.ones(1)})


def test_what_cannot_be_kept_is_refused(tmp_path):
    with pytest.raises(TypeError, match="state holds a set"):
        checkpoint.save(tmp_path / "c", {}, state={"a": {1, 2}})
    with pytest.raises(ValueError, match="'@'"):
        checkpoint.save(tmp_path / "c", {"@a": np.ones(1)})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, {"w": np.ones(3)})
    with failing(monkeypatch, "fsync"), pytest.raises(OSError, match=r"c\.safetensors"):
        checkpoint.save(path, {"w": np.zeros(3)})
    assert np.array_equal(checkpoint.load(path)[0]["w"], np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    pytest.importorskip("resource", reason="file size limits exist on POSIX systems only")
    code = f"""
import numpy as np, resource
from minidl import checkpoint
checkpoint.save({str(tmp_path / "c")!r}, {{"w": np.ones(10)}})
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
checkpoint.save({str(tmp_path / "c")!r}, {{"w": np.zeros(100_000)}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "OSError" in done.stderr
    assert f"File too large: '{tmp_path / 'c'}'" in done.stderr
    assert np.array_equal(checkpoint.load(tmp_path / "c")[0]["w"], np.ones(10))
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "c")
    checkpoint.save(tmp_path / "link", {"w": np.ones(1)})
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "c").is_file()


def test_another_architecture(tmp_path):
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, nn.Conv2d(3, 4, 3).state_dict())
    with pytest.raises(CheckpointError, match=r"c\.safetensors is not of this Conv2d: misshapen: weight"):
        checkpoint.load_weights(nn.Conv2d(3, 5, 3), path)
    model = nn.Conv2d(3, 4, 3)
    assert checkpoint.load_weights(model, path) == {}
    assert np.array_equal(model.weight.data, checkpoint.load(path)[0]["weight"])
