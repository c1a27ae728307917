"""Optimisers and schedules: formulas by hand, PyTorch as an oracle, exact resumption."""

import copy
import math

import numpy as np
import pytest

import minidl
from minidl import backend, nn
from minidl.train import optim

RNG = np.random.default_rng(0)
START = [RNG.standard_normal((3, 4)), RNG.standard_normal(5), RNG.standard_normal((2, 1, 3))]
GRADS = [[np.random.default_rng(10 * k + i).standard_normal(p.shape) for i, p in enumerate(START)] for k in range(8)]

OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.02, "betas": (0.5, 0.9), "weight_decay": 0.3}),
]


def parameters(dtype=np.float64):
    return [nn.Parameter(p.astype(dtype)) for p in START]


def advance(params, optimizer, steps, schedule=None):
    for k in steps:
        for p, g in zip(params, GRADS[k]):
            p.grad = minidl.tensor(g.astype(p.dtype))
        optimizer.step()
        if schedule:
            schedule.step()


def values(params):
    return np.concatenate([np.ravel(p.data) for p in params])


@pytest.mark.parametrize("column", ["reference", "cpu"])
@pytest.mark.parametrize("name, options", OPTIMIZERS)
def test_as_in_pytorch(name, options, column):
    torch = pytest.importorskip("torch")
    ours = parameters()
    theirs = [torch.nn.Parameter(torch.tensor(p)) for p in START]
    optimizer = getattr(optim, name)(ours, **options)
    oracle = getattr(torch.optim, name)(theirs, **options)
    with backend.use(column):
        for k in range(len(GRADS)):
            advance(ours, optimizer, [k])
            for p, g in zip(theirs, GRADS[k]):
                p.grad = torch.tensor(g)
            oracle.step()
            np.testing.assert_allclose(
                values(ours), values([minidl.tensor(p.detach().numpy()) for p in theirs]), rtol=1e-10
            )
    mine, other = optimizer.state_dict(), oracle.state_dict()
    assert mine["state"].keys() == other["state"].keys()
    for number, state in other["state"].items():
        for key, v in state.items():
            if v is not None:
                v = v.numpy() if hasattr(v, "numpy") else v
                got = mine["state"][number][key]
                np.testing.assert_allclose(got.data if isinstance(got, minidl.Tensor) else got, v, rtol=1e-10)
    for group, reference in zip(mine["param_groups"], other["param_groups"]):
        assert all(reference[key] == value for key, value in group.items())


def test_sgd_by_hand():
    p = nn.Parameter(np.array([1.0, -2.0]))
    optimizer = optim.SGD([p], lr=0.5, momentum=0.5, nesterov=True)
    for _ in range(2):
        p.grad = minidl.tensor(np.array([1.0, 2.0]))
        optimizer.step()
    # v = g, then 1.5 g; p -= 0.5 (g + 0.5 v), so 0.75 g and 0.875 g
    np.testing.assert_allclose(p.data, [1 - 1.625, -2 - 2 * 1.625])


def test_first_adam_step_has_the_length_of_the_rate():
    p = nn.Parameter(np.array([1.0, -2.0, 3.0]))
    p.grad = minidl.tensor(np.array([1e-3, 5.0, -100.0]))
    optim.Adam([p], lr=0.1).step()
    np.testing.assert_allclose(p.data, [0.9, -2.1, 3.1], rtol=1e-5)


def test_training_lowers_the_loss():
    minidl.manual_seed(0)
    x = minidl.tensor(np.random.default_rng(0).standard_normal((64, 5)).astype(np.float32))
    y = x @ minidl.tensor(np.arange(5, dtype=np.float32).reshape(5, 1))
    for make in (
        lambda p: optim.SGD(p, 0.1, momentum=0.5),
        lambda p: optim.Adam(p, 0.1),
        lambda p: optim.AdamW(p, 0.1, weight_decay=1e-4),
    ):
        net, loss = nn.Linear(5, 1), nn.MSELoss()
        optimizer = make(net.parameters())
        first = loss(net(x), y).item()
        for _ in range(100):
            optimizer.zero_grad()
            value = loss(net(x), y)
            value.backward()
            optimizer.step()
        assert loss(net(x), y).item() < 1e-2 * first


