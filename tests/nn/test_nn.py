"""Modules: names, hooks, saving; and every layer against PyTorch's of the same name."""

import copy
import pickle
import re
from collections import OrderedDict

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import nn


def image(*shape, seed=0):
    return minidl.tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.head = nn.Conv2d(3, 1, 1)
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.register_buffer("seen", minidl.tensor(0))
        self.register_buffer("scratch", minidl.tensor(0.0), persistent=False)

    def forward(self, x):
        return self.head(self.body(x)) * self.scale


def test_names_are_found_in_order():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.weight", "head.bias",
    ]  # fmt: skip
    running = ["body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked"]
    assert [n for n, _ in net.named_buffers()] == ["seen", "scratch", *running]
    assert [n for n, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2", "head"]
    assert [n for n, _ in net.named_children()] == ["body", "head"]
    assert "scratch" not in net.state_dict() and "seen" in net.state_dict()
    assert net.get_submodule("body.1") is net.body[1]
    with pytest.raises(AttributeError, match=r"no module 'x' \(of 'body.x'\)"):
        net.get_submodule("body.x")
    assert {"scale", "body", "seen"} <= set(dir(net))


def test_shared_parameters_are_counted_once_and_saved_twice():
    a = nn.Linear(2, 2)
    net = nn.ModuleDict({"a": a, "b": nn.Linear(2, 2)})
    net["b"].weight = a.weight
    assert [n for n, _ in net.named_parameters()] == ["a.weight", "a.bias", "b.bias"]
    assert list(net.state_dict()) == ["a.weight", "a.bias", "b.weight", "b.bias"]


def test_attributes_move_between_registries():
    net = Net()
    net.extra = 1
    net.extra = nn.Parameter(np.zeros(2))
    assert "extra" in dict(net.named_parameters()) and "extra" not in net.__dict__
    net.extra = nn.Identity()
    assert "extra" in dict(net.named_children()) and "extra" not in dict(net.named_parameters())
    del net.extra
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'extra'"):
        net.extra  # noqa: B018
    with pytest.raises(TypeError, match="'scale' must stay a Parameter or None, not int"):
        net.scale = 3
    with pytest.raises(TypeError, match="'seen' must stay a Tensor or None, not float"):
        net.seen = 3.0
    net.scale = None
    assert net.scale is None and "scale" not in net.state_dict()
    with pytest.raises(ValueError, match=r"'a\.b' cannot be a name"):
        net.add_module("a.b", nn.Identity())
    with pytest.raises(ValueError, match="attribute 'forward' exists already"):
        net.register_buffer("forward", None)
    with pytest.raises(TypeError, match="'p' must be a Parameter or None, not Tensor"):
        net.register_parameter("p", minidl.tensor(1.0))


def test_super_init_must_come_first():
    class Late(nn.Module):
        def __init__(self):
            self.layer = nn.Identity()

    with pytest.raises(AttributeError, match=r"Late: call super\(\).__init__\(\) before assigning 'layer'"):
        Late()
    with pytest.raises(NotImplementedError, match="Module: forward is not defined"):
        nn.Module()(1)


def test_hooks_see_and_replace_and_go_away():
    layer, calls = nn.ReLU(), []
    before = layer.register_forward_pre_hook(lambda m, args: calls.append(("pre", m, args[0].item())))
    double = layer.register_forward_pre_hook(lambda m, args: args[0] * 2)
    after = layer.register_forward_hook(lambda m, args, out: calls.append(("post", args[0].item(), out.item())))
    assert layer(minidl.tensor(3.0)).item() == 6
    assert calls == [("pre", layer, 3.0), ("post", 6.0, 6.0)]
    for hook in (before, double, after, after):
        hook.remove()
    with layer.register_forward_hook(lambda m, args, out: out + 1):
        assert layer(minidl.tensor(3.0)).item() == 4
    assert layer(minidl.tensor(3.0)).item() == 3 and len(calls) == 2


def test_train_eval_apply_requires_grad_zero_grad():
    net, order = Net(), []
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    net.apply(lambda m: order.append(type(m).__name__))
    assert order == ["Conv2d", "BatchNorm2d", "ReLU", "Sequential", "Conv2d", "Net"]
    net.head.requires_grad_(False)
    net(image(1, 2, 4, 4)).sum().backward()
    assert net.head.weight.grad is None and net.scale.grad is not None
    net.zero_grad(set_to_none=False)
    assert net.scale.grad.item() == 0 and net.head.weight.grad is None
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_to_converts_in_place():
    net, x = Net(), image(2, 2, 4, 4)
    weight = net.head.weight
    net(x).sum().backward()
    assert net.double() is net and net.head.weight is weight
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)} == {weight.grad.dtype}
    assert net.body[1].running_var.dtype == np.float64 and net.body[1].num_batches_tracked.dtype == np.int64
    net(x.double()).sum().backward()
    assert weight.grad.dtype == np.float64
    assert net.float().scale.dtype == np.float32
    with pytest.raises(TypeError, match="floating dtype, not int64"):
        net.to(np.int64)


