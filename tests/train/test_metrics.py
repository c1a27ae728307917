"""Scores from the confusion matrix, against loops over pixels and the definitions of Long et al. 2015."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidl.train.metrics import ConfusionMatrix, trimap


def loop_scores(prediction, target, K, ignore):
    pixels = [(p, t) for p, t in zip(prediction.ravel().tolist(), target.ravel().tolist()) if t != ignore]
    accuracies, ious, weighted = [], [], 0.0
    for k in range(K):
        both = sum(p == k and t == k for p, t in pixels)
        actual, claimed = sum(t == k for _, t in pixels), sum(p == k for p, _ in pixels)
        if actual:
            accuracies.append(both / actual)
            weighted += actual / len(pixels) * both / (actual + claimed - both)
        if actual + claimed:
            ious.append(both / (actual + claimed - both))
    right = sum(p == t for p, t in pixels)
    return right / len(pixels), np.mean(accuracies), np.mean(ious), weighted


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from([None, 0, 255]))
def test_scores_equal_loops(K, seed, ignore):
    rng = np.random.default_rng(seed)
    present = rng.choice(K, rng.integers(1, K + 1), replace=False)  # often some class is absent
    target, prediction = rng.choice(present, (2, 5, 7)), rng.choice(present, (2, 5, 7))
    if ignore == 255:
        target = np.where(rng.random(target.shape) < 0.3, 255, target)
    if (target == ignore).all():
        return
    cm = ConfusionMatrix(K, ignore).update(prediction.astype(np.uint8), target)
    ours = cm.pixel_accuracy(), cm.mean_accuracy(), cm.mean_iou(), cm.frequency_weighted_iou()
    np.testing.assert_allclose(ours, loop_scores(prediction, target, K, ignore), rtol=1e-12)


def test_by_hand():
    target, prediction = np.array([[0, 0, 0, 1]]), np.array([[0, 0, 1, 1]])
    cm = ConfusionMatrix(3).update(prediction, target)
    np.testing.assert_array_equal(cm.counts, [[2, 1, 0], [0, 1, 0], [0, 0, 0]])  # row: target, column: prediction
    np.testing.assert_array_equal(cm.iou(), [2 / 3, 1 / 2, np.nan])
    np.testing.assert_array_equal(cm.accuracy(), [2 / 3, 1, np.nan])
    assert cm.mean_iou() == pytest.approx(7 / 12)
    assert cm.frequency_weighted_iou() == pytest.approx(3 / 4 * 2 / 3 + 1 / 4 * 1 / 2)


def test_class_only_predicted_counts_as_zero_iou_but_not_for_accuracy():
    cm = ConfusionMatrix(3).update(np.array([2, 0]), np.array([0, 0]))
    np.testing.assert_array_equal(cm.iou(), [0.5, np.nan, 0.0])
    assert cm.mean_iou() == 0.25 and cm.mean_accuracy() == 0.5


def test_nothing_counted_is_nan_without_warning():
    cm = ConfusionMatrix(2, ignore_index=9).update(np.array([0, 1]), np.array([9, 9]))
    scores = cm.pixel_accuracy(), cm.mean_accuracy(), cm.mean_iou(), cm.frequency_weighted_iou()
    assert np.isnan(scores).all() and "0 pixels" in repr(cm)


def test_parts_merge_into_the_whole_and_states_continue():
    rng = np.random.default_rng(0)
    target, prediction = rng.integers(0, 4, (2, 6, 8, 8))
    whole = ConfusionMatrix(4).update(prediction, target)
    parts = [ConfusionMatrix(4).update(p, t) for p, t in zip(prediction, target)]
    total = sum(parts[1:], start=parts[0])
    np.testing.assert_array_equal(total.counts, whole.counts)
    assert parts[0].counts.sum() == 64  # + left its arguments alone
    resumed = ConfusionMatrix(4)
    resumed.load_state_dict(parts[0].state_dict())
    for p, t in zip(prediction[1:], target[1:]):
        resumed.update(p, t)
    np.testing.assert_array_equal(resumed.counts, whole.counts)
    resumed.reset()
    assert resumed.counts.sum() == 0


def test_saved_counts_are_a_copy():
    cm = ConfusionMatrix(2).update(np.array([0]), np.array([0]))
    state = cm.state_dict()
    cm.update(np.array([1]), np.array([1]))
    assert state["counts"].sum() == 1


@pytest.mark.parametrize(
    "prediction, target, message",
    [
        ([0, 3], [0, 1], r"prediction holds labels \[3\]; needed 0\.\.2"),
        ([0, 1], [0, -1], r"target holds labels \[-1\]; needed 0\.\.2, or ignore_index \(None\)"),
        ([0, 1], [0, 255], r"target holds labels \[255\]"),
        ([0, 1], [0, 1, 2], r"prediction \(2,\), target \(3,\); needed one shape"),
    ],
)
def test_wrong_labels_are_refused(prediction, target, message):
    cm = ConfusionMatrix(3)
    with pytest.raises(ValueError, match=message):
        cm.update(np.array(prediction), np.array(target))
    assert cm.counts.sum() == 0


def test_other_refusals():
    with pytest.raises(TypeError, match="prediction is float32; needed integer labels"):
        ConfusionMatrix(2).update(np.zeros((2, 2), np.float32), np.zeros((2, 2), int))
    with pytest.raises(ValueError, match="num_classes 0"):
        ConfusionMatrix(0)
    with pytest.raises(ValueError, match="2 and 3 classes"):
        ConfusionMatrix(2) + ConfusionMatrix(3)
    with pytest.raises(ValueError, match=r"counts \(2, 2\); needed \(3, 3\)"):
        ConfusionMatrix(3).load_state_dict({"counts": np.zeros((2, 2))})
    with pytest.raises(ValueError, match=r"where \(3,\)"):
        ConfusionMatrix(2).update(np.zeros(2, int), np.zeros(2, int), where=np.ones(3, bool))


def test_prediction_under_ignored_pixels_may_be_anything():
    cm = ConfusionMatrix(2, ignore_index=255).update(np.array([0, 200]), np.array([0, 255]))
    assert cm.counts.sum() == 1


def loop_trimap(mask, width):
    H, W = mask.shape
    near = [
        [
            any(
                (y - v) ** 2 + (x - u) ** 2 <= width**2 and mask[v, u] != mask[y, x] for v in range(H) for u in range(W)
            )
            for x in range(W)
        ]
        for y in range(H)
    ]
    return np.array(near)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 1.5, 2, 3, 20]), st.integers(0, 2**32 - 1))
def test_trimap_equals_loops(H, W, width, seed):
    mask = (np.random.default_rng(seed).random((H, W)) < 0.15).astype(np.uint8)
    np.testing.assert_array_equal(trimap(mask, width), loop_trimap(mask, width))


def test_trimap_of_a_straight_border_is_width_pixels_on_either_side():
    mask = np.zeros((2, 5, 12), np.uint8)  # a batch
    mask[:, :, 6:] = 1
    for width in (1, 2, 3):
        expected = np.zeros(12, bool)
        expected[6 - width : 6 + width] = True
        np.testing.assert_array_equal(trimap(mask, width), np.broadcast_to(expected, mask.shape))
    assert not trimap(mask, 3)[0, 0, 0] and not trimap(np.zeros((4, 4), int), 3).any()
    with pytest.raises(ValueError, match="width 0"):
        trimap(mask, 0)


def test_border_scores_see_border_errors_only():
    target = np.zeros((10, 20), np.uint8)
    target[:, 10:] = 1
    prediction = np.roll(target, 1, axis=1)  # one column wrong at the border, one at the left edge, far from it
    band = ConfusionMatrix(2).update(prediction, target, where=trimap(target, 2))
    assert band.counts.tolist() == [[20, 0], [10, 10]]
    assert band.mean_iou() < ConfusionMatrix(2).update(prediction, target).mean_iou()
