"""Sampling at computed points: against loops, PyTorch, and finite differences in the image and in the points."""

import importlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minidl.kernels import reference

import minidl
from minidl import backend, check_grads, tensor
from minidl import functional as F

sweep = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
PADDINGS = ["zeros", "border", "reflection"]


def normal(*shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    st.tuples(st.integers(0, 4), st.integers(1, 4)),
    st.integers(0, 999),
)
@sweep
def test_kernel_is_the_loop(column, shape, size, seed):
    rng = np.random.default_rng(seed)
    N, _, H, W = shape
    x, points = (
        rng.standard_normal(shape),
        rng.uniform(-2, 1, (N, *size, 2)) + rng.uniform(0, 1.3, (N, *size, 2)) * [W, H],
    )
    if seed % 2:
        points = np.round(points)
    y = column.grid_sample(x, points)
    for n, c, i, j in np.ndindex(y.shape):
        u, v = points[n, i, j]
        wanted = sum(
            max(0, 1 - abs(v - h)) * max(0, 1 - abs(u - w)) * x[n, c, h, w] for h in range(H) for w in range(W)
        )
        assert y[n, c, i, j] == pytest.approx(wanted, abs=1e-12)
    g = rng.standard_normal(y.shape)
    assert abs((g * y).sum() - (column.grid_sample_adjoint(g, points, (H, W)) * x).sum()) < 1e-10
    if not seed % 2 and y.size:
        slope = column.grid_sample_slope(g, x, points)
        for d in (0, 1):
            step = 1e-6 * np.eye(2)[d]
            rise = g * (column.grid_sample(x, points + step) - column.grid_sample(x, points - step))
            np.testing.assert_allclose(slope[..., d], rise.sum(1) / 2e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (3, 20, 40, 33), (1, 1, 1, 1), (0, 2, 3, 3), (2, 0, 3, 3)])
def test_columns_agree(shape, dtype):
    cpu = importlib.import_module("minidl.kernels.cpu")
    rng = np.random.default_rng(1)
    points = (rng.uniform(-0.3, 1.3, (shape[0], 20, 21, 2)) * [shape[3], shape[2]]).astype(dtype)
    if points.size:
        points[0, 0, :6] = [[np.inf, 0], [0, -np.inf], [shape[3] - 1, 0], [-1, 0], [0, shape[2]], [1e30, 1e30]]
    x, g = normal(*shape, dtype=dtype), normal(*shape[:2], 20, 21, dtype=dtype)
    for row, arguments in (
        ("grid_sample", (x, points)),
        ("grid_sample_adjoint", (g, points, shape[2:])),
        ("grid_sample_slope", (g, x, points)),
    ):
        mine, again, specified = (getattr(c, row)(*arguments) for c in (cpu, cpu, reference))
        assert mine.dtype == specified.dtype == dtype
        np.testing.assert_array_equal(mine, again)
        np.testing.assert_allclose(mine, specified, atol=1e-4 if dtype == np.float32 else 1e-11)


def some_grid(seed, whole=False):
    rng = np.random.default_rng(seed)
    grid = rng.uniform(-1.6, 1.6, (2, 3, 4, 2))
    if whole:  # borders, corners and centres, where the derivative in the grid has kinks
        grid = np.round(grid * 2) / 2
    return grid


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(5, 6), (1, 4), (1, 1)])
def test_equals_pytorch(mode, padding_mode, align_corners, size):
    torch = pytest.importorskip("torch")
    for seed in range(6):
        x, grid = normal(2, 3, *size, seed=seed), some_grid(seed, whole=seed > 2)
        if seed == 5:
            grid *= 4
        ours = [tensor(a, requires_grad=True) for a in (x, grid)]
        theirs = [torch.tensor(a, requires_grad=True) for a in (x, grid)]
        y = F.grid_sample(*ours, mode, padding_mode, align_corners)
        expected = torch.nn.functional.grid_sample(*theirs, mode, padding_mode, align_corners)
        np.testing.assert_allclose(y.data, expected.detach().numpy(), atol=1e-12)
        u = normal(*y.shape, seed=9)
        expected.backward(torch.tensor(u))
        y.backward(tensor(u))
        np.testing.assert_allclose(ours[0].grad.data, theirs[0].grad.numpy(), atol=1e-12)
        if mode == "bilinear":
            np.testing.assert_allclose(ours[1].grad.data, theirs[1].grad.numpy(), atol=1e-11)
        else:
            assert ours[1].grad is None and not theirs[1].grad.any()