def test_state_dict_round_trip_and_sharing():
    minidl.manual_seed(0)
    a, b, x = Net(), Net(), image(1, 2, 5, 5)
    state = a.state_dict()
    assert state["scale"].data is a.scale.data and not state["scale"].requires_grad
    assert not np.array_equal(a(x).data, b(x).data)
    assert b.load_state_dict({name: v.data for name, v in state.items()}) == ([], [])
    np.testing.assert_array_equal(a.eval()(x).data, b.eval()(x).data)


def test_loading_lists_all_errors_and_changes_nothing():
    net = Net()
    state = {name: minidl.tensor(v.data + 1) for name, v in net.state_dict().items()}
    del state["scale"]
    state["extra"] = minidl.tensor(1.0)
    state["head.weight"] = minidl.tensor(np.zeros((1, 3, 3, 3)))
    state["head.bias"] = "text"
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert str(error.value).splitlines() == [
        "load_state_dict of Net: nothing was loaded",
        "  missing: scale",
        "  unexpected: extra",
        "  misshapen: head.weight is float64 of shape (1, 3, 3, 3); needed float32 of shape (1, 3, 1, 1)",
        "  misshapen: head.bias is <U4 of shape (); needed float32 of shape (1,)",
    ]
    for name, v in net.state_dict().items():
        np.testing.assert_array_equal(v.data, before[name].data)
    with pytest.raises(RuntimeError, match="misshapen"):
        net.load_state_dict(state, strict=False)
    state["head.weight"], state["head.bias"] = before["head.weight"], before["head.bias"]
    result = net.load_state_dict(state, strict=False)
    assert result.missing_keys == ["scale"] and result.unexpected_keys == ["extra"]
    np.testing.assert_array_equal(net.body[0].bias.data, before["body.0.bias"].data + 1)


def test_old_weights_without_batch_count_load():
    net = nn.Sequential(nn.BatchNorm2d(2))
    state = net.state_dict()
    del state["0.num_batches_tracked"]
    assert net.load_state_dict(state) == ([], [])


def test_loading_between_forward_and_backward_is_detected():
    net = nn.Linear(2, 2)
    x = image(1, 2).requires_grad_()
    y = net(x).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError, match="written in place"):
        y.backward()


def test_copies_are_independent_leaves():
    net, x = Net(), image(1, 2, 4, 4)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        twin(x).sum().backward()
        assert twin.scale.grad is not None and net.scale.grad is None
        twin.scale.data[:] = 5
        assert net.scale.item() == 1
    frozen = copy.deepcopy(net.requires_grad_(False))
    assert not any(p.requires_grad for p in frozen.parameters())


def test_construction_depends_on_the_seed_alone():
    def build(seed):
        minidl.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 2, 2), nn.Linear(3, 2)).state_dict()

    first, again, other = build(1), build(1), build(2)
    assert all(np.array_equal(first[n].data, again[n].data) for n in first)
    assert not any(np.array_equal(first[n].data, other[n].data) for n in first)
    assert {v.dtype for v in first.values()} == {np.dtype(np.float32)}


