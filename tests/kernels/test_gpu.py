"""On a real GPU: gradients, fifty training steps, capture, the loader, the CRF. Skipped, saying so, where there is none."""

import numpy as np
import pytest
from cases import CASES, inputs

import minidl
from minidl import crf, data, models
from minidl import functional as F
from minidl.train import loop as training
from minidl.train import optim

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not minidl.cuda.is_available(), reason=f"{minidl.cuda.why_not()}")]


@pytest.mark.parametrize("name, function, shapes", CASES, ids=[name for name, *_ in CASES])
def test_gradients_are_the_cpu_s(name, function, shapes):
    results = []
    for device in ("cpu", "cuda"):
        tensors = [minidl.tensor(a, requires_grad=True, device=device) for a in inputs(name, shapes)]
        out = function(F, lambda values, device=device: minidl.tensor(values, device=device), *tensors)
        (out * out).sum().backward()
        kept = [out.detach(), *(t.grad for t in tensors if t.grad is not None)]
        results.append([t.cpu().data for t in kept])
    for came, needed in zip(*reversed(results)):
        np.testing.assert_allclose(came, needed, rtol=1e-8, atol=1e-10)


def fifty_steps(device, captured=False):
    minidl.manual_seed(0)
    model = models.unet_small(num_classes=4).to(device)
    optimizer = optim.SGD(model.parameters(), 0.02, momentum=0.9)

    def step(x, t):
        optimizer.zero_grad()
        loss = training.segmentation_loss(model(x), t)
        loss.backward()
        return loss

    run, losses = minidl.capture(step) if captured else step, []
    loader = data.DataLoader(data.DigitScenes(32, 200, 3), 4, device=device)
    for x, t in loader:
        loss = run(minidl.Tensor(x), minidl.Tensor(t))
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_fifty_steps_lose_what_the_cpu_loses():
    np.testing.assert_allclose(fifty_steps("cuda"), fifty_steps("cpu"), rtol=2e-2)


def test_a_captured_step_is_the_step():
    np.testing.assert_allclose(fifty_steps("cuda", captured=True), fifty_steps("cuda"), rtol=1e-3)


def test_tf32_is_near_fp32():
    x, w = (
        np.random.default_rng(k).standard_normal(s).astype("f") for k, s in enumerate([(2, 64, 20, 20), (64, 64, 3, 3)])
    )
    results = []
    try:
        for name in ("fp32", "tf32"):
            minidl.set_precision(name)
            results.append(F.conv2d(minidl.tensor(x).cuda(), minidl.tensor(w).cuda(), padding=1).cpu().data)
    finally:
        minidl.set_precision("fp32")
    error = np.abs(results[1] - results[0]).max() / np.abs(results[0]).max()
    assert 0 < error < 2e-3


def test_the_crf_agrees():
    import cupy

    rng = np.random.default_rng(0)
    image, unary = rng.integers(0, 255, (3, 40, 50)).astype(np.uint8), rng.random((5, 40, 50)).astype("f")
    model = crf.DenseCRF(image)
    here, there = model.inference(unary), model.inference(cupy.asarray(unary)).get()
    assert (here.argmax(0) == there.argmax(0)).mean() > 0.999
    np.testing.assert_allclose(there, here, atol=1e-4)
