"""PP-OCRv4's text detector, a network that others trained: the same output as onnxruntime, trained on, exported again."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from minidl import Tensor, backend, load_onnx, no_grad, optim
from minidl import functional as F
from minidl.export import export_onnx

pytest.importorskip("onnx")
SIZES = (
    (64, 96),
    (95, 127),
    (61, 190),
    (157, 125),
    (128, 352),
)  # some odd, halved and doubled by the pyramid without a rest
MEAN, STD = np.reshape([0.485, 0.456, 0.406], (3, 1, 1)), np.reshape([0.229, 0.224, 0.225], (3, 1, 1))


@pytest.fixture(scope="module")
def path():
    folder = os.environ.get("MINIDL_DATA")
    if not folder or not (Path(folder) / "text_detection.onnx").is_file():
        pytest.skip("MINIDL_DATA does not name a folder with text_detection.onnx")
    return Path(folder) / "text_detection.onnx"


@pytest.fixture(scope="module")
def page():
    """The photograph of a printed page, normalised."""
    image = pytest.importorskip("skimage.data").page()
    return (np.repeat(image[None], 3, 0) / 255 - MEAN) / STD


def photograph(page, size):
    return np.ascontiguousarray(page[None, :, : size[0], : size[1]], np.float32)


def reference_of(path):
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x})[0]


def check(net, expected, least=0.5):
    """The largest difference is at most 1e-4 of the largest probability, which is that of text: above `least`."""

    def same(x):
        with no_grad():
            y, e = net(Tensor(x)).data, expected(x)
        assert y.shape == e.shape and e.max() > least
        assert np.abs(y - e).max() < 1e-4 * e.max()

    return same


def test_same_output_as_onnxruntime_at_five_sizes(path, page, column):
    same = check(load_onnx(path), reference_of(path))
    with backend.use(column.__name__.rpartition(".")[2]):
        for size in SIZES:
            same(photograph(page, size))


@pytest.mark.parametrize(
    "sizes", [SIZES[:1], pytest.param(SIZES[1:], marks=pytest.mark.slow)], ids=["one size", "the others"]
)
def test_same_output_on_the_simulator(path, page, sizes):
    if not any(map(shutil.which, ("g++", "clang++"))):
        pytest.skip("the simulator needs a C++ compiler")
    same = check(load_onnx(path), reference_of(path))
    with backend.use("cudasim"):
        for size in sizes:
            same(photograph(page, size))


def test_a_size_that_the_file_does_not_allow_names_the_node(path, page):
    with pytest.raises(ValueError, match="broadcast") as caught, no_grad():
        load_onnx(path)(Tensor(photograph(page, (97, 131))))
    assert any("node" in note and "text_detection.onnx" in note for note in caught.value.__notes__)


def test_fine_tuned_and_exported_again(path, page, tmp_path):
    """Twenty steps towards the page's dark pixels."""
    net = load_onnx(path).train()
    x = Tensor(np.concatenate([photograph(page, (96, 128)), photograph(page[:, 64:, 100:], (96, 128))]))
    ink = Tensor((x.data.mean(1, keepdims=True) < 0).astype(np.float32))
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        p = F.clamp(net(x), 1e-6, 1 - 1e-6)
        loss = -(ink * F.log(p) + (1 - ink) * F.log(1 - p)).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert np.isfinite(losses).all() and losses[-1] < 0.7 * losses[0]
    assert all(p.grad is not None and np.isfinite(p.grad.data).all() for p in net.parameters())
    net.eval()
    again = reference_of(export_onnx(net, tmp_path / "again.onnx", size=(96, 128)))
    back = load_onnx(tmp_path / "again.onnx")
    for size in SIZES:
        x = photograph(page, size)
        check(net, again, 1e-3)(x)
        check(back, again, 1e-3)(x)
