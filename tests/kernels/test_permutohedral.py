"""The permutohedral lattice and the kernels on it: both columns, against each other and against independent oracles."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from minidl.kernels import cpu, reference
from minidl.kernels.cpu.runtime import threads

ref = importlib.import_module("minidl.kernels.reference.permutohedral")
lattice_cpu = importlib.import_module("minidl.kernels.cpu.crf.permutohedral")


def points(d, N, spread, seed=0):
    return (np.random.default_rng(seed).normal(size=(d, N)) * spread).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 8), st.integers(1, 90), st.sampled_from([0.0, 0.1, 1.0, 7.0, 3e3]), st.integers(0, 9))
def test_columns_build_the_same_lattice_to_the_last_bit(d, N, spread, seed):
    f = points(d, N, spread, seed)
    a, b = reference.permutohedral_lattice(f), cpu.permutohedral_lattice(f)
    for name in ("vertex", "weight", "neighbour"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype and np.array_equal(x, y), name


def test_codes_that_do_not_fit_a_mixed_radix_still_give_the_same_lattice():
    f = points(8, 300, 3e3)
    assert lattice_cpu.key_strides(f)[0] > 1  # not a mixed radix, whose first stride is 1
    a, b = reference.permutohedral_lattice(f), cpu.permutohedral_lattice(f)
    assert np.array_equal(a.vertex, b.vertex) and np.array_equal(a.neighbour, b.neighbour)


def with_every_number_of_threads(run):
    most = threads.get_num_threads()
    for n in range(1, most + 1):
        threads.set_num_threads(n)
        try:
            yield run()
        finally:
            threads.set_num_threads(most)


def test_bands_of_points_are_numbered_as_one_and_tables_grow():
    f = points(5, 3000, 8)
    expected = reference.permutohedral_lattice(f)
    assert expected.vertices > 4096  # more than the first table holds
    for got in with_every_number_of_threads(lambda: cpu.permutohedral_lattice(f)):
        assert all(np.array_equal(getattr(got, n), getattr(expected, n)) for n in ("vertex", "weight", "neighbour"))


@pytest.mark.parametrize("spread", [1, 30])  # few vertices, blurred by a thread per term; many, blurred together
def test_mean_field_does_not_depend_on_luck_or_on_the_number_of_threads(spread):
    rng, C = np.random.default_rng(0), 21
    unary, scale = rng.normal(size=(C, 9000)).astype(np.float32), np.full(9000, 0.1)
    lattices = [cpu.permutohedral_lattice(points(d, 9000, spread)) for d in (2, 5)]
    terms = [(lattice, scale, scale, -np.eye(C)) for lattice in lattices]
    first = cpu.mean_field(unary, terms, 3, False)
    for got, again in with_every_number_of_threads(lambda: [cpu.mean_field(unary, terms, 3, False) for _ in range(2)]):
        assert np.array_equal(got, again)
        assert abs(got - first).max() < 1e-5


@pytest.mark.parametrize("d", range(1, 9))
def test_weights_are_the_barycentric_coordinates_of_the_elevated_point(d):
    f = points(d, 200, 3)
    origin, rank, weight = ref.embed(f)
    # Adams et al. 2010, page 5: E, one column at a time
    E = np.zeros((d + 1, d))
    for j in range(d):
        E[: j + 1, j], E[j + 1, j] = 1, -(j + 1)
        E[:, j] *= np.sqrt(2 / 3) * (d + 1) / np.sqrt((j + 1) * (j + 2))
    corners = np.empty((d + 1, d + 1, 200))  # (remainder, coordinate, point)
    for r in range(d + 1):
        corners[r] = origin + r - (d + 1) * (rank > d - r)
    assert np.array_equal(corners.sum(axis=1), np.zeros((d + 1, 200)))  # vertices lie in the plane
    assert np.array_equal(
        corners.astype(int) % (d + 1), np.broadcast_to(np.arange(d + 1)[:, None, None], corners.shape)
    )
    np.testing.assert_allclose(np.einsum("nr,rcn->cn", weight, corners), E @ f, atol=2e-4)
    assert weight.min() > -1e-5
    np.testing.assert_allclose(weight.sum(axis=1), 1, atol=1e-6)


def test_points_in_one_place_share_vertices_and_neighbours_answer_each_other():
    f = points(3, 50, 1)
    lattice = cpu.permutohedral_lattice(np.concatenate([f, f], axis=1))
    assert np.array_equal(lattice.vertex[:50], lattice.vertex[50:])
    for j in range(4):
        for m, (n1, n2) in enumerate(lattice.neighbour[j]):
            assert n1 == lattice.vertices or lattice.neighbour[j, n1, 1] == m
            assert n2 == lattice.vertices or lattice.neighbour[j, n2, 0] == m


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 60), st.integers(1, 33), st.integers(0, 9))
def test_reverse_is_the_adjoint(d, N, C, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, C, N))
    lattice = cpu.permutohedral_lattice(points(d, N, 1.5, seed))
    for column in (reference, cpu):
        forward = (a * column.permutohedral_filter(b, lattice, False)).sum()
        backward = (column.permutohedral_filter(a, lattice, True) * b).sum()
        assert abs(forward - backward) < 1e-10 * max(1, abs(forward))


@pytest.mark.parametrize("C", [1, 2, 7, 8, 21, 150])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_cpu_filter_equals_the_reference(C, dtype, tolerance):
    values = np.random.default_rng(C).normal(size=(C, 700)).astype(dtype)
    lattice = cpu.permutohedral_lattice(points(5, 700, 1))
    for reverse in (False, True):
        expected = reference.permutohedral_filter(values.astype(np.float64), lattice, reverse)
        got = cpu.permutohedral_filter(values, lattice, reverse)
        assert got.dtype == dtype
        assert abs(got - expected).max() < tolerance * abs(expected).max()


def test_filter_of_a_lattice_written_out_by_hand(column):
    # d = 1: the lattice is a line of vertices, blur [1/2 1 1/2] along both axes, factor 1 / (1 + 1/2)
    f = np.array([[0.0, 0.05, 0.1]], np.float32)
    lattice = column.permutohedral_lattice(f)
    splat = np.zeros((3, lattice.vertices))
    for n in range(3):
        for k in range(2):
            splat[n, lattice.vertex[n, k]] += lattice.weight[n, k]
    blur = np.eye(lattice.vertices)
    for j in range(2):
        step = np.eye(lattice.vertices)
        for m in range(lattice.vertices):
            for n in lattice.neighbour[j, m]:
                if n < lattice.vertices:
                    step[m, n] += 0.5
        blur = step @ blur
    values = np.array([[1.0, -2.0, 5.0]])
    expected = values @ (splat @ blur @ splat.T).T / 1.5
    np.testing.assert_allclose(column.permutohedral_filter(values, lattice, False), expected, rtol=1e-12)


def test_the_lattice_comes_nearer_to_the_exact_filter_as_the_standard_deviation_grows(column):
    y, x = np.mgrid[:24, :32]
    values = np.random.default_rng(0).random((2, 24 * 32))
    errors = []
    for std in (1, 2, 4, 8):
        f = np.stack([x.ravel(), y.ravel()]) / std
        ones = np.ones((1, 24 * 32))
        lattice = column.permutohedral_lattice(f)
        approximate = column.permutohedral_filter(values, lattice, False) / column.permutohedral_filter(
            ones, lattice, False
        )
        exact = column.gaussian_sum(values, f) / column.gaussian_sum(ones, f)
        errors.append(abs(approximate - exact).mean())
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[-1] < 0.01


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_gaussian_sum_equals_the_matrix(column, dtype, tolerance):
    f = points(4, 600, 1).astype(dtype)
    values = np.random.default_rng(1).normal(size=(3, 600)).astype(dtype)
    K = np.array([[np.exp(-0.5 * ((a - b) ** 2).sum()) for a in f.T.astype(float)] for b in f.T.astype(float)])
    np.testing.assert_allclose(column.gaussian_sum(values, f), values @ K, atol=tolerance * 600)


@pytest.mark.parametrize("C", [1, 2, 3, 5, 21, 40])
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_mean_field_equals_the_reference(C, dtype, tolerance):
    rng = np.random.default_rng(C)
    unary = rng.normal(size=(C, 500)).astype(dtype)
    m = rng.normal(size=(C, C)) / C
    a, b = (cpu.permutohedral_lattice(points(d, 500, 1)) for d in (5, 2))
    scale = rng.random((3, 500)) / 30
    terms = [(a, scale[0], scale[1], -2 * np.eye(C)), (b, scale[2], scale[2], m + m.T)]
    expected = reference.mean_field(unary.astype(np.float64), terms, 5, True)
    got = cpu.mean_field(unary, terms, 5, True)
    for x, y in zip(got, expected):
        assert x.shape == (6, C, 500) and x.dtype == dtype
        assert abs(x - y).max() < tolerance
    assert np.array_equal(cpu.mean_field(unary, terms, 5, False), got[1][-1])
    np.testing.assert_allclose(cpu.mean_field(unary, [], 3, False), expected[1][0], atol=tolerance)


@pytest.mark.parametrize(
    "features, message",
    [
        (np.zeros((0, 5)), "d 1..8"),
        (np.zeros((9, 5)), "d 1..8"),
        (np.zeros((2, 0)), "d 1..8"),
        (np.zeros(5), "d 1..8"),
        (np.full((2, 5), np.nan), "finite"),
        (np.full((2, 5), np.inf), "finite"),
        (np.full((2, 5), 1e8), "larger standard deviation"),
    ],
)
def test_features_that_no_lattice_holds_are_refused(column, features, message):
    with pytest.raises(ValueError, match=message):
        column.permutohedral_lattice(features)