def test_a_step_is_noted_by_the_tape():
    p = nn.Parameter(np.ones(2))
    y = (p * p).sum()
    y.backward(retain_graph=True)
    optim.SGD([p], 0.1).step()
    with pytest.raises(RuntimeError, match="written in place"):
        y.backward()


def test_parameters_without_gradient_stay():
    params = parameters()
    optimizer = optim.Adam(params, 0.1)
    params[0].grad = minidl.tensor(np.ones_like(START[0]))
    optimizer.step()
    np.testing.assert_array_equal(params[1].data, START[1])
    assert list(optimizer.state_dict()["state"]) == [0]
    optimizer.zero_grad(set_to_none=False)
    assert (params[0].grad.data == 0).all() and params[1].grad is None
    optimizer.zero_grad()
    assert params[0].grad is None


def test_groups_have_their_own_options():
    a, b, c = parameters()
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.1)
    optimizer.add_param_group({"params": [c], "weight_decay": 0.5})
    advance([a, b, c], optimizer, [0])
    np.testing.assert_allclose(a.data, START[0] - GRADS[0][0])
    np.testing.assert_allclose(b.data, START[1] - 0.1 * GRADS[0][1])
    np.testing.assert_allclose(c.data, START[2] - 0.1 * (GRADS[0][2] + 0.5 * START[2]))
    assert "Parameter Group 2" in repr(optimizer) and "weight_decay: 0.5" in repr(optimizer)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda p: optim.SGD([]), ValueError, "SGD: params is empty"),
        (lambda p: optim.SGD(p, lr=-1), ValueError, "SGD: lr is -1; needed at least 0"),
        (lambda p: optim.SGD(p, weight_decay=-1), ValueError, "weight_decay is -1; needed at least 0"),
        (lambda p: optim.SGD(p, nesterov=True), ValueError, "nesterov needs momentum and dampening=0"),
        (lambda p: optim.Adam(p, betas=(0.9, 1.0)), ValueError, r"betas are .*; needed numbers in \[0, 1\)"),
        (lambda p: optim.Adam([*p, p[0]]), ValueError, r"a parameter of shape \(3, 4\) occurs more than once"),
        (lambda p: optim.Adam([p[0] * 2]), TypeError, "parameters must be leaf Tensors, not Tensor"),
        (lambda p: optim.Adam([np.ones(2)]), TypeError, "parameters must be leaf Tensors, not ndarray"),
        (lambda p: optim.Adam([{"params": p, "momentum": 1}]), TypeError, r"unknown options \['momentum'\]"),
    ],
)
def test_constructors_refuse(make, error, message):
    with pytest.raises(error, match=message):
        make(parameters())


# -- resuming --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, options", OPTIMIZERS)
def test_resumes_bit_for_bit(name, options):
    def build(params):
        optimizer = getattr(optim, name)(params, **options)
        return optimizer, optim.LinearWarmup(optim.PolyLR(optimizer, 6), 3)

    straight = parameters(np.float32)
    optimizer, schedule = build(straight)
    advance(straight, optimizer, range(4), schedule)
    saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    middle = [p.data.copy() for p in straight]
    advance(straight, optimizer, range(4, 8), schedule)

    resumed = [nn.Parameter(p) for p in middle]
    optimizer, schedule = build(resumed)
    optimizer.load_state_dict(saved[0])
    schedule.load_state_dict(saved[1])
    advance(resumed, optimizer, range(4, 8), schedule)
    np.testing.assert_array_equal(values(resumed), values(straight))


def test_loaded_state_is_a_copy():
    params = parameters()
    optimizer = optim.SGD(params, 0.1, momentum=0.9)
    advance(params, optimizer, [0])
    state = optimizer.state_dict()
    other = optim.SGD(parameters(), 0.1, momentum=0.9)
    other.load_state_dict(state)
    before = state["state"][0]["momentum_buffer"].data.copy()
    advance([p for g in other.param_groups for p in g["params"]], other, [1])
    np.testing.assert_array_equal(state["state"][0]["momentum_buffer"].data, before)


