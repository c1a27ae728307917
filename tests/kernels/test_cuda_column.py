"""The CUDA column beyond single rows, compiled for the CPU: precision, the readable convolution, errors, whole networks."""

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases_dense import convolution, normal
from minidl.kernels import cuda, reference
from minidl.kernels.cuda.conv import conv_im2col, implicit
from minidl.kernels.geometry import Geometry
from minidl.kernels.precision import precision
from minidl.kernels.settings import Adam

import minidl
from minidl import backend, check_grads, functional, nn
from minidl.models import UNet
from minidl.train import optim

pytestmark = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)


@pytest.fixture
def tf32():
    minidl.set_precision("tf32")
    yield
    minidl.set_precision("fp32")


def directions(column, x, w, y, geometry):
    yield column.conv2d(x, w, np.arange(len(w)).astype(w.dtype), geometry)
    yield column.conv_transpose2d(y, w, None, x.shape[2:], geometry)
    yield column.conv2d_weight(x, y, geometry)


def near(came, wanted, tolerance):
    assert came.shape == wanted.shape and came.dtype == wanted.dtype
    assert np.abs(came - wanted).max(initial=0) <= tolerance * np.abs(wanted).max(initial=1e-30)


def rounded(a):
    """float32 to TF32: 10 bits of mantissa, the nearest, ties away from zero."""
    return ((a.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def test_tensor_cores_multiply_values_rounded_to_tf32(tf32):
    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 2**32 - 1))
    def sweep(seed):
        *arrays, geometry = convolution(np.random.default_rng(seed), np.float32)
        exactly = [rounded(a) for a in arrays]
        for came, wanted, same in zip(
            directions(implicit, *arrays, geometry),
            directions(reference, *arrays, geometry),
            directions(reference, *exactly, geometry),
        ):
            near(came, wanted, 1e-2)
            near(came, same, 1e-5)

    sweep()


def test_wide_products_take_several_tiles_and_splits(tf32):
    r, geometry = np.random.default_rng(0), Geometry((3, 3), (2, 1), (1, 1))
    x, w = normal(r, np.float32, 2, 17, 25, 23), normal(r, np.float32, 130, 17, 3, 3)
    y = normal(r, np.float32, 2, 130, *geometry.output_size((25, 23)))
    for name, tolerance in (("tf32", 1e-2), ("fp32", 1e-5)):
        minidl.set_precision(name)
        for came, wanted in zip(directions(cuda, x, w, y, geometry), directions(reference, x, w, y, geometry)):
            near(came, wanted, tolerance)


@pytest.mark.parametrize("seed", range(4))
def test_tensor_cores_watched(tf32, monkeypatch, seed):
    monkeypatch.setenv("MINIDL_CUDASIM", "address")
    *arrays, geometry = convolution(np.random.default_rng(seed), np.float32)
    for came, wanted in zip(directions(implicit, *arrays, geometry), directions(reference, *arrays, geometry)):
        near(came, wanted, 1e-2)


def test_float64_never_goes_to_tensor_cores(tf32):
    *arrays, geometry = convolution(np.random.default_rng(5), np.float64)
    for came, wanted in zip(directions(implicit, *arrays, geometry), directions(reference, *arrays, geometry)):
        near(came, wanted, 1e-12)


def test_precision_is_a_known_name():
    with pytest.raises(ValueError, match=r"set_precision: name must be one of \('fp32', 'tf32'\), not 'bf16'"):
        minidl.set_precision("bf16")
    assert precision() == "fp32"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(6))
def test_three_matrix_products_make_a_convolution(seed, dtype):
    *arrays, geometry = convolution(np.random.default_rng(seed), dtype)
    for came, wanted in zip(directions(conv_im2col, *arrays, geometry), directions(reference, *arrays, geometry)):
        near(came, wanted, 1e-5 if dtype == np.float32 else 1e-12)


