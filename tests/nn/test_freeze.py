"""`minidl.freeze`: the same results in fewer steps, prepared anew when the network changes."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import models, nn, optim
from minidl.nn.freeze import Frozen

SMALL = sorted(name for name in models.NETWORKS if name.endswith("_small"))
OTHERS = sorted({*models.NETWORKS, *models.CLASSIFIERS} - set(SMALL))


@pytest.fixture(autouse=True)
def column():
    """Small layers need no compiled kernels; the networks choose the CPU column themselves."""
    with minidl.backend.use("reference"):
        yield


def with_statistics(model, seed=0):
    """The model in evaluation mode, its norms with statistics and scales that are not 0 and 1."""
    r = np.random.default_rng(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            C = module.num_features
            module.running_mean.copy_(0.1 * r.standard_normal(C))
            module.running_var.copy_(0.5 + r.random(C))
            if module.weight is not None:
                module.weight.detach().copy_(0.5 + r.random(C))
                module.bias.detach().copy_(0.1 * r.standard_normal(C))
    return model.eval()


def image(*shape, seed=1, dtype=np.float32):
    return minidl.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def leaves(output):
    if isinstance(output, dict):
        output = list(output.values())
    return [output] if isinstance(output, minidl.Tensor) else [t for o in output for t in leaves(o)]


def near(came, needed, tolerance=1e-5):
    came, needed = leaves(came), leaves(needed)
    assert len(came) == len(needed)
    for a, b in zip(came, needed):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.abs(a.data - b.data).max(initial=0) <= tolerance * np.abs(b.data).max(initial=1e-30)


def check_network(name):
    model = with_statistics(getattr(models, name)())
    net = minidl.freeze(model)
    with minidl.no_grad(), minidl.backend.use("cpu"):
        for x in (image(1, 3, 64, 64), image(1, 3, 64, 64, seed=2), image(2, 3, 64, 96)):
            near(net(x), model(x))
    if any(isinstance(module, nn.PReLU) for module in model.modules()):  # it compares, which the tape does not record
        assert any(not plan.reason for plan in plans(net))
        return
    assert all(not plan.reason for plan in net._plans.values())
    assert "batch_norm" not in {step.name for step in net.plan(x).steps}


def plans(net):
    """The plans of a frozen network and of those below it."""
    return [*net._plans.values(), *(plan for below in net._below.values() for plan in plans(below))]


@pytest.mark.parametrize("name", SMALL)
def test_small_networks(name):
    check_network(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_other_networks(name):
    check_network(name)


class Block(nn.Module):
    """Convolution, norm, sum, rectifier: everything that becomes one step."""

    def __init__(self, channels=6, groups=1):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.norm(self.conv(x)))


def test_a_residual_block_is_one_step():
    net = minidl.freeze(with_statistics(Block()))
    x = image(2, 6, 9, 8)
    near(net(x), net.model(x))
    assert [step.name for step in net.plan(x).steps] == ["conv2d + batch_norm + add + relu"]
    assert "conv2d + batch_norm + add + relu" in repr(net)


def test_float64_keeps_its_digits():
    model = with_statistics(Block()).double()
    x = image(1, 6, 9, 8, dtype=np.float64)
    near(minidl.freeze(model)(x), model(x), 1e-13)


def test_a_result_that_is_used_twice_is_not_overwritten():
    class Twice(Block):
        def forward(self, x):
            y = self.conv(x)
            return self.norm(y), F.relu(y), y

    model = with_statistics(Twice())
    x = image(1, 6, 7, 7)
    near(minidl.freeze(model)(x), model(x))


def test_the_arguments_are_not_written_and_results_are_new():
    net, x = minidl.freeze(with_statistics(Block())), image(1, 6, 7, 7)
    before = x.data.copy()
    a, b = net(x), net(x)
    assert np.array_equal(x.data, before) and a.data is not b.data and np.array_equal(a.data, b.data)


def test_a_transposed_convolution_takes_its_norm_in():
    model = with_statistics(nn.Sequential(nn.ConvTranspose2d(4, 6, 2, 2), nn.BatchNorm2d(6), nn.ReLU()))
    x = image(1, 4, 5, 6)
    near(minidl.freeze(model)(x), model(x))
    assert minidl.freeze(model).plan(x).steps[0].name == "conv_transpose2d + batch_norm + relu"


def test_whatever_changes_the_network_is_seen():
    model = with_statistics(Block())
    net, x = minidl.freeze(model), image(1, 6, 7, 7)
    net(x)
    optimiser = optim.SGD(model.parameters(), lr=0.5)
    changes = [
        lambda: (F.sum(model(x)).backward(), optimiser.step()),
        lambda: model.load_state_dict(with_statistics(Block(), seed=5).state_dict()),
        lambda: model.norm.running_mean.fill_(0.7),
        lambda: setattr(model, "conv", nn.Conv2d(6, 6, 3, padding=1)),
        lambda: setattr(model.conv, "weight", nn.Parameter(0.1 * image(6, 6, 3, 3).data)),
        lambda: setattr(model, "norm", nn.Identity()),
    ]
    for change in changes:
        before = net(x).data.copy()
        change()
        near(net(x), model(x))
        assert not np.array_equal(net(x).data, before)


def test_training_mode_runs_the_model_itself():
    model = with_statistics(Block())
    net, x = minidl.freeze(model), image(2, 6, 7, 7)
    net(x)
    net.train()
    F.sum(net(x) * net(x)).backward()
    assert model.conv.weight.grad is not None
    net.eval()
    near(net(x), model(x))


def test_gradients_are_refused():
    net, x = minidl.freeze(with_statistics(Block())), image(1, 6, 7, 7)
    with pytest.raises(RuntimeError, match="a frozen network has no gradients"):
        F.sum(net(x)).backward()
    with pytest.raises(RuntimeError, match="a frozen network has no gradients"):
        net(x.requires_grad_())


def test_hooks_run():
    model, seen = with_statistics(nn.Sequential(Block(), Block())), []
    net, x = minidl.freeze(model), image(1, 6, 7, 7)
    net(x)
    hook = model[1].conv.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    near(net(x), model(x))
    assert len(seen) == 2
    hook.remove()
    net(x)
    assert len(seen) == 2


class Decides(Block):
    def forward(self, x):
        y = super().forward(x)
        return y if F.sum(x) > 0 else -y


class Counts(Block):
    def forward(self, x):
        return super().forward(x) * int(np.argmax(x.data))


class LeavesTheTape(Block):
    def forward(self, x):
        return super().forward(x) + minidl.tensor(np.sort(x.data, axis=None)[:1])


class TakesAnOption(Block):
    def forward(self, x, scale=1.0):
        return super().forward(x) * scale


@pytest.mark.parametrize("kind", [Decides, Counts, LeavesTheTape])
def test_what_depends_on_values_runs_as_it_is(kind):
    model = with_statistics(kind())
    net = minidl.freeze(model)
    for seed in range(4):
        near(net(image(1, 6, 7, 7, seed=seed)), model(image(1, 6, 7, 7, seed=seed)))
    assert net.plan(image(1, 6, 7, 7)).reason
    assert "runs as it is" in repr(net)


def test_options_are_passed_on():
    model = with_statistics(TakesAnOption())
    x = image(1, 6, 7, 7)
    near(minidl.freeze(model)(x, scale=3.0), model(x, scale=3.0))


def test_a_detector_runs_with_its_layers_frozen():
    model = with_statistics(models.mask_rcnn_small())
    net = minidl.freeze(model)
    r = np.random.default_rng(0)
    images = [minidl.tensor(r.random((3, 64, 64)).astype(np.float32))]
    with minidl.no_grad():
        came, needed = net(images)[0], model(images)[0]
    assert came.keys() == needed.keys()
    for key in needed:
        assert np.allclose(came[key].data, needed[key].data, atol=1e-3)
    assert any(not plan.reason for below in net._below.values() for plan in below._plans.values())


def test_few_sizes_are_kept():
    net = minidl.freeze(with_statistics(Block()))
    for n in range(5, 12):
        near(net(image(1, 6, n, n)), net.model(image(1, 6, n, n)))
    assert len(net._plans) <= 4


def test_freeze_takes_modules():
    with pytest.raises(TypeError, match="freeze: needed a Module, not list"):
        minidl.freeze([])
    net = minidl.freeze(Block().eval())
    assert minidl.freeze(net) is net and isinstance(net, Frozen)
    assert net.state_dict().keys() == {"model." + name for name in Block().state_dict()}


def test_of_two_convolutions_that_are_added_one_takes_the_sum():
    class Projected(nn.Module):
        def __init__(self):
            super().__init__()
            self.project, self.conv = nn.Conv2d(6, 4, 1), nn.Conv2d(6, 4, 3, padding=1)

        def forward(self, x):
            identity = self.project(x)
            return F.relu(self.conv(F.relu(x)) + identity)

    model, x = with_statistics(Projected()), image(1, 6, 7, 7)
    net = minidl.freeze(model)
    near(net(x), model(x))
    assert [step.name for step in net.plan(x).steps] == ["rectify", "conv2d", "conv2d + add + relu"]


def test_a_hook_of_the_network_itself_runs_at_every_call():
    model, seen = with_statistics(Block()), []
    net, x = minidl.freeze(model), image(1, 6, 7, 7)
    model.register_forward_hook(lambda module, args, out: seen.append(out.shape))
    for calls in (1, 2, 3):
        net(x)
        assert len(seen) == calls
