"""The dense CRF: unaries, terms, inference against loops, energies, bad input, search for parameters."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl import backend
from minidl.crf import Bilateral, DenseCRF, Features, Gaussian, from_labels, from_logits, from_probabilities, tune


def scene(H=24, W=32, C=3, seed=0):
    """Image (3, H, W) uint8 of smooth colours, noisy unary (C, H, W)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:H, :W]
    image = np.stack([120 + 100 * np.sin(x / 5 + c) * np.cos(y / (4 + c)) for c in range(3)])
    image = np.clip(image + rng.normal(size=image.shape) * 6, 0, 255).astype(np.uint8)
    return image, rng.normal(size=(C, H, W)).astype(np.float32)


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


# -- unaries ---------------------------------------------------------------------------------------------------------------


def test_unaries_are_energies_of_what_they_were_made_of():
    p = np.random.default_rng(0).dirichlet(np.ones(4), (5, 6)).transpose(2, 0, 1)
    np.testing.assert_allclose(softmax(-from_probabilities(p)), p, atol=1e-4)
    np.testing.assert_allclose(softmax(-from_logits(np.log(p) + 7)), p, rtol=1e-12)
    u = from_labels(np.array([[0, 2, 255]]), 3, confidence=0.6)
    np.testing.assert_allclose(np.exp(-u[:, 0]).T, [[0.6, 0.2, 0.2], [0.2, 0.2, 0.6], [1 / 3] * 3], rtol=1e-6)
    assert from_labels(np.zeros((2, 4, 5), int), 3).shape == (2, 3, 4, 5)
    assert from_probabilities(p.astype(np.float32)).dtype == np.float32


def test_zero_and_one_are_clipped():
    p = np.zeros((2, 1, 1))
    p[0] = 1
    np.testing.assert_allclose(from_probabilities(p)[:, 0, 0], [0, -np.log(1e-5)])
    assert np.isfinite(from_logits(np.array([1e4, -1e4]).reshape(2, 1, 1))).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: from_probabilities(np.full((2, 3, 3), 0.6)), "sum to 1"),
        (lambda: from_probabilities(np.array([1.5, -0.5]).reshape(2, 1, 1)), "negative"),
        (lambda: from_probabilities(np.full((2, 3, 3), np.nan)), "NaN"),
        (lambda: from_probabilities(np.full((2, 3), 0.5)), "must be"),
        (lambda: from_probabilities(np.zeros((0, 3, 3))), "empty"),
        (lambda: from_probabilities(np.full((2, 3, 3), 0.5), clip=0), "clip"),
        (lambda: from_logits(np.full((2, 3, 3), np.inf)), "infinity"),
        (lambda: from_labels(np.array([[0, 3]]), 3), "outside 0..2"),
        (lambda: from_labels(np.array([[0, -1]]), 3), "outside 0..2"),
        (lambda: from_labels(np.array([[0.0, 1.0]]), 3), "integers"),
        (lambda: from_labels(np.array([[0, 1]]), 3, confidence=1), "confidence"),
        (lambda: from_labels(np.array([[0, 0]]), 0), "num_classes"),
    ],
)
def test_bad_unaries_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- inference against loops -----------------------------------------------------------------------------------------------


def loops(image, unary, terms, iterations):
    """Mean field by definition: a dense kernel matrix per term (feature list, compat matrix), symmetric normalisation."""
    C = len(unary)
    K = []
    for features, M in terms:
        k = np.array([[np.exp(-0.5 * np.sum((a - b) ** 2)) for a in features] for b in features])
        norm = 1 / np.sqrt(k.sum(axis=1) + 1e-20)
        K.append((norm[:, None] * k * norm, M))
    u = unary.reshape(C, -1).astype(np.float64)
    q, energies = softmax(-u), []
    for step in range(iterations + 1):
        message = sum(M @ q @ k.T for k, M in K)
        energies.append((q * np.log(q)).sum() + (q * u).sum() + 0.5 * (q * message).sum())
        if step < iterations:
            q = softmax(-u - message)
    return q.reshape(unary.shape), np.array(energies)