@pytest.mark.parametrize("column_name", ["reference", "cpu"])
@pytest.mark.parametrize("padding_mode", PADDINGS)
def test_gradients_of_every_order(column_name, padding_mode):
    with backend.use(column_name):
        for align_corners in (False, True):
            check_grads(
                lambda x, g, a=align_corners: F.grid_sample(x, g, "bilinear", padding_mode, a),
                [normal(2, 2, 4, 5), some_grid(3)],
            )
    if column_name == "reference" and padding_mode == "zeros":
        check_grads(lambda x, g: F.grid_sample(x * x, g), [normal(1, 1, 3, 3), some_grid(4)[:1, :2, :2]], order=3)


def test_nearest_rounds_half_to_even():
    x = tensor(np.arange(5.0).reshape(1, 1, 1, 5))
    at = np.array([0.5, 1.5, 2.5, 3.5, -0.5, 4.5])
    grid = np.stack([at / 2 - 1, 0 * at], -1).reshape(1, 1, 6, 2)
    y = F.grid_sample(x, tensor(grid), "nearest", align_corners=True)
    assert y.data.ravel().tolist() == [0, 2, 2, 4, 0, 4]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 1, 4, 5), (2, 3, 1, 3), (2, 1, 1, 1)])
@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid")
def test_affine_grid(align_corners, size):
    theta = normal(2, 2, 3)
    check_grads(lambda t: F.affine_grid(t, size, align_corners), [theta])
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.affine_grid(torch.tensor(theta), size, align_corners)
    np.testing.assert_allclose(F.affine_grid(tensor(theta), size, align_corners).data, expected.numpy(), atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_identity_and_a_mirror(align_corners):
    x = tensor(normal(1, 2, 4, 5, dtype=np.float32))
    for theta, wanted in (([[1, 0, 0], [0, 1, 0]], x.data), ([[-1, 0, 0], [0, 1, 0]], x.data[..., ::-1])):
        grid = F.affine_grid(tensor([theta], dtype=np.float32), x.shape, align_corners)
        y = F.grid_sample(x, grid, align_corners=align_corners)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.data, wanted, atol=1e-5)


def test_bad_arguments_are_named():
    x, grid = tensor(normal(2, 1, 3, 3)), tensor(some_grid(0))
    for arguments, error, words in (
        ((x, grid[:1]), ValueError, r"grid has shape \(1, 3, 4, 2\); needed \(2, Ho, Wo, 2\)"),
        ((x, grid[..., :1]), ValueError, "grid has shape"),
        ((x[0], grid), ValueError, "needed four axes"),
        ((x.float(), grid), TypeError, "one dtype"),
        ((x, grid, "bicubic"), ValueError, "mode must be 'bilinear' or 'nearest', not 'bicubic'"),
        ((x, grid, "nearest", "mirror"), ValueError, "padding_mode must be one of"),
        ((x, tensor(some_grid(0) * np.nan)), ValueError, "grid contains NaN"),
        ((x[:, :, :0], grid), ValueError, "no pixels"),
    ):
        with pytest.raises(error, match=f"grid_sample: .*{words}"):
            F.grid_sample(*arguments)
    with pytest.raises(ValueError, match=r"theta must be floating and \(N, 2, 3\)"):
        F.affine_grid(tensor(np.ones((2, 3, 2))), (2, 1, 4, 4))
    with pytest.raises(ValueError, match=r"size must be \(2, C, H, W\)"):
        F.affine_grid(tensor(np.ones((2, 2, 3))), (3, 1, 4, 4))


def test_a_spatial_transformer_learns_a_shift():
    """The only path to theta is the gradient in the grid."""
    ramp = np.exp(-((np.arange(16) - 5.0) ** 2) / 8)
    image = tensor((ramp[:, None] * ramp)[None, None])
    wanted = tensor(np.roll(image.data, (2, 1), (2, 3)))
    theta = tensor([[[1, 0, 0], [0, 1, 0]]], dtype=np.float64, requires_grad=True)
    for _ in range(150):
        grid = F.affine_grid(theta, image.shape)
        loss = F.mse_loss(F.grid_sample(image, grid), wanted)
        (g,) = minidl.grad([loss], [theta])
        theta = tensor(theta.data - 2 * g.data, requires_grad=True)
    assert loss.item() < 0.02 * F.mse_loss(image, wanted).item()
