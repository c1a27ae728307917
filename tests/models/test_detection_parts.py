"""The parts of a detector: anchors, matching, sampling, the transform, the pyramid, pooling by level, losses, detections."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rectangles import target

import minidl
from minidl import functional as F
from minidl import tensor
from minidl.models import detection as D
from minidl.models.detection.boxes import decode, encode, with_image


def test_anchors_against_loops():
    generator = D.AnchorGenerator(((16, 24), (32, 40)), ((0.5, 1.0, 2.0),))
    levels = generator([(3, 4), (2, 2)], (24, 32))
    for sizes, stride, (H, W), found in zip(((16, 24), (32, 40)), ((8, 8), (12, 16)), ((3, 4), (2, 2)), levels):
        wanted = []
        for i in range(H):
            for j in range(W):
                for ratio in (0.5, 1.0, 2.0):
                    for size in sizes:
                        w, h = size / ratio**0.5, size * ratio**0.5
                        x, y = j * stride[1], i * stride[0]
                        wanted.append((x - round(w / 2), y - round(h / 2), x + round(w / 2), y + round(h / 2)))
        assert np.array_equal(found, np.array(wanted, np.float32))
    with pytest.raises(ValueError, match="3 feature maps"):
        generator([(1, 1)] * 3, (8, 8))


def test_what_the_head_says_is_in_the_order_of_the_anchors():
    head = D.RPNHead(2, 3)
    for p in head.parameters():
        p.data[:] = 0
    head.conv[0][0].weight.data[[0, 1], [0, 1], 1, 1] = 1  # the features themselves
    head.cls_logits.weight.data[:] = np.array([[1, 0], [0, 1], [1, 1]])[..., None, None]
    head.bbox_pred.bias.data[:] = np.arange(12)
    x = np.random.default_rng(0).random((2, 2, 3, 4)).astype(np.float32)
    logits, deltas = head([tensor(x)])
    wanted = [[x[n, 0, i, j], x[n, 1, i, j], x[n, :, i, j].sum()] for n in range(2) for i in range(3) for j in range(4)]
    np.testing.assert_allclose(logits.data.ravel(), np.ravel(wanted), rtol=1e-6)
    assert np.array_equal(deltas.data[1, :3], np.arange(12).reshape(3, 4))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 4), st.integers(1, 9), st.booleans(), st.integers(0, 10**6))
def test_matching_against_loops(K, B, keep_best, seed):
    iou = np.random.default_rng(seed).integers(0, 6, (K, B)) / 5  # many ties
    found = D.match(iou, 0.6, 0.4, keep_best)
    for b in range(B):
        best = max(range(K), key=lambda k: (iou[k, b], -k), default=None)
        value = -1 if best is None else iou[best, b]
        wanted = best if value >= 0.6 else D.BELOW if value < 0.4 else D.BETWEEN
        if keep_best and any(iou[k, b] == iou[k].max() for k in range(K)):
            wanted = best
        assert found[b] == wanted


def test_samples_keep_to_their_share_and_fill_up():
    labels = np.array([1, 0, -1, 2, 0, 0, 1, -1, 0, 3])
    positive, negative = D.sample(labels, 6, 0.5, np.random.default_rng(0))
    assert len(positive) == len(negative) == 3 and (labels[positive] > 0).all() and (labels[negative] == 0).all()
    assert len(set(positive)) == 3
    positive, negative = D.sample(labels, 100, 0.25, np.random.default_rng(0))
    assert len(positive) == 4 and len(negative) == 4
    drawn = [tuple(D.sample(labels, 2, 0.5, np.random.default_rng(s))[0]) for s in range(20)]
    assert len(set(drawn)) > 1


def test_transform_there_and_back():
    transform = D.DetectionTransform(50, 90, size_divisible=16).eval()
    images = [tensor(np.full((3, 40, 60), 0.5, np.float32)), tensor(np.zeros((3, 30, 90), np.float32))]
    targets = [target((40, 60), [(6, 4, 30, 36)]), target((30, 90))]
    batch, sizes, scaled = transform(images, targets)
    assert sizes == [(50, 75), (30, 90)] and batch.shape == (2, 3, 64, 96)
    mean, std = transform.mean[:, None, None], transform.std[:, None, None]
    np.testing.assert_allclose(batch.data[0, :, :50, :75], np.broadcast_to((0.5 - mean) / std, (3, 50, 75)), rtol=1e-5)
    assert not batch.data[0, :, 50:].any() and not batch.data[0, :, :, 75:].any()
    np.testing.assert_allclose(scaled[0]["boxes"], [[7.5, 5, 37.5, 45]])
    assert scaled[0]["masks"].shape == (1, 50, 75) and scaled[0]["masks"][0, 5:45, 8:37].all()
    ones = tensor(np.ones((1, 1, 28, 28), np.float32))
    found = [{"boxes": tensor(t["boxes"]), "masks": m} for t, m in zip(scaled, (ones, ones[:0]))]
    back = transform.restore(found, sizes, [(40, 60), (30, 90)])
    np.testing.assert_allclose(back[0]["boxes"].data, targets[0]["boxes"], rtol=1e-6)
    # a pasted mask covers the pixels of its box, and of the pixel at its lower right corner, as torchvision's
    assert (back[0]["masks"].data[0, 0, 4:36, 6:30] > 0.5).all() and back[0]["masks"].data[0, 0, :, 32:].max() < 0.5
    assert back[1]["masks"].shape == (0, 1, 30, 90)


def test_training_draws_one_of_several_sizes():
    transform = D.DetectionTransform((40, 60), 1000)
    image = [tensor(np.zeros((3, 30, 30), np.float32))]
    assert {transform(image)[1][0] for _ in range(30)} == {(40, 40), (60, 60)}
    assert transform.eval()(image)[1] == [(60, 60)]
    assert D.DetectionTransform(None)(image)[1] == [(30, 30)]


def test_pyramid_adds_what_is_coarser():
    fpn = D.FeaturePyramidNetwork([1, 1], 1, extra="pool")
    for p in fpn.parameters():
        p.data[:] = 0
    for block in (*fpn.inner_blocks, *fpn.layer_blocks):
        block[0].weight.data[
            0, 0, -1 if block[0].weight.shape[-1] == 1 else 1, -1 if block[0].weight.shape[-1] == 1 else 1
        ] = 1
    fine, coarse = (
        np.arange(20.0, dtype=np.float32).reshape(1, 1, 4, 5),
        np.array([[[[100, 200], [300, 400]]]], np.float32),
    )
    levels = fpn({"0": tensor(fine), "1": tensor(coarse)})
    rows, cols = np.arange(4) * 2 // 4, np.arange(5) * 2 // 5
    assert np.array_equal(levels["0"].data, fine + coarse[:, :, rows[:, None], cols])
    assert np.array_equal(levels["pool"].data, coarse[:, :, ::2, ::2]) and list(levels) == ["0", "1", "pool"]


@pytest.mark.parametrize("pooling", ["align", "pool"])
def test_regions_come_from_the_level_that_fits_them(pooling):
    rng = np.random.default_rng(0)
    features = {str(k): tensor(rng.standard_normal((2, 3, 64 >> k, 64 >> k)).astype(np.float32)) for k in range(3)}
    boxes = [rng.uniform(0, 60, (n, 2)).repeat(2, 0).reshape(n, 4).astype(np.float32) for n in (7, 5)]
    boxes = [b + np.array([0, 0, *rng.uniform(5, 190, 2)]) for b in boxes]
    pool = D.MultiScaleRoIPool(["0", "1", "2"], 3, pooling=pooling, canonical_scale=40, canonical_level=3)
    found = pool(features, boxes, [(256, 250), (200, 256)])
    if pooling == "align":
        wanted = F.multiscale_roi_align(
            list(features.values()), [tensor(b) for b in boxes], 3, 2, (256, 256), canonical_scale=40, canonical_level=3
        )
        np.testing.assert_allclose(found.data, wanted.data, rtol=1e-5, atol=1e-6)
    for k, (n, *box) in enumerate(with_image(boxes)):
        side = ((box[2] - box[0]) * (box[3] - box[1])) ** 0.5
        level = int(np.clip(np.floor(3 + np.log2(side / 40)), 2, 4)) - 2
        one = tensor(np.array([[n, *box]], np.float32))
        wanted = pool.pool(features[str(level)], one, 0.25 / 2**level)
        np.testing.assert_allclose(found.data[k], wanted.data[0], rtol=1e-5, atol=1e-6)


def test_frozen_batch_norm_is_batch_norm_in_evaluation():
    rng = np.random.default_rng(0)
    norm = minidl.nn.BatchNorm2d(3)
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        value.data[:] = rng.uniform(0.5, 2, 3)
    x = tensor(rng.standard_normal((2, 3, 4, 4)).astype(np.float32))
    frozen = D.freeze_norms(minidl.nn.Sequential(norm))
    assert not list(frozen.parameters()) and set(dict(frozen[0].named_buffers())) == set(norm.state_dict()) - {
        "num_batches_tracked"
    }
    np.testing.assert_allclose(frozen(x).data, norm.eval()(x).data, rtol=1e-6)
    assert np.array_equal(frozen[0](x, relu=True).data, np.maximum(frozen(x).data, 0))


def test_the_mask_loss_touches_the_true_class_alone():
    rng = np.random.default_rng(0)
    logits = tensor(rng.standard_normal((3, 4, 5, 5)), requires_grad=True)
    labels, wanted = np.array([2, 1, 2]), rng.random((3, 5, 5))
    loss = D.mask_loss(logits, labels, wanted)
    p = 1 / (1 + np.exp(-logits.data[np.arange(3), labels]))
    assert float(loss) == pytest.approx(-(wanted * np.log(p) + (1 - wanted) * np.log(1 - p)).mean())
    loss.backward()
    touched = np.abs(logits.grad.data).sum((2, 3)) > 0
    assert np.array_equal(touched, labels[:, None] == np.arange(4))


def test_box_losses_and_detections_against_loops():
    rng = np.random.default_rng(0)
    logits, deltas = rng.standard_normal((6, 3)), rng.standard_normal((6, 12))
    rois = np.sort(rng.uniform(0, 50, (6, 2, 2)), axis=1).reshape(6, 4) + np.array([0, 0, 4, 4])
    objects, labels = rois + rng.uniform(-1, 1, (6, 4)), np.array([0, 2, 0, 1, 2, 0])
    losses = D.box_losses(tensor(logits), tensor(deltas), rois, labels, objects)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    smooth = 0.0
    for r in np.flatnonzero(labels):
        d = np.abs(
            deltas[r, 4 * labels[r] : 4 * labels[r] + 4]
            - encode(objects[r : r + 1], rois[r : r + 1], (10, 10, 5, 5))[0]
        )
        smooth += np.where(d < 1 / 9, 4.5 * d * d, d - 1 / 18).sum()
    assert float(losses["loss_classifier"]) == pytest.approx(-np.log(p[np.arange(6), labels]).mean())
    assert float(losses["loss_box_reg"]) == pytest.approx(smooth / 6)
    found = D.detect(logits, deltas, rois, (51, 52), 0.3, 1.0, 4)
    candidates = sorted(((p[r, k], k, r) for r in range(6) for k in (1, 2) if p[r, k] > 0.3), reverse=True)[:4]
    assert np.array_equal(found["labels"].data, [k for _, k, _ in candidates])
    for box, (_, k, r) in zip(found["boxes"].data, candidates):
        wanted = decode(deltas[r : r + 1, 4 * k : 4 * k + 4], rois[r : r + 1], (10, 10, 5, 5))[0]
        np.testing.assert_allclose(box, np.clip(wanted, 0, [52, 51, 52, 51]))