@pytest.mark.parametrize("compat", [4.0, [-3.0, -1.0, 0.5], [[-2, 1, 0], [0, -3, 0.5], [1, 1, -1]]])
def test_exact_inference_is_the_definition(compat):
    image, unary = scene(7, 9)
    terms = (Gaussian((2, 1.5), 3), Bilateral(4, 30, compat))
    crf = DenseCRF(image, terms, exact=True)
    y, x = np.mgrid[:7, :9]
    position = np.stack([x.ravel(), y.ravel()], axis=1)
    colour = image.reshape(3, -1).T.astype(float)
    m = np.array(compat)
    M = -4.0 * np.eye(3) if m.ndim == 0 else np.diag(m) if m.ndim == 1 else (m + m.T) / 2
    features = [(position / [2, 1.5], -3 * np.eye(3)), (np.concatenate([position / 4, colour / 30], axis=1), M)]
    expected, energies = loops(image, unary, features, 4)
    trace = crf.inference(unary.astype(np.float64), 4, history=True)
    np.testing.assert_allclose(trace.beliefs[-1], expected, atol=1e-6)
    np.testing.assert_allclose(trace.energies, energies, rtol=1e-6)
    np.testing.assert_allclose(softmax(trace.scores[-1]), expected, atol=1e-6)
    assert abs(crf.inference(unary, 4) - expected).max() < 1e-5


@pytest.mark.parametrize("C", [2, 21])
@pytest.mark.parametrize("normalization", ["mean", "before", "after", "symmetric"])
def test_float32_kernels_agree_with_the_float64_reference(C, normalization):
    image, unary = scene(60, 80, C)
    terms = (Gaussian(3, 3, normalization), Bilateral(30, 13, 5, normalization))
    got = DenseCRF(image, terms).inference(unary)
    with backend.use("reference"):
        expected = DenseCRF(image, terms).inference(unary.astype(np.float64))
    assert got.dtype == np.float32
    assert abs(got - expected).max() < 1e-5
    assert np.array_equal(got.argmax(axis=0), expected.argmax(axis=0))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 150), st.integers(1, 6), st.booleans(), st.integers(0, 5))
def test_any_size_any_labels_any_channels(H, W, C, channels, exact, iterations):
    rng = np.random.default_rng(H * W * C)
    image = rng.integers(0, 256, (channels, H, W), np.uint8)
    q = DenseCRF(image, (Gaussian(), Bilateral(5, 40)), exact).inference(rng.normal(size=(C, H, W)), iterations)
    assert q.shape == (C, H, W) and (q >= 0).all()
    np.testing.assert_allclose(q.sum(axis=0), 1, atol=1e-12)


def test_lattice_beliefs_are_near_the_exact_ones():
    image, unary = scene(30, 40)
    terms = (Gaussian(3, 3), Bilateral(40, 30, 5))
    q, exact = (DenseCRF(image, terms, exact).inference(2 * unary, 5) for exact in (False, True))
    assert abs(q - exact).mean() < 0.05
    assert (q.argmax(axis=0) == exact.argmax(axis=0)).mean() > 0.93


def test_the_crf_repairs_a_noisy_labelling_along_the_edges_of_the_image():
    truth = np.zeros((40, 60), int)
    truth[:, 27:] = 1
    rng = np.random.default_rng(0)
    image = (truth * 120 + 60 + rng.normal(size=(3, 40, 60)) * 8).clip(0, 255).astype(np.uint8)
    noisy = np.where(rng.random(truth.shape) < 0.25, 1 - truth, truth)
    labels = DenseCRF(image).inference(from_labels(noisy, 2)).argmax(axis=0)
    assert (noisy != truth).mean() > 0.2
    assert (labels != truth).mean() < 0.002


def test_a_batch_is_its_images():
    scenes = [scene(seed=s) for s in range(2)]
    images, unaries = (np.stack(x) for x in zip(*scenes))
    whole = DenseCRF(images).inference(unaries, 3, history=True)
    assert whole.beliefs.shape == (4, 2, 3, 24, 32) and whole.energies.shape == (4, 2)
    for b, (image, unary) in enumerate(scenes):
        alone = DenseCRF(image).inference(unary, 3, history=True)
        np.testing.assert_allclose(whole.beliefs[:, b], alone.beliefs, atol=1e-6)
        np.testing.assert_allclose(whole.energies[:, b], alone.energies, rtol=1e-6)
    one = DenseCRF(images[0]).inference(unaries, 3)  # one image, two unaries
    np.testing.assert_allclose(one[0], whole.beliefs[-1, 0], atol=1e-6)


def test_history_starts_at_the_unary_and_ends_at_the_answer():
    image, unary = scene()
    crf = DenseCRF(image)
    trace = crf.inference(unary, 4, history=True)
    assert trace.scores.shape == trace.beliefs.shape == (5, 3, 24, 32)
    np.testing.assert_allclose(trace.beliefs[0], softmax(-unary), atol=1e-6)
    np.testing.assert_array_equal(trace.beliefs[-1], crf.inference(unary, 4))
    np.testing.assert_allclose(trace.energies[-1], crf.free_energy(unary, trace.beliefs[-1]))
    np.testing.assert_allclose(DenseCRF(terms=()).inference(unary), softmax(-unary), atol=1e-6)