# -- containers ------------------------------------------------------------------------------------------------------------


def test_sequential():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    net = nn.Sequential(OrderedDict(first=a, second=b))
    assert net.first is a and net[1] is b and net[-1] is b and len(net) == 2 and list(net) == [a, b]
    assert list(net[1:]._modules) == ["second"] and type(net[1:]) is nn.Sequential
    net.append(c)
    assert list(net._modules) == ["first", "second", "2"]
    with pytest.raises(IndexError, match="Sequential: index 3 is outside its 3 modules"):
        net[3]
    net = nn.Sequential(a, b).insert(1, c).extend([nn.ReLU6()])
    assert [type(m).__name__ for m in net] == ["ReLU", "Sigmoid", "Tanh", "ReLU6"]
    net[0] = nn.ELU()
    del net[1:3]
    assert list(net._modules) == ["0", "1"] and type(net[0]) is nn.ELU
    x = image(3)
    np.testing.assert_array_equal(net(x).data, F.relu6(F.elu(x)).data)
    assert nn.Sequential()(x) is x
    with pytest.raises(TypeError, match="'0' must be a Module or None, not function"):
        nn.Sequential(F.relu)


def test_module_list_and_dict():
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    assert len(list(layers.parameters())) == 6 and type(layers[:2]) is nn.ModuleList
    layers.append(nn.ReLU()).insert(0, nn.Tanh())
    assert [type(m).__name__ for m in layers] == ["Tanh", "Linear", "Linear", "Linear", "ReLU"]
    del layers[0]
    assert list(layers._modules) == ["0", "1", "2", "3"]
    named = nn.ModuleDict({"a": nn.ReLU()})
    named["b"] = nn.Linear(1, 1)
    named.update({"c": nn.Tanh()})
    assert list(named) == ["a", "b", "c"] and "b" in named and len(named) == 3
    assert list(named.state_dict()) == ["b.weight", "b.bias"]
    assert type(named.pop("a")) is nn.ReLU and list(named.keys()) == ["b", "c"]
    del named["b"]
    assert [n for n, _ in named.items()] == ["c"] and len(list(named.values())) == 1
    named.clear()
    assert not len(named)
    with pytest.raises(NotImplementedError):
        layers(image(2))


@pytest.mark.parametrize("rectifier", [nn.ReLU, nn.ReLU6])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_and_relu_fuse_with_the_same_result(training, rectifier, monkeypatch):
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), rectifier(), nn.ReLU(), nn.BatchNorm2d(4)).train(
        training
    )
    net[1].weight.data[:] = 9  # some results lie above 6
    plain = copy.deepcopy(net)
    x = image(2, 2, 6, 6)
    fused = []
    original = F.batch_norm
    monkeypatch.setattr(F, "batch_norm", lambda *args: fused.append(args[-2:]) or original(*args))
    a = net(x)
    hook = plain[2].register_forward_hook(lambda *args: None)
    b = plain(x)
    assert fused == [(True, rectifier.ceiling), *[(False, np.inf)] * 3]
    hook.remove()
    a.sum().backward()
    b.sum().backward()
    np.testing.assert_array_equal(a.data, b.data)
    for p, q in zip(net.parameters(), plain.parameters()):
        np.testing.assert_allclose(p.grad.data, q.grad.data, rtol=1e-5, atol=1e-6)
    for p, q in zip(net.buffers(), plain.buffers()):
        np.testing.assert_array_equal(p.data, q.data)