def test_loading_refuses_and_changes_nothing():
    params = parameters()
    optimizer = optim.Adam(params, 0.1)
    advance(params, optimizer, [0])
    good = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"Adam: groups of \[2\] parameters given; needed \[3\]"):
        optimizer.load_state_dict({**good, "param_groups": [{"params": [0, 1], "lr": 9.0}]})
    bad = copy.deepcopy(good)
    bad["state"][1]["exp_avg"] = minidl.tensor(np.zeros(7))
    bad["param_groups"][0]["lr"] = 9.0
    with pytest.raises(ValueError, match=r"Adam: exp_avg of parameter 1 has shape \(7,\); needed \(5,\)"):
        optimizer.load_state_dict(bad)
    with pytest.raises(ValueError, match="state of parameter 5 given, but there is no such parameter"):
        optimizer.load_state_dict({**good, "state": {5: {}}})
    assert optimizer.param_groups[0]["lr"] == 0.1
    np.testing.assert_array_equal(optimizer.state[params[1]]["exp_avg"].data, good["state"][1]["exp_avg"].data)


# -- clipping --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clip_grad_norm(norm_type, max_norm):
    torch = pytest.importorskip("torch")
    ours, theirs = parameters(), [torch.nn.Parameter(torch.tensor(p)) for p in START]
    for p, t, g in zip(ours, theirs, GRADS[0]):
        p.grad, t.grad = minidl.tensor(g), torch.tensor(g)
    before = optim.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert before.item() == pytest.approx(expected.item(), rel=1e-12)
    for p, t in zip(ours, theirs):
        np.testing.assert_allclose(p.grad.data, t.grad.numpy(), rtol=1e-12)


def test_clipping_corners():
    p = nn.Parameter(np.zeros(3))
    assert optim.clip_grad_norm_(p, 1.0).item() == 0  # no gradient at all
    p.grad = minidl.tensor(np.array([3.0, 4.0, np.inf]))
    with pytest.raises(RuntimeError, match="the norm of the gradients is inf"):
        optim.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    optim.clip_grad_value_([p], 3.5)
    assert p.grad.data.tolist() == [3.0, 3.5, 3.5]
    p.grad = minidl.tensor(np.array([3.0, 4.0, 0.0]))
    assert optim.clip_grad_norm_(iter([p]), 1.0).item() == 5
    np.testing.assert_allclose(p.grad.data, [0.6, 0.8, 0], rtol=1e-6)


# -- schedules -------------------------------------------------------------------------------------------------------------


def rates(make, steps, lr=0.2):
    optimizer = optim.SGD([{"params": [p]} for p in parameters()[:2]], lr)
    optimizer.param_groups[1]["lr"] = lr / 2
    schedule = make(optimizer)
    result = []
    for _ in range(steps):
        result.append(schedule.get_last_lr()[0])
        assert schedule.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
        assert schedule.get_last_lr()[1] == pytest.approx(result[-1] / 2)
        schedule.step()
    return result


def test_schedules_by_hand():
    assert rates(lambda o: optim.StepLR(o, 2, 0.5), 5) == pytest.approx([0.2, 0.2, 0.1, 0.1, 0.05])
    poly = rates(lambda o: optim.PolyLR(o, 4, power=2), 6)
    assert poly == pytest.approx([0.2, 0.2 * 9 / 16, 0.05, 0.2 / 16, 0, 0])
    cosine = rates(lambda o: optim.CosineAnnealingLR(o, 4), 5)
    assert cosine == pytest.approx([0.2, 0.1 * (1 + math.sqrt(0.5)), 0.1, 0.1 * (1 - math.sqrt(0.5)), 0])
    warm = rates(lambda o: optim.LinearWarmup(optim.StepLR(o, 1, 0.5), 2, start_factor=0.5), 5)
    assert warm == pytest.approx([0.1, 0.15, 0.2, 0.1, 0.05])
    twice = rates(lambda o: optim.LinearWarmup(optim.LinearWarmup(optim.PolyLR(o, 2, 1), 1, 0.5), 1, 0.5), 4)
    assert twice == pytest.approx([0.05, 0.1, 0.2, 0.1])


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (lambda o: optim.StepLR(o, 3, 0.3), lambda s, o: s.StepLR(o, 3, 0.3)),
        (lambda o: optim.PolyLR(o, 7, 0.9), lambda s, o: s.PolynomialLR(o, 7, 0.9)),
        (lambda o: optim.CosineAnnealingLR(o, 5, 0.01), lambda s, o: s.CosineAnnealingLR(o, 5, 0.01)),
    ],
)
def test_schedules_as_in_pytorch(ours, theirs):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.2)
    schedule, expected = theirs(torch.optim.lr_scheduler, optimizer), []
    for _ in range(12):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    make = optim.SGD(parameters(), 0.2)
    schedule, got = ours(make), []
    for _ in range(12):
        got.append(schedule.get_last_lr()[0])
        schedule.step()
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_schedule_state():
    optimizer = optim.SGD(parameters(), 0.2)
    schedule = optim.CosineAnnealingLR(optimizer, 10)
    for _ in range(3):
        schedule.step()
    other = optim.CosineAnnealingLR(optim.SGD(parameters(), 0.7), 10)
    other.load_state_dict(schedule.state_dict())
    assert other.get_last_lr() == schedule.get_last_lr() and other.last_epoch == 3
    with pytest.raises(ValueError, match="CosineAnnealingLR: rates of 2 groups given; needed 1"):
        other.load_state_dict({"last_epoch": 0, "base_lrs": [1, 2]})