# -- energies --------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(2, 4), st.floats(-8, 8), st.booleans(), st.integers(0, 99))
def test_sequential_updates_never_raise_the_free_energy(H, W, C, scale, symmetric, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (3, H, W), np.uint8)
    normalization = "symmetric" if symmetric else "mean"
    compat = scale * rng.normal(size=(C, C))  # attraction, repulsion and anything between
    terms = (Gaussian(1.5, 2, normalization), Bilateral(3, 60, compat, normalization))
    crf = DenseCRF(image, terms, exact=True)
    energies = crf.inference(rng.normal(size=(C, H, W)) * 3, 5, sequential=True, history=True).energies
    assert (np.diff(energies) <= 1e-9 * np.abs(energies[:-1]).max() + 1e-9).all()


def test_parallel_updates_may_raise_the_free_energy_where_sequential_ones_do_not():
    unary = np.random.default_rng(0).normal(size=(2, 6, 6)) * 0.1
    crf = DenseCRF(terms=[Gaussian(2, [6.0, 6.0])], exact=True)  # neighbours repel each other: all flip at once
    assert np.diff(crf.inference(unary, 8, history=True).energies).max() > 0.1
    assert np.diff(crf.inference(unary, 8, sequential=True, history=True).energies).max() <= 1e-9


# -- other inputs ----------------------------------------------------------------------------------------------------------


def test_grey_multispectral_and_arbitrary_features():
    image, unary = scene()
    grey = image[:1]
    y, x = np.mgrid[:24, :32].astype(np.float32)
    features = np.stack([x / np.float32(20), y / np.float32(20), grey[0] / np.float32(25)])
    a = DenseCRF(grey, [Bilateral(20, 25, 5)]).inference(unary)
    b = DenseCRF(terms=[Features(features, 5)]).inference(unary)
    np.testing.assert_allclose(a, b, atol=1e-6)
    six = np.concatenate([image, image[::-1]])
    assert DenseCRF(six, [Bilateral(20, [30] * 6, 5)]).inference(unary).shape == unary.shape
    both = DenseCRF(terms=[Features(np.stack([features, features]), 5)]).inference(np.stack([unary, unary]))
    np.testing.assert_allclose(both[1], b, atol=1e-6)


def test_one_pixel_one_label_one_colour():
    image, unary = scene(1, 1, 4)
    q = DenseCRF(image, exact=True).inference(unary)
    np.testing.assert_allclose(q, DenseCRF(image).inference(unary), atol=1e-5)  # alone: K = 1 either way
    assert np.array_equal(DenseCRF(scene()[0]).inference(np.zeros((1, 24, 32), np.float32)), np.ones((1, 24, 32)))
    _, unary = scene()
    flat = DenseCRF(np.full((3, 24, 32), 77, np.uint8), [Bilateral(4, 13, 5)]).inference(unary)
    position = DenseCRF(terms=[Gaussian(4, 5)], exact=True).inference(unary)
    assert (flat.argmax(axis=0) == position.argmax(axis=0)).mean() > 0.8  # without colour only position is left


def test_tiny_standard_deviations_leave_pixels_alone_and_smaller_ones_are_refused():
    image, unary = scene()
    q = DenseCRF(image, [Gaussian(0.01, 3)]).inference(unary, 1)
    np.testing.assert_allclose(q, softmax(-unary + 3 * softmax(-unary)), atol=1e-5)
    with pytest.raises(ValueError, match="standard deviation"):
        DenseCRF(image, [Gaussian(1e-7, 3)]).inference(unary)
    with pytest.raises(ValueError, match="standard deviation"):
        DenseCRF(image, [Bilateral(80, 1e-6)]).inference(unary)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda i, u: DenseCRF(i[0]), ValueError, "image must be"),
        (lambda i, u: DenseCRF(i / np.nan), ValueError, "NaN"),
        (lambda i, u: DenseCRF(i, ["bilateral"]), TypeError, "a term is"),
        (lambda i, u: DenseCRF(i, [Gaussian(normalization="both")]), ValueError, "normalization"),
        (lambda i, u: DenseCRF(i).inference(u[:, :20]), ValueError, "24x32 but the unary 20x32"),
        (lambda i, u: DenseCRF(i).inference(u[0]), ValueError, "unary must be"),
        (lambda i, u: DenseCRF(i).inference(u * np.nan), ValueError, "NaN"),
        (lambda i, u: DenseCRF(i).inference(u, -1), ValueError, "iterations"),
        (lambda i, u: DenseCRF(i).inference(u, 2.5), ValueError, "iterations"),
        (lambda i, u: DenseCRF(i).inference(u, sequential=True), ValueError, "exact=True"),
        (lambda i, u: DenseCRF(i[None]).inference(u), ValueError, "for 1 images"),
        (lambda i, u: DenseCRF().inference(u), ValueError, "needs an image"),
        (
            lambda i, u: DenseCRF(i.transpose(1, 2, 0)).inference(u.transpose(1, 2, 0)),
            ValueError,
            "channels come first",
        ),
        (lambda i, u: DenseCRF(i, [Gaussian(compat=[1, 2])]).inference(u), ValueError, "compat"),
        (lambda i, u: DenseCRF(i, [Gaussian(compat=np.nan)]).inference(u), ValueError, "compat"),
        (lambda i, u: DenseCRF(i, [Bilateral(srgb=(1, 2))]).inference(u), ValueError, "srgb"),
        (lambda i, u: DenseCRF(terms=[Features(i[:, :5])]).inference(u), ValueError, "features must be"),
        (lambda i, u: DenseCRF(i).free_energy(u, u[:, :5]), ValueError, "beliefs"),
        (
            lambda i, u: DenseCRF(i, [Gaussian(normalization="after")], exact=True).inference(u, sequential=True),
            ValueError,
            "symmetric kernel",
        ),
    ],
)
def test_bad_input_is_refused_by_name(call, error, message):
    with np.errstate(invalid="ignore", divide="ignore"), pytest.raises(error, match=message):
        call(*scene())


