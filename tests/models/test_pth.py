"""PyTorch's checkpoints read without PyTorch: every kind of tensor, nested and prefixed names, and nothing executed."""

import os
import pickle
import random
import zipfile

import numpy as np
import pytest

from minidl import models
from minidl.models.weights import load_weights, open_weights, read_pth, read_weights
from minidl.models.weights.names import differences, find_state_dict, without_prefixes
from minidl.train import checkpoint
from minidl.train.checkpoint import CheckpointError

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(torch, tree, path, zipped=True):
    torch.save(tree, path, _use_new_zipfile_serialization=zipped)
    return path


@FORMATS
def test_every_kind_of_tensor(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    a = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    tensors = {
        "whole": a, "transposed": a.t(), "strided": a[1:3, ::2], "half": a.half(), "brain": a.bfloat16(), "double": a.double(),
        "long": torch.arange(5), "bool": torch.tensor([True, False]), "byte": torch.arange(3, dtype=torch.uint8),
        "empty": torch.empty(0, 3), "scalar": torch.tensor(3.5), "parameter": torch.nn.Parameter(a.clone()),
        "unsigned": torch.arange(3).to(torch.uint16),
    }  # fmt: skip
    rest = {"epoch": 3, "betas": (0.9, 0.99), "none": None, "large": 1 << 70, "size": torch.Size([1, 2]), "on": True}
    tree = read_pth(save(torch, {"model": tensors, "rest": rest}, tmp_path / "a.pth", zipped))
    assert tree["rest"] == rest
    for name, tensor in tensors.items():
        expected = tensor.detach().float() if name == "brain" else tensor.detach()
        assert tree["model"][name].dtype == expected.numpy().dtype and tree["model"][name].flags.writeable
        np.testing.assert_array_equal(tree["model"][name], expected.numpy(), err_msg=name)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@FORMATS
def test_nothing_is_executed(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    trap = tmp_path / "executed"
    path = save(torch, {"state_dict": {"w": torch.ones(2)}, "extra": Hostile(trap)}, tmp_path / "a.pth", zipped)
    with pytest.raises(CheckpointError, match=r"a\.pth .* refers to (posix|nt)\.system, which is not in the list"):
        read_weights(path)
    path = save(torch, torch.nn.Linear(2, 2), tmp_path / "module.pth", zipped)
    with pytest.raises(CheckpointError, match=r"holds a whole Linear.*save model\.state_dict\(\)"):
        read_weights(path)
    assert not trap.exists()


def hostile_zip(path, description, storages=()):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", description)
        for key, content in storages:
            archive.writestr(f"x/data/{key}", content)
    return path


def rebuilt(size, stride, count, offset=0):
    """The pickle of one tensor, written by hand: what PyTorch would write for these numbers."""

    class Storage:
        pass

    class Tensor:
        def __reduce__(self):
            return rebuild, (Storage(), offset, size, stride, False, None)

    def rebuild(*args):
        raise AssertionError

    import io
    import sys
    import types

    module = types.ModuleType("torch._utils")
    module._rebuild_tensor_v2 = rebuild
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    torch = types.ModuleType("torch")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    kept = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": module}
    try:

        class Pickler(pickle.Pickler):
            def persistent_id(self, value):
                return ("storage", torch.FloatStorage, "0", "cpu", count) if isinstance(value, Storage) else None

        out = io.BytesIO()
        Pickler(out, protocol=2).dump({"w": Tensor()})
    finally:
        for name, before in kept.items():
            sys.modules.pop(name) if before is None else sys.modules.__setitem__(name, before)
    return out.getvalue()


@pytest.mark.parametrize(
    ("size", "stride", "count", "offset", "message"),
    [
        ((1 << 40,), (0,), 4, 0, "would take"),  # one number that claims to be a million million
        ((100,), (1,), 4, 0, "beyond its storage"),
        ((2,), (1,), 4, 3, "beyond its storage"),
        ((-1,), (1,), 4, 0, "a tensor of size"),
        ((2, 2), (1,), 4, 0, "a tensor of size"),
        ((4,), (1,), 1 << 50, 0, "more bytes than the file"),
    ],
)
def test_sizes_are_bounded_by_the_file(tmp_path, size, stride, count, offset, message):
    path = hostile_zip(tmp_path / "a.pth", rebuilt(size, stride, count, offset), [("0", bytes(16))])
    with pytest.raises(CheckpointError, match=message):
        read_pth(path)


def test_a_tensor_of_our_own_pickle_is_read(tmp_path):
    path = hostile_zip(tmp_path / "a.pth", rebuilt((2, 2), (1, 2), 4), [("0", np.arange(4, dtype="<f4").tobytes())])
    np.testing.assert_array_equal(read_pth(path)["w"], [[0, 2], [1, 3]])


def test_other_zip_archives_and_pickles(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    with pytest.raises(CheckpointError, match=r"without a data\.pkl"):
        read_pth(tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(100_000))
    with pytest.raises(CheckpointError, match="compressed"):
        read_pth(tmp_path / "b.pth")
    (tmp_path / "c.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    with pytest.raises(CheckpointError, match="not one of PyTorch's checkpoints"):
        read_pth(tmp_path / "c.pth")


@FORMATS
def test_mutated_files_are_read_or_refused(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    whole = save(
        torch, {"state_dict": {"w": torch.ones(8, 8), "b": torch.zeros(8)}}, tmp_path / "a.pth", zipped
    ).read_bytes()
    draw = random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / "b.pth").write_bytes(bytes(content[: draw.choice([len(content), draw.randrange(len(content))])]))
        try:
            read_weights(tmp_path / "b.pth")
        except CheckpointError as error:
            assert "b.pth" in str(error)
            refused += 1
    assert refused > 150


def test_weights_are_found_where_training_scripts_put_them():
    w = np.ones(2)
    for branch in ("state_dict", "model", "model_state", "ema"):
        arrays, said = find_state_dict({branch: {"a.weight": w}, "epoch": 3})
        assert list(arrays) == ["a.weight"] and branch in said[0]
    assert find_state_dict({"ema": {"state_dict": {"a": w}}, "model": {"a": 2 * w}})[0]["a"] is w
    assert find_state_dict({"optimizer": {"state": {0: {"m": w}}}}) == ({}, []) == find_state_dict([w])
    for prefix in ("module.", "model.", "_orig_mod.", "net.", "model._orig_mod.", "module.model."):
        arrays, said = without_prefixes({f"{prefix}a": w, f"{prefix}b": w}, ["a", "b"])
        assert set(arrays) == {"a", "b"} and repr(prefix) in said[0]
    assert without_prefixes({"model.a": w}, ["model.a"])[0].keys() == {"model.a"}
    assert without_prefixes({"model.a": w, "b": w}, ["a", "b"])[0].keys() == {"model.a", "b"}


def test_names_that_differ_stand_side_by_side_with_the_nearest():
    text = differences(
        {"head.weight": (2, 3), "stem.bias": (4,)}, {"heads.weight": (2, 3), "stem.bias": (5,), "z": (1,)}
    )
    assert "1 missing, 2 unexpected, 1 of another shape" in text
    assert "head.weight (2, 3)" in text and "heads.weight (2, 3)?" in text and "(5,)" in text


@pytest.mark.parametrize("kind", ["pth", "prefixed bf16 safetensors"])
def test_a_fine_tune_of_two_classes_opens_without_saying_so(tmp_path, kind):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    own = models.deeplabv3_resnet50(2, aux_loss=True)
    state = {name: torch.from_numpy(np.array(t.data)) for name, t in own.state_dict().items()}
    if kind == "pth":
        path = save(torch, {"model": state, "epoch": 1}, tmp_path / "a.pth")
    else:
        path = tmp_path / "a.safetensors"
        save_file({f"module.{name}": t.bfloat16() if t.is_floating_point() else t for name, t in state.items()}, path)
    opened = open_weights(path)
    model, config = opened.model, opened.config
    assert "recognised as deeplabv3_resnet50" in opened.said
    assert model.num_classes == 2 and config["classes"] == ["class 0", "class 1"] and len(config["colors"]) == 2
    for name, tensor in model.state_dict().items():
        expected = state[name].bfloat16().float() if kind != "pth" and state[name].is_floating_point() else state[name]
        np.testing.assert_array_equal(tensor.data, expected.numpy())


def test_weights_that_are_no_numbers_of_a_network_are_refused(tmp_path):
    model = models.unet_small(3)
    state = {name: tensor.data for name, tensor in model.state_dict().items()}
    first = next(iter(state))
    checkpoint.save(tmp_path / "a.safetensors", state | {first: state[first].astype(np.int64)})
    with pytest.raises(CheckpointError, match=f"{first} holds int64"):
        load_weights(model, tmp_path / "a.safetensors")


def laughing(depth=60):
    """Opcodes that leave a tuple of two references to a tuple of two references to ...: 2^depth elements when followed."""
    return b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (k, k, k + 1) for k in range(depth))


def plain_pickle(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


def nested(depth):
    return b"]" * depth + b"a" * (depth - 1)


@pytest.mark.parametrize(
    "description",
    [
        plain_pickle(b"}", laughing(), b"K\x01s"),  # as a key
        plain_pickle(b"\x8f(", laughing(), b"\x90"),  # in a set
        plain_pickle(laughing(), b"Q"),  # as the identity of a storage
        plain_pickle(b"ctorch._utils\n_rebuild_tensor_v2\n(N", laughing(), b"))tR"),
        plain_pickle(b"ccollections\nOrderedDict\n]", laughing(), b"K\x01\x86a\x85R"),
        plain_pickle(b"\x8e" + (1 << 60).to_bytes(8, "little"), b"abc"),  # bytes of a length that the file has not
        plain_pickle(b"B" + (0xFFFFFFF0).to_bytes(4, "little"), b"abc"),
        plain_pickle(b"\x8d" + (1 << 60).to_bytes(8, "little"), b"abc"),
        plain_pickle(b"\x8b" + (0x7FFFFFF0).to_bytes(4, "little"), b"abc"),
        plain_pickle(b"L" + b"9" * 10_000, b"L\n"),
        plain_pickle(nested(200_000)),
        plain_pickle(b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R"),
        plain_pickle(b"i__builtin__\nexec\n"),
        plain_pickle(b"(K\x01o"),
        plain_pickle(b"\x82\x01"),  # an extension code
        plain_pickle(b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93X\x01\x00\x00\x00a\x85R"),
    ],
    ids=lambda d: d[2:14].hex(),
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_hostile_descriptions_end_at_once(tmp_path, description, zipped):
    """Neither time nor memory grows beyond the file: what would unfold to 2^60 elements is refused, or never unfolded."""
    import tracemalloc

    path = tmp_path / "a.pth"
    if zipped:
        hostile_zip(path, description)
    else:
        magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
        path.write_bytes(magic + pickle.dumps(1001, protocol=2) + pickle.dumps({}, protocol=2) + description)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r"a\.pth"):
            read_weights(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000 + 300 * path.stat().st_size


def test_members_larger_than_their_storages(tmp_path):
    """A member that is larger than its storage: no more is read than the tensors need, however many such members there are."""
    import tracemalloc

    path = hostile_zip(tmp_path / "a.pth", rebuilt((4,), (1,), 4), [("0", bytes(1_000_000))])
    tracemalloc.start()
    try:
        tree = read_pth(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tree["w"].shape == (4,) and peak < 500_000


def test_a_safetensors_header_of_640_bytes_is_no_pickle(tmp_path):
    """Its length is written as 80 02 00 ..., as a pickle of protocol 2 begins."""
    from safetensors.numpy import save as pack

    for length in (640, 896, 1152, 1408):  # 0x280, 0x380, ...: all protocols of pickle
        content = next(
            c
            for pad in range(1500)
            if (c := pack({"w": np.ones(3)}, {"note": "x" * pad}))[:8] == length.to_bytes(8, "little")
        )
        (tmp_path / "w.safetensors").write_bytes(content)
        assert list(read_weights(tmp_path / "w.safetensors")[0]) == ["w"]


@FORMATS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle(tmp_path, zipped, protocol):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    tree = {"state_dict": {"a.weight": torch.ones(2, 3)}, "epoch": 4, "classes": ["Straße", "空"]}
    torch.save(tree, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    assert read_pth(path)["classes"] == tree["classes"]
    np.testing.assert_array_equal(read_weights(path)[0]["a.weight"], np.ones((2, 3)))
