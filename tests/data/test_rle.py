"""Run-length codes and polygons: against loops over pixels, against pycocotools where it is installed, and bad input."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.data import rle

SEEDS = st.integers(0, 2**32 - 1)


def masks(seed, count=1):
    rng = np.random.default_rng(seed)
    H, W = rng.integers(1, 30, 2)
    return [(rng.random((H, W)) < rng.choice([0, 0.1, 0.5, 0.9, 1])).astype(np.uint8) for _ in range(count)]


def loop_counts(mask):
    counts, value, run = [], 0, 0
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts.append(run)
            value, run = pixel, 0
        run += 1
    return [*counts, run]


def loop_polygon(points, H, W):
    """Every fifth of a pixel on the outline, one at a time; then each column from the top down."""
    vertices = [(int(5 * x + 0.5), int(5 * y + 0.5)) for x, y in points]
    line = []
    for (x0, y0), (x1, y1) in zip(vertices, vertices[1:] + vertices[:1]):
        wide = abs(x1 - x0) >= abs(y1 - y0)
        n = max(abs(x1 - x0), abs(y1 - y0))
        low, high = ((x0, y0), (x1, y1)) if (x0 <= x1 if wide else y0 <= y1) else ((x1, y1), (x0, y0))
        edge = []
        for k in range(n + 1):
            if wide:
                edge.append((low[0] + k, int(low[1] + (high[1] - low[1]) / max(n, 1) * k + 0.5)))
            else:
                edge.append((int(low[0] + (high[0] - low[0]) / max(n, 1) * k + 0.5), low[1] + k))
        line += edge if low == (x0, y0) else edge[::-1]
    mask = np.zeros((H, W), np.uint8)
    for (u0, v0), (u1, v1) in pairwise(line):
        column = min(u0, u1)
        if u0 != u1 and column % 5 == 2 and 0 <= column // 5 < W:
            start = min(max(int(np.ceil((min(v0, v1) + 0.5) / 5 - 0.5)), 0), H)
            mask[start:, column // 5] ^= 1
    return mask


@settings(deadline=None, max_examples=80)
@given(SEEDS)
def test_encode_decode_and_area_equal_loops(seed):
    (mask,) = masks(seed)
    code = rle.encode(mask)
    assert code["counts"].tolist() == loop_counts(mask) and code["size"] == mask.shape
    text = rle.compress(code["counts"])
    for counts in (code["counts"], code["counts"].tolist(), text, text.encode()):
        again = {"size": list(mask.shape), "counts": counts}
        np.testing.assert_array_equal(rle.decode(again), mask)
        assert rle.area(again) == mask.sum()
    assert rle.decode(code).dtype == np.uint8


@settings(deadline=None, max_examples=80)
@given(SEEDS, st.integers(1, 5))
def test_merge_is_union_and_intersection(seed, count):
    many = masks(seed, count)
    codes = [rle.encode(mask) for mask in many]
    for intersect, function in ((False, np.max), (True, np.min)):
        merged = rle.merge(codes, intersect)
        assert merged["counts"].tolist() == loop_counts(function(many, axis=0))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(-(2**40), 2**40) | st.integers(-40, 40), max_size=12))
def test_strings_hold_any_numbers(numbers):
    text = rle.compress(numbers)
    assert rle.decompress(text).tolist() == numbers
    assert all("0" <= c <= "o" for c in text)


def test_a_string_by_hand():
    assert rle.compress([0, 15, 16, 15, 47]) == "0?`00o0"  # 15 is one digit, 16 needs a sign; then 15 - 15, 47 - 16
    assert rle.decompress("0?`00o0").tolist() == [0, 15, 16, 15, 47]


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_polygons_equal_loops(seed):
    rng = np.random.default_rng(seed)
    H, W = rng.integers(1, 25, 2)
    points = rng.uniform(0, 30, (rng.integers(3, 8), 2))
    points = points if rng.random() < 0.5 else np.round(2 * points) / 2
    np.testing.assert_array_equal(rle.decode(rle.from_polygon(points, (H, W))), loop_polygon(points, H, W))


def test_a_rectangle_and_a_hole():
    box = np.array([(2, 1), (7, 1), (7, 5), (2, 5)])
    expected = np.zeros((8, 9), np.uint8)
    expected[1:5, 2:7] = 1
    np.testing.assert_array_equal(rle.decode(rle.from_polygon(box, (8, 9))), expected)
    np.testing.assert_array_equal(rle.decode(rle.from_polygon(box[::-1], (8, 9))), expected)
    twice = np.concatenate([box, box])  # even and odd: the second time round takes everything away
    assert rle.area(rle.from_polygon(twice, (8, 9))) == 0
    outside = rle.from_polygon(10 * (box - 3), (8, 9))
    np.testing.assert_array_equal(rle.decode(outside), np.ones((8, 9), np.uint8))
    assert rle.area(rle.from_polygon(box + 100, (8, 9))) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
def test_everything_equals_pycocotools():
    official = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(7)
    for seed in range(150):
        many = masks(seed, 3)
        theirs = [official.encode(np.asfortranarray(mask)) for mask in many]
        ours = [rle.encode(mask) for mask in many]
        assert [rle.compress(code["counts"]) for code in ours] == [code["counts"].decode() for code in theirs]
        assert [rle.area(code) for code in theirs] == official.area(theirs).tolist()
        for intersect in (False, True):
            merged = rle.compress(rle.merge(theirs, intersect)["counts"])
            assert merged == official.merge(theirs, intersect)["counts"].decode()
    differ = 0
    for k in range(600):
        H, W = (int(n) for n in rng.integers(1, 60, 2))
        points = rng.uniform(-20, 80, (rng.integers(3, 12), 2))
        points = [points, np.round(points), np.round(10 * points) / 10, np.round(5 * points) / 5][k % 4]
        theirs = official.frPyObjects([points.ravel().tolist()], H, W)[0]["counts"].decode()
        differ += rle.compress(rle.from_polygon(points, (H, W))["counts"]) != theirs
    assert differ == 0


def test_no_pixels():
    for shape in ((0, 5), (3, 0)):
        code = rle.encode(np.zeros(shape))
        assert rle.decode(code).shape == shape and rle.area(rle.merge([code, code])) == 0


@pytest.mark.parametrize(
    "code, message",
    [
        ({"size": (2, 3), "counts": [2, 3]}, "sum to 5; needed runs of 0 or more that sum to 2 x 3 = 6"),
        ({"size": (2, 3), "counts": [8, -2]}, "2 runs, the shortest of -2"),
        ({"size": (2, 3), "counts": [2.5, 3.5]}, "counts float64"),
        ({"size": (2,), "counts": [2]}, "size"),
        ({"size": (-2, 3), "counts": [6]}, "not negative"),
        ({"size": (2, 3), "counts": "o"}, "ends within a number"),
        ({"size": (2, 3), "counts": "5 "}, "outside"),
        ({"size": (2, 3), "counts": "é"}, "outside"),
        ({"size": (2, 3), "counts": "o" * 20 + "0"}, "60 bits"),
        ({"counts": [6]}, r"is \['counts'\]; needed a dictionary with size and counts"),
        ([6], "is list"),
    ],
)
def test_broken_codes_are_refused(code, message):
    with pytest.raises(ValueError, match=message):
        rle.decode(code)


def test_broken_masks_and_polygons_are_refused():
    with pytest.raises(ValueError, match=r"rle.encode: mask is \(2, 3, 4\); needed H x W"):
        rle.encode(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="one size"):
        rle.merge([rle.encode(np.zeros((2, 3))), rle.encode(np.zeros((3, 2)))])
    with pytest.raises(ValueError, match="one or more"):
        rle.merge([])
    with pytest.raises(ValueError, match=r"points \(2, 2\); needed at least 3 x 2"):
        rle.from_polygon([(0, 0), (4, 4)], (5, 5))
    with pytest.raises(ValueError, match="not finite"):
        rle.from_polygon([(0, 0), (4, np.nan), (3, 3)], (5, 5))
    with pytest.raises(ValueError, match="pixels long"):
        rle.from_polygon([(0, 0), (5e7, 4), (3, 3)], (5, 5))