def test_data_that_no_row_accepts():
    x, index = np.zeros((1, 1, 2, 2)), np.array([[[[0, 4]]]], np.int32)
    with pytest.raises(IndexError, match="plane_gather: index holds 4, the plane has 4 positions"):
        cuda.plane_gather(x, index)
    with pytest.raises(IndexError, match="plane_scatter: index holds -2"):
        cuda.plane_scatter(np.zeros((1, 1, 1, 2)), np.array([[[[0, -2]]]], np.int32), (2, 2))
    batch = np.zeros(1, np.int64)
    with pytest.raises(IndexError, match="roi_gather: index holds 4"):
        cuda.roi_gather(x, batch, index)
    with pytest.raises(IndexError, match="roi_scatter: index holds 4"):
        cuda.roi_scatter(np.zeros(index.shape), batch, index, (1, 2, 2))
    scores, target = np.zeros((1, 3, 2)), np.array([[255, 3]])
    with pytest.raises(IndexError, match=r"target has label 3; x has 3 classes \(ignore_index 255\)"):
        cuda.cross_entropy(scores, target, None, 255)
    with pytest.raises(IndexError, match="target has label -1"):
        cuda.cross_entropy_backward(np.ones((1, 2)), scores, target - 4 * (target == 3), None, 255)
    with pytest.raises(ValueError, match="adam_step: m is float64"):
        cuda.adam_step(*np.zeros((2, 3), np.float32), np.zeros(3), np.zeros(3, np.float32), Adam(1, 0.1))
    for wrong in (np.zeros(3), np.zeros((9, 4)), np.zeros((2, 0)), np.full((2, 2), np.nan), np.full((2, 2), 1e9)):
        with pytest.raises(ValueError, match="permutohedral_lattice: features must be"):
            cuda.permutohedral_lattice(wrong)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_lattice_of_this_column_filters_as_the_references_does(reverse):
    r = np.random.default_rng(0)
    f, v = r.standard_normal((5, 300)).astype(np.float32), r.standard_normal((21, 300))
    came = cuda.permutohedral_filter(v, cuda.permutohedral_lattice(f), reverse)
    near(came, reference.permutohedral_filter(v, reference.permutohedral_lattice(f), reverse), 1e-13)


def test_gradients_of_every_order_through_this_column():
    r = np.random.default_rng(0)
    tensor = lambda *shape: minidl.tensor(r.standard_normal(shape), requires_grad=True)

    def network(x, w, b, v, weight, bias):
        y = functional.relu(functional.conv2d(x, w, b, stride=2, padding=1))
        y = functional.batch_norm(functional.conv_transpose2d(y, v, stride=2), None, None, weight, bias, training=True)
        return functional.log_softmax(functional.max_pool2d(y, 2), 1)

    arguments = tensor(2, 2, 7, 6), tensor(4, 2, 3, 3), tensor(4), tensor(4, 3, 2, 2), tensor(3), tensor(3)
    with backend.use("cudasim"):
        check_grads(network, arguments)


def train(column, steps=2):
    """A small U-Net, batch norm and all, after some steps of Adam: losses, gradients of the last step, parameters."""
    minidl.manual_seed(0)
    r = np.random.default_rng(0)
    x, target = minidl.tensor(normal(r, np.float32, 2, 3, 16, 16)), minidl.tensor(r.integers(0, 4, (2, 16, 16)))
    with backend.use(column):
        model = UNet(num_classes=4, depth=2, base=6, batch_norm=True)
        optimizer, losses = optim.Adam(model.parameters(), lr=1e-3), []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(model(x)["out"], target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        named = dict(model.named_parameters())
    return losses, {k: p.grad.numpy() for k, p in named.items()}, {k: p.detach().numpy() for k, p in named.items()}


@pytest.mark.parametrize("name, tolerance", [("fp32", 1e-4), ("tf32", 3e-2)])
def test_a_unet_learns_as_on_the_cpu_column(name, tolerance, request):
    losses, gradients, _ = train("cpu", 1)
    if name == "tf32":
        request.getfixturevalue("tf32")
    ours, our_gradients, _ = train("cudasim", 1)
    np.testing.assert_allclose(ours, losses, rtol=tolerance)
    largest = max(np.abs(g).max() for g in gradients.values())
    for key, g in gradients.items():
        np.testing.assert_allclose(our_gradients[key], g, atol=tolerance * largest, err_msg=key)


def test_two_steps_of_adam_agree_with_the_cpu_column():
    (losses, _, parameters), (ours, _, our_parameters) = train("cpu"), train("cudasim")
    np.testing.assert_allclose(ours, losses, rtol=1e-4)
    for key, p in parameters.items():  # Adam divides by the gradient's size: a gradient near 0 may step either way
        assert np.mean(np.abs(our_parameters[key] - p) > 1e-4) < 0.02, key


def test_the_swizzle_leaves_no_bank_conflict(tf32, capsys):
    r, geometry = np.random.default_rng(0), Geometry((3, 3), padding=(1, 1))
    x, w, y = (normal(r, np.float32, *shape) for shape in ((1, 20, 12, 17), (70, 20, 3, 3), (1, 70, 12, 17)))
    for function, arguments in (
        (implicit.conv2d, (x, w, None, geometry)),
        (implicit.conv_transpose2d, (y, w, None, (12, 17), geometry)),
        (implicit.conv2d_weight, (x, y, geometry)),
    ):
        profiles = {p.name: p for p in minidl.profile_kernel(function, *arguments)}
        (tensor,) = (p for name, p in profiles.items() if name.startswith("conv_tensor"))
        assert tensor.shared_requests > 0 and tensor.bank_conflicts == 0