def test_batch_norm_statistics():
    x = image(2, 3, 4, 4)
    norm = nn.BatchNorm2d(3, momentum=None)
    for k in range(3):
        norm(x + k)
    assert norm.num_batches_tracked.item() == 3
    np.testing.assert_allclose(norm.running_mean.data, x.data.mean((0, 2, 3)) + 1, rtol=1e-5)
    norm.eval()(x)
    assert norm.num_batches_tracked.item() == 3
    norm.reset_running_stats()
    assert norm.running_var.data.tolist() == [1, 1, 1] and norm.num_batches_tracked.item() == 0
    untracked = nn.BatchNorm2d(3, affine=False, track_running_stats=False).eval()
    assert not untracked.state_dict() and abs(untracked(x).data.mean()) < 1e-6
    with pytest.raises(ValueError, match=r"BatchNorm2d: input has shape \(2, 2, 4, 4\); needed \(N, 3, H, W\)"):
        norm(image(2, 2, 4, 4))


def test_separable_is_a_convolution_of_rank_one_over_channels():
    net = nn.DepthwiseSeparableConv2d(3, 4, 3, stride=2, padding=1, bias=False)
    weight = net.pointwise.weight * F.permute(net.depthwise.weight, (1, 0, 2, 3))  # (O, C, 1, 1) * (1, C, k, k)
    x = image(2, 3, 7, 7)
    np.testing.assert_allclose(net(x).data, F.conv2d(x, weight, stride=2, padding=1).data, atol=1e-5)
    full = nn.DepthwiseSeparableConv2d(3, 4, 3, norm_layer=nn.BatchNorm2d, activation_layer=nn.ReLU)
    assert list(full._modules) == ["depthwise", "norm", "activation", "pointwise"]


def test_transposed_convolution_goes_back_to_any_size_it_may_have_come_from():
    down, up = nn.Conv2d(1, 1, 3, 2, 1), nn.ConvTranspose2d(1, 1, 3, 2, 1)
    for size in ((7, 7), (8, 7), (8, 8)):
        x = image(1, 1, *size)
        assert up(down(x), output_size=size).shape == up(down(x), output_size=x.shape).shape == x.shape
    with pytest.raises(ValueError, match=r"output_size \(9, 9\) must be from \(7, 7\) to \(8, 8\) for input \(4, 4\)"):
        up(down(x), output_size=(9, 9))


def test_pool_and_unpool():
    x = image(1, 2, 6, 6)
    y, index = nn.MaxPool2d(2, return_indices=True)(x)
    z = nn.MaxUnpool2d(2)(y, index)
    np.testing.assert_array_equal(z.data, np.where(z.data != 0, x.data, 0))
    assert (z.data != 0).sum() == y.numel()
    assert nn.MaxUnpool2d(2)(y, index, output_size=(7, 7)).shape == (1, 2, 7, 7)


def test_dropout_follows_the_mode():
    x = minidl.tensor(np.ones((4, 8, 5, 5), np.float32))
    for layer in (nn.Dropout(0.5), nn.Dropout2d(0.5)):
        assert set(np.unique(layer(x).data)) == {0, 2}
        assert layer.eval()(x) is x
    per_channel = nn.Dropout2d(0.5)(x).data.reshape(32, 25)
    assert (per_channel == per_channel[:, :1]).all()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Conv2d: groups=2 must divide in_channels=3 and out_channels=4"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode must be one of"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), 'padding must be integers, "same" or "valid", not'),
        (lambda: nn.Conv2d(3, 4, 3, 2, padding="same"), 'padding="same" needs stride 1, not 2'),
        (lambda: nn.GroupNorm(2, 3), "GroupNorm: num_groups=2 does not divide num_channels=3"),
        (lambda: nn.Dropout(1.5), "Dropout: p must be a probability, not 1.5"),
        (lambda: nn.GELU("erf"), "GELU: approximate must be"),
        (lambda: nn.ZeroPad2d((1, 2)), r"ZeroPad2d: padding is \(1, 2\); needed"),
        (lambda: nn.MSELoss("avg"), "MSELoss: reduction must be"),
    ],
)
def test_constructors_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_no_flag_is_accepted_and_ignored():
    for make in (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.Hardswish, nn.Dropout):
        with pytest.raises(TypeError):
            make(inplace=True)


