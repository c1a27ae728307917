"""nn.CRF: the same beliefs as DenseCRF, right gradients through every iteration, trained behind a network."""

import numpy as np
import pytest

from minidl import check_grads, grad, nn, no_grad, tensor
from minidl import functional as F
from minidl.crf import Bilateral, DenseCRF, Features, Gaussian
from minidl.train import optim

rng = np.random.default_rng(0)
TERMS = (Gaussian(1.5, 2), Bilateral(3, 60, 3))
IMAGE = rng.integers(0, 256, (2, 3, 5, 6), np.uint8)


def layer(C, iterations, terms=TERMS):
    crf = nn.CRF(C, iterations, terms)
    for p in crf.parameters():
        p.data = p.data.astype(np.float64) + rng.normal(size=p.shape) * 0.2
    return crf


def test_an_untrained_layer_is_the_dense_crf():
    logits = rng.normal(size=(2, 4, 5, 6)).astype(np.float32)
    score = nn.CRF(4, 3, TERMS)(tensor(logits), IMAGE)
    assert score.dtype == np.float32
    expected = DenseCRF(IMAGE, TERMS).inference(-logits, 3)
    np.testing.assert_allclose(F.softmax(score, 1).data, expected, atol=2e-6)
    features = rng.normal(size=(2, 3, 5, 6))
    terms = [Features(features, 2)]
    score = nn.CRF(4, 3, terms)(tensor(logits), IMAGE)
    np.testing.assert_allclose(F.softmax(score, 1).data, DenseCRF(terms=terms).inference(-logits, 3), atol=2e-6)


@pytest.mark.parametrize("normalization", ["none", "mean", "before", "after", "symmetric"])
def test_gradients_to_logits_weights_and_compatibility(normalization):
    terms = (Gaussian(1.5, 2, normalization), Bilateral(3, 60, 3, normalization))
    crf = layer(3, 3, terms)

    def f(logits, weight, compat):
        crf._parameters.update(weight=weight, compat=compat)
        return crf(logits, IMAGE)

    inputs = [rng.normal(size=(2, 3, 5, 6)), crf.weight.data, crf.compat.data]
    check_grads(f, inputs, order=2 if normalization == "symmetric" else 1)


def test_every_single_derivative_agrees_with_finite_differences():
    crf = layer(2, 4)
    logits = tensor(rng.normal(size=(2, 2, 5, 6)), requires_grad=True)
    target = rng.integers(0, 2, (2, 5, 6))
    loss = lambda: F.cross_entropy(crf(logits, IMAGE), target)
    tensors = [logits, crf.weight, crf.compat]
    for t, g in zip(tensors, grad(loss(), tensors)):
        numeric = np.empty(t.shape)
        for k in range(t.data.size):
            at = t.data.reshape(-1)
            kept, values = at[k], []
            for h in (1e-6, -1e-6):
                at[k] = kept + h
                with no_grad():
                    values.append(loss().item())
            at[k] = kept
            numeric.reshape(-1)[k] = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose(g.data, numeric, rtol=1e-4, atol=1e-9)


class Small(nn.Module):
    """A strided convolution whose scores are brought back to full size, and a CRF behind it."""

    def __init__(self, iterations):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 4, stride=4)
        self.crf = nn.CRF(2, iterations, (Gaussian(1.5, 0.5), Bilateral(4, 25, 0.5)))

    def forward(self, image):
        scores = self.conv(tensor((image / 255 - 0.5).astype(np.float32)))
        return self.crf(F.interpolate(scores, size=image.shape[2:], mode="bilinear"), image)


def test_trained_end_to_end_behind_a_network():
    from minidl import manual_seed

    manual_seed(0)
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:16, :16]
    target = np.stack(
        [((x - a) ** 2 + (y - b) ** 2 < 20).astype(np.int64) for a, b in ((6, 7), (10, 9), (8, 5), (7, 11))]
    )
    image = (np.where(target[:, None], 170, 80) + rng.normal(size=(4, 3, 16, 16)) * 12).clip(0, 255)
    net = Small(3)
    before = {name: p.data.copy() for name, p in net.named_parameters()}
    optimizer = optim.Adam(net.parameters(), lr=0.03)
    losses = []
    for _ in range(25):
        loss = F.cross_entropy(net(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
    for name, p in net.named_parameters():
        assert abs(p.data - before[name]).max() > 1e-3, name
    assert (net(image).data.argmax(axis=1) == target).mean() > 0.95


def test_state_and_description():
    crf = nn.CRF(3, 2, TERMS)
    assert {name: p.shape for name, p in crf.named_parameters()} == {"weight": (2, 3), "compat": (3, 3)}
    other = nn.CRF(3, 2, TERMS)
    crf.weight.data = crf.weight.data + 1
    other.load_state_dict(crf.state_dict())
    assert np.array_equal(other.weight.data, crf.weight.data)
    assert repr(crf) == "CRF(3, iterations=2, terms=2)"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: nn.CRF(3, 2, [Gaussian(compat=[1, 2, 3])]), "compat is a number"),
        (lambda x: nn.CRF(3, 2, []), "needed terms"),
        (lambda x: nn.CRF(3, 0), "iterations"),
        (lambda x: nn.CRF(3)(x, IMAGE), "logits must be"),
        (lambda x: nn.CRF(4)(x, IMAGE[:1]), "images"),
        (lambda x: nn.CRF(4)(x, IMAGE[:, :, :4]), "images"),
        (lambda x: nn.CRF(4)(x, IMAGE[0]), "images"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(tensor(np.zeros((2, 4, 5, 6), np.float32)))