# -- edges ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_type", [1.0, 2.0, math.inf])
def test_clipping_shows_a_nan_as_pytorch_does(norm_type):
    ps = [nn.Parameter(np.zeros(2)), nn.Parameter(np.zeros((0, 3)))]
    for p, g in zip(ps, ([math.nan, 1.0], np.zeros((0, 3)))):
        p.grad = minidl.tensor(np.array(g))
    assert math.isnan(optim.clip_grad_norm_(ps, 1.0, norm_type).item())
    assert np.isnan(ps[0].grad.data).all()


@pytest.mark.parametrize(
    "make", [lambda p: optim.SGD(p, 0.1, momentum=0.9), lambda p: optim.Adam(p, 0.1), lambda p: optim.AdamW(p, 0.1)]
)
def test_parameters_of_any_layout(make):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    layouts = [
        values,
        np.asfortranarray(values),
        values[::-1, ::-1].copy()[::-1, ::-1],
        np.repeat(values, 2, 1)[:, ::2],
    ]
    ends = []
    for array in layouts:
        p = minidl.Tensor(array.copy() if array is values else array).requires_grad_()
        optimizer = make([p])
        for _ in range(3):
            p.grad = minidl.Tensor(np.asfortranarray(np.sin(values)))
            optimizer.step()
        assert p.data is array or array is values
        ends.append(p.data.copy())
    for end in ends[1:]:
        np.testing.assert_array_equal(end, ends[0])


def test_adam_without_a_mean_forgets_a_large_gradient(column):
    with minidl.backend.use(column.__name__.rsplit(".", 1)[1]):
        p = minidl.Tensor(np.zeros(1, np.float32)).requires_grad_()
        adam = optim.Adam([p], 1e-3, betas=(0.0, 0.9))
        for g in (1e8, 1.0):
            p.grad = minidl.Tensor(np.full(1, g, np.float32))
            adam.step()
    assert adam.state[p]["exp_avg"].tolist() == [1.0]


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (lambda o: optim.StepLR(o, 3, 0.3), lambda s, o: s.StepLR(o, 3, 0.3)),
        (lambda o: optim.PolyLR(o, 12, 0.9), lambda s, o: s.PolynomialLR(o, 12, 0.9)),
        (lambda o: optim.CosineAnnealingLR(o, 12, 0.01), lambda s, o: s.CosineAnnealingLR(o, 12, 0.01)),
    ],
)
def test_a_group_added_later_follows_the_schedule_as_in_pytorch(ours, theirs):
    torch = pytest.importorskip("torch")
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.2)
    mine = optim.SGD([nn.Parameter(np.zeros(1))], 0.2)
    expected, schedule = theirs(torch.optim.lr_scheduler, other), ours(mine)
    for step in range(10):
        if step == 4:
            other.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.5})
            mine.add_param_group({"params": [nn.Parameter(np.zeros(1))], "lr": 0.5})
        other.step()
        expected.step()
        schedule.step()
        assert schedule.get_last_lr() == pytest.approx([g["lr"] for g in other.param_groups], rel=1e-9)
