"""What `test_distributed` runs under mpiexec: functions of the ranks, each compared with the same on one process."""

import sys

import numpy as np

import minidl
from minidl import distributed, nn
from minidl import functional as F
from minidl.backend.ranks import ALONE
from minidl.collective import all_reduce, batch_norm, gather
from minidl.train import mixing, tasks

RANKS = distributed.world()
RNG = np.random.default_rng(0)


def mine(array):
    """This rank's part of a batch."""
    n = len(array)
    return array[n * RANKS.rank // RANKS.size : n * (RANKS.rank + 1) // RANKS.size]


def close(actual, expected, tolerance=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def normalised():
    """Batch norm over all ranks: values, running statistics, and derivatives to second order, of uneven parts."""
    images = RNG.standard_normal((7, 3, 4, 5)) * 2 + 1
    affine = RNG.standard_normal((2, 3))
    direction, probe = RNG.standard_normal((2, *images.shape))

    def derivatives(function, x, v, u):
        x, (w, b) = minidl.tensor(x, requires_grad=True), (minidl.tensor(a, requires_grad=True) for a in affine)
        running = minidl.tensor(np.zeros(3)), minidl.tensor(np.ones(3))
        y = function(x, *running, w, b, True, 0.1, 1e-5)
        first = minidl.grad((y * y * minidl.tensor(v)).sum(), (x, w, b), create_graph=True)
        plain = minidl.grad((function(x, *running, w, b, True, 0, 1e-5) ** 2 * minidl.tensor(v)).sum(), (x, w, b))
        second = minidl.grad((first[0] * minidl.tensor(u)).sum(), (x, w, b))
        return y, running, first, plain, second

    alone = derivatives(F.batch_norm, images, direction, probe)
    several = derivatives(lambda *args: batch_norm(*args, ranks=RANKS), mine(images), mine(direction), mine(probe))
    close(several[0].detach().data, mine(alone[0].detach().data))
    for a, b in zip(several[1], alone[1]):
        close(a.data, b.data)
    for some, all_ in zip(several[2:], alone[2:]):
        close(some[0].detach().data, mine(all_[0].detach().data), 1e-10)
        for s, a in zip(some[1:], all_[1:]):
            close(RANKS.sum(s.detach().data), a.detach().data, 1e-10)


def collected():
    """The adjoints of all_reduce and gather: <A x, y> = <x, A* y>, summed over the ranks."""
    x = np.random.default_rng(RANKS.rank).standard_normal((RANKS.rank + 1, 3))
    for function, argument in ((gather, x), (all_reduce, x[0])):
        t = minidl.tensor(argument, requires_grad=True)
        y = function(t, ranks=RANKS)
        g = np.random.default_rng(10 + RANKS.rank).standard_normal(y.shape)
        (back,) = minidl.grad(y, t, minidl.tensor(g))
        left, right = (y.detach().data * g).sum(), (argument * back.data).sum()
        close(RANKS.mean(left), RANKS.mean(right))


def averaged():
    """Gradients are those of the whole batch: uneven parts, a parameter that only one rank uses, one that none uses."""
    images, target = RNG.standard_normal((5, 2, 6, 6)), RNG.standard_normal((5, 3, 6, 6))

    def network():
        minidl.manual_seed(RANKS.rank)  # `wrap` makes them rank 0's
        net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
        net.lonely = nn.Parameter(np.ones(2))
        net.unused = nn.Parameter(np.ones(3))
        return net.to(np.float64) if hasattr(net, "to") else net

    def loss_of(net, x, y, with_lonely):
        loss = ((net(minidl.tensor(x)) - minidl.tensor(y)) ** 2).mean()
        return loss + (net.lonely**2).sum() if with_lonely else loss

    net = distributed.wrap(network())
    whole = network()
    whole.load_state_dict(net.state_dict())
    last = RANKS.rank == RANKS.size - 1
    loss = distributed.weigh(loss_of(net, mine(images), mine(target), False), len(mine(images)))
    (loss + (net.lonely**2).sum() if last else loss).backward()
    loss_of(whole, images, target, False).backward()
    for (name, p), q in zip(net.named_parameters(), whole.parameters()):
        if name == "lonely":
            close(p.grad.data, 2 / RANKS.size)
        elif name == "unused":
            assert p.grad is None
        else:
            close(p.grad.data, q.grad.data, 1e-6)
    for p, q in zip(net.buffers(), whole.buffers()):
        close(p.data, q.data, 1e-6)
    try:
        loss_of(net, mine(images), mine(target), True).backward(create_graph=True)
    except RuntimeError as error:
        assert "create_graph" in str(error)
    else:
        raise AssertionError("create_graph was taken")


def mixed():
    """mixup and CutMix give a network the images, and the loss the labels, that one process gives them."""
    images, labels = RNG.random((5, 3, 8, 8)).astype(np.float32), RNG.integers(0, 3, (5, 8, 8))

    class Seen(nn.Module):
        def forward(self, x):
            self.images = x.data
            return minidl.tensor(np.zeros((len(x.data), 3, 8, 8), np.float32))

    for kind in (mixing.Mixed, mixing.CutMixed):
        found = {}
        for ranks in (RANKS, ALONE):
            mixing.world = tasks.world = lambda ranks=ranks: ranks
            minidl.manual_seed(11)
            targets, net = [], Seen()

            def loss(output, target, ignore, ranks=ALONE, targets=targets):
                targets.append(target)
                return output.sum() * 0

            part = mine if ranks is RANKS else np.asarray
            kind(loss, 3).learn(net, part(images), part(labels))
            found[ranks] = net.images, targets
        close(found[RANKS][0], mine(found[ALONE][0]), 0)
        for several, alone in zip(found[RANKS][1], found[ALONE][1], strict=True):
            close(several, mine(alone), 0)
        assert not np.array_equal(found[ALONE][0], images)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        globals()[name]()
    print("fine", flush=True)