def test_an_image_in_other_units_than_srgb_is_noticed():
    image, _ = scene()
    with pytest.warns(UserWarning, match="units of the image"):
        DenseCRF(image / 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DenseCRF(image / 255, [Bilateral(80, 0.05)])


# -- search ----------------------------------------------------------------------------------------------------------------


def test_tune_finds_what_the_grid_holds_and_refines_it():
    samples = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        truth = np.zeros((30, 40), np.uint8)
        truth[8:22, 10 + seed : 30] = 1
        truth[0, 0] = 255
        image = (np.where(truth == 1, 150, 70) + rng.normal(size=(3, 30, 40)) * 5).clip(0, 255).astype(np.uint8)
        noisy = np.where(rng.random(truth.shape) < 0.2, 1 - (truth == 1), truth == 1)
        samples.append((image, from_labels(noisy, 2), truth))
    seen = []
    grid = {"w1": (0.01, 4), "sxy": (2, 20), "srgb": (10, 200)}
    found = tune(samples, 2, grid, rounds=2, iterations=3, progress=lambda pairs: seen.append(len(pairs)) or pairs)
    assert found.mean_iou > found.before + 0.1
    assert (found.w1, found.sxy, found.srgb) in [row[:3] for row in found.tried]
    assert found.mean_iou == max(row[3] for row in found.tried)
    assert found.tried[0][:3] == (0.01, 2, 10) or found.tried[0][:3] == (0.01, 2.0, 10.0)
    assert len(seen) == 2 and len(found.tried) > 8 and len({row[:3] for row in found.tried}) == len(found.tried)
    again = DenseCRF(samples[0][0], found.terms()).inference(samples[0][1], 3).argmax(axis=0)
    assert (again == (samples[0][2] == 1)).mean() > 0.95


@pytest.mark.parametrize("grid", [{"w1": ()}, {"sxy": (5, 3)}, {"srgb": (0, 1)}, {"w2": (1,)}])
def test_tune_refuses_a_strange_grid(grid):
    with pytest.raises(ValueError, match="grid"):
        tune([1], 2, grid)


def test_tune_needs_samples():
    with pytest.raises(ValueError, match="sample"):
        tune([], 2)


def test_no_normalisation_is_what_the_reference_program_calls_so():
    """One update with the unnormalised sums of Krähenbühl and Koltun's C++: the same parameters give the same result."""
    rng = np.random.default_rng(4)
    unary = rng.normal(size=(3, 4, 5))
    q = np.exp(-unary) / np.exp(-unary).sum(0)
    message = np.zeros_like(q)
    for i in np.ndindex(4, 5):
        for j in np.ndindex(4, 5):
            message[:, *i] += np.exp(-((i[0] - j[0]) ** 2 + (i[1] - j[1]) ** 2) / (2 * 1.5**2)) * q[:, *j]
    wanted = np.exp(-unary + 0.2 * message)
    got = DenseCRF(terms=[Gaussian(1.5, 0.2, "none")], exact=True).inference(unary, 1)
    np.testing.assert_allclose(got, wanted / wanted.sum(0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e29, 3e37, -1e38])
def test_energies_of_any_size_give_beliefs(scale, dtype):
    image, unary = scene(8, 9, 3)
    unary = (unary / abs(unary).max() * scale).astype(dtype)
    q = DenseCRF(image).inference(unary, 2)
    np.testing.assert_allclose(q.sum(axis=0), 1, atol=1e-5)
    assert (q.argmax(axis=0) == unary.argmin(axis=0)).all()