# -- PyTorch as an oracle --------------------------------------------------------------------------------------------------

IMAGE = (2, 4, 9, 8)
LAYERS = [
    ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1, "bias": False}, IMAGE),
    ("Conv2d", (4, 6, (3, 2)), {"padding": "same", "dilation": 2, "groups": 2}, IMAGE),
    ("Conv2d", (4, 6, 3), {"padding": (1, 2), "padding_mode": "reflect"}, IMAGE),
    ("Conv2d", (4, 6, (2, 3)), {"padding": "same", "padding_mode": "circular"}, IMAGE),
    ("Conv2d", (4, 6, 3), {"padding": "valid", "padding_mode": "replicate"}, IMAGE),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, IMAGE),
    ("ConvTranspose2d", (4, 6, 2), {"stride": 2, "dilation": 2, "bias": False}, IMAGE),
    ("Linear", (8, 5), {}, (3, 8)),
    ("Linear", (8, 5), {"bias": False}, IMAGE),
    ("BatchNorm2d", (4,), {}, IMAGE),
    ("BatchNorm2d", (4,), {"eps": 1e-3, "momentum": 0.3, "affine": False}, IMAGE),
    ("GroupNorm", (2, 4), {}, IMAGE),
    ("GroupNorm", (2, 4), {"affine": False}, IMAGE),
    ("InstanceNorm2d", (4,), {}, IMAGE),
    ("InstanceNorm2d", (4,), {"affine": True, "track_running_stats": True}, IMAGE),
    ("LayerNorm", (8,), {}, IMAGE),
    ("LayerNorm", ((9, 8),), {"bias": False}, IMAGE),
    ("ReLU", (), {}, IMAGE),
    ("ReLU6", (), {}, IMAGE),
    ("LeakyReLU", (0.2,), {}, IMAGE),
    ("PReLU", (), {}, IMAGE),
    ("PReLU", (4, 0.1), {}, IMAGE),
    ("ELU", (0.5,), {}, IMAGE),
    ("GELU", (), {}, IMAGE),
    ("GELU", ("tanh",), {}, IMAGE),
    ("Hardswish", (), {}, IMAGE),
    ("Sigmoid", (), {}, IMAGE),
    ("Tanh", (), {}, IMAGE),
    ("Softmax", (1,), {}, IMAGE),
    ("LogSoftmax", (1,), {}, IMAGE),
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, IMAGE),
    ("MaxPool2d", ((2, 3),), {"dilation": 2, "return_indices": True}, IMAGE),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, IMAGE),
    ("AvgPool2d", (2,), {"ceil_mode": True, "divisor_override": 3}, IMAGE),
    ("AdaptiveAvgPool2d", (3,), {}, IMAGE),
    ("AdaptiveAvgPool2d", ((None, 5),), {}, IMAGE),
    ("AdaptiveMaxPool2d", (3,), {"return_indices": True}, IMAGE),
    ("Upsample", (), {"scale_factor": 2}, IMAGE),
    ("Upsample", ((11, 7),), {"mode": "bilinear", "align_corners": True}, IMAGE),
    ("PixelShuffle", (2,), {}, IMAGE),
    ("PixelUnshuffle", (3,), {}, (2, 2, 6, 9)),
    ("ZeroPad2d", (2,), {}, IMAGE),
    ("ZeroPad2d", ((1, -1, 0, 2),), {}, IMAGE),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, IMAGE),
    ("ReplicationPad2d", (2,), {}, IMAGE),
    ("Flatten", (), {}, IMAGE),
    ("Flatten", (1, 2), {}, IMAGE),
    ("Unfold", (3,), {"dilation": 1, "padding": 1, "stride": 2}, IMAGE),
    ("Fold", ((4, 5), 2), {"stride": 1}, (2, 8, 12)),
    ("Identity", (), {}, IMAGE),
]
DIFFERENT = {"ReLU6": "", "ELU": "alpha=0.5", "Hardswish": ""}  # PyTorch's prints an `inplace` or its own bounds


def _text(layer):
    """repr, without the `bias` that only recent versions of PyTorch print for normalisation layers."""
    return re.sub(", bias=(True|False)", "", repr(layer)) if "Norm" in type(layer).__name__ else repr(layer)


@pytest.mark.parametrize("name, args, options, shape", LAYERS, ids=lambda v: v if isinstance(v, str) else None)
@pytest.mark.parametrize("training", [True, False])
def test_layer_as_in_pytorch(name, args, options, shape, training):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(*args, **options)
    ours = getattr(nn, name)(*args, **options)
    theirs.train(training)
    ours.train(training)
    if name not in DIFFERENT:
        assert _text(ours) == _text(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({n: v.numpy() for n, v in theirs.state_dict().items()})
    x = image(*shape) * 3
    t = torch.tensor(x.data, requires_grad=True)
    x = x.detach().requires_grad_()
    y, u = ours(x), theirs(t)
    if options.get("return_indices"):
        np.testing.assert_array_equal(y[1].data, u[1].numpy())
        y, u = y[0], u[0]
    np.testing.assert_allclose(y.data, u.detach().numpy(), rtol=1e-4, atol=1e-5)
    g = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    y.backward(minidl.tensor(g))
    u.backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad.data, t.grad.numpy(), rtol=1e-3, atol=1e-4)
    for (n, p), (m, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert n == m
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-3, atol=1e-4, err_msg=n)
    for n, v in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[n].data, v.numpy(), rtol=1e-4, atol=1e-5, err_msg=n)


LOSSES = [
    ("CrossEntropyLoss", {"ignore_index": 2, "label_smoothing": 0.1}, "labels"),
    ("CrossEntropyLoss", {"weight": [1.0, 2.0, 3.0, 4.0], "reduction": "sum"}, "labels"),
    ("NLLLoss", {"ignore_index": 1}, "labels"),
    ("BCEWithLogitsLoss", {"pos_weight": [1.0, 2.0, 3.0]}, "values"),
    ("BCEWithLogitsLoss", {"weight": [1.0, 2.0, 3.0], "reduction": "none"}, "values"),
    ("SmoothL1Loss", {"beta": 0.5}, "values"),
    ("MSELoss", {}, "values"),
    ("L1Loss", {"reduction": "sum"}, "values"),
]


@pytest.mark.parametrize("name, options, kind", LOSSES)
def test_loss_as_in_pytorch(name, options, kind):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = image(2, 4, 5, 3)
    target = rng.integers(0, 4, (2, 5, 3)) if kind == "labels" else rng.random(x.shape).astype(np.float32)
    theirs = getattr(torch.nn, name)(**{k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()})
    ours = getattr(nn, name)(**options)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    value = ours(x, minidl.tensor(target))
    np.testing.assert_allclose(value.data, theirs(torch.tensor(x.data), torch.tensor(target)).numpy(), rtol=1e-4)


def test_overlap_losses_are_their_functions():
    x, target = image(2, 3, 4, 4), minidl.tensor(np.random.default_rng(0).integers(0, 3, (2, 4, 4)))
    assert nn.DiceLoss(ignore_index=0)(x, target).item() == F.dice_loss(x, target, ignore_index=0).item()
    w = [1.0, 2.0, 0.5]
    focal = nn.FocalLoss(gamma=1.0, weight=w)
    assert focal(x, target).item() == F.focal_loss(x, target, 1.0, minidl.tensor(w)).item() > 0
    assert list(focal.state_dict()) == ["weight"]


def test_repr_of_containers_as_in_pytorch():
    torch = pytest.importorskip("torch")

    def build(nn):
        blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(3)] + [nn.Tanh()])
        return nn.ModuleDict({"blocks": blocks, "none": nn.ModuleList(), "one": nn.Sequential()})

    assert repr(build(nn)) == repr(build(torch.nn))
    assert repr(nn.Parameter(np.float32([1.0]))).splitlines()[0] == "Parameter containing:"
