"""Whole detectors: torchvision's names and numbers, training, empty images, wrong targets, intermediate results.

goldens/detection.npz holds what torchvision's MaskRCNN (frozen batch norm, 5 classes, OPTIONS below, weights of `recipe`
scaled by FACTORS) made of `scene()`: losses, some gradients and, in evaluation, detections.
"""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from goldens import recipe
from rectangles import target

from minidl import models, no_grad, tensor
from minidl.analysis import box_shift, detector_shift
from minidl.backend import random
from minidl.data import DataLoader, DigitScenes
from minidl.models import detection as D
from minidl.models.weights import load_weights
from minidl.train import checkpoint, optim, tasks
from minidl.train import loop as training

GOLDENS = Path(__file__).parents[1] / "goldens"
FACTORS = (
    ("bn", "weight", 0.5), ("downsample.1", "weight", 0.5), ("rpn.head.bbox_pred", "", 0.02),
    ("rpn.head.cls_logits", "", 0.1), ("box_predictor.bbox_pred", "", 0.1), ("box_predictor.cls_score", "", 0.3),
)  # fmt: skip
EVERYTHING = {"rpn_batch_size_per_image": 10**6, "box_batch_size_per_image": 10**6}  # nothing is drawn at random
OPTIONS = EVERYTHING | {
    "min_size": 80, "max_size": 120, "rpn_pre_nms_top_n_train": 100, "rpn_post_nms_top_n_train": 40,
    "rpn_pre_nms_top_n_test": 100, "rpn_post_nms_top_n_test": 40, "box_score_thresh": 0.02, "box_detections_per_img": 8,
}  # fmt: skip


def scene():
    """Two images, one with three objects, one with none."""
    rng = np.random.default_rng(0)
    images = [rng.random((3, 60, 72)).astype(np.float32), rng.random((3, 96, 64)).astype(np.float32)]
    targets = []
    for (h, w), k in (((60, 72), 3), ((96, 64), 0)):
        boxes, masks = [], np.zeros((k, h, w), np.uint8)
        for mask in masks:
            x, y = rng.uniform(0, 0.5, 2) * (w, h)
            boxes.append((x, y, x + rng.uniform(12, 0.4 * w), y + rng.uniform(12, 0.4 * h)))
            x1, y1, x2, y2 = (int(v) for v in boxes[-1])
            mask[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < 0.7
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        targets.append({"boxes": boxes, "labels": rng.integers(1, 5, k), "masks": masks})
    return images, targets


def small(**options):
    """A tiny detector of 3 classes, and one image with two objects in a batch of two."""
    random.manual_seed(0)
    model = models.mask_rcnn_small(3, **options)
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 0.3, (2, 3, 64, 64)).astype(np.float32)
    targets = [target((64, 64), [(4, 8, 30, 46), (34, 12, 60, 50)], [1, 2]), target((64, 64), [(20, 10, 44, 52)], [2])]
    for image, t in zip(images, targets):
        for mask, label in zip(t["masks"], t["labels"]):
            image[label, mask == 1] += 0.6
    return model, images, targets


def total(losses):
    return sum(losses.values(), start=tensor(0.0))


# -- torchvision's names and numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, count", [("fasterrcnn_resnet50_fpn", 41_755_286), ("maskrcnn_resnet50_fpn", 44_401_393)]
)
def test_names_shapes_and_counts_are_torchvisions(name, count):
    model = getattr(models, name)(trainable_backbone_layers=3)
    wanted = json.loads((GOLDENS / "detection_keys.json").read_text())[name]
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == wanted
    assert sum(p.numel() for p in model.parameters()) == count
    frozen = {n.split(".")[2] for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "layer1"}
    assert not any("bn" in n for n, _ in model.named_parameters())


def test_published_names_of_2019_are_understood(tmp_path):
    model, _, _ = small()
    old = {}
    for name, value in model.state_dict().items():
        name = re.sub(r"(blocks\.\d)\.0", r"\1", name).replace("rpn.head.conv.0.0", "rpn.head.conv")
        old[re.sub(r"mask_head\.(\d)\.0", lambda m: f"mask_head.mask_fcn{int(m[1]) + 1}", name)] = value
    assert {"backbone.fpn.inner_blocks.2.bias", "roi_heads.mask_head.mask_fcn2.weight"} < set(old)
    checkpoint.save(tmp_path / "old.safetensors", old)
    random.manual_seed(5)
    other = models.mask_rcnn_small(3)
    assert load_weights(other, tmp_path / "old.safetensors") == []
    for name, value in other.state_dict().items():
        assert np.array_equal(value.data, model.state_dict()[name].data), name


@pytest.fixture(scope="module")
def golden():
    model = models.maskrcnn_resnet50_fpn(5, **OPTIONS)
    for name, value in model.state_dict().items():
        factors = [f for part, leaf, f in FACTORS if part in name and name.endswith(leaf)]
        value.data[:] = recipe.parameter(name, value.shape) * np.float32(np.prod(factors))
    return model, np.load(GOLDENS / "detection.npz")


def test_losses_and_gradients_are_torchvisions(golden):
    model, wanted = golden
    losses = model.train()(*scene())
    assert set(losses) == {n for n in wanted.files if n.startswith("loss")}
    for name, value in losses.items():
        assert float(value) == pytest.approx(float(wanted[name]), rel=1e-4), name
    total(losses).backward()
    parameters = dict(model.named_parameters())
    for name in (n for n in wanted.files if n.startswith("grad/")):
        g = wanted[name]
        np.testing.assert_allclose(parameters[name[5:]].grad.data, g, atol=2e-3 * np.abs(g).max(), err_msg=name)


def test_detections_are_torchvisions(golden):
    model, wanted = golden
    with no_grad():
        found = model.eval()(scene()[0])
    for k, image in enumerate(found):
        assert np.array_equal(image["labels"].data, wanted[f"{k}/labels"])
        for name, atol in (("boxes", 1e-2), ("scores", 1e-4), ("masks", 2e-3)):
            np.testing.assert_allclose(image[name].data, wanted[f"{k}/{name}"].astype(np.float32), atol=atol)


# -- the whole -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["align", "pool"])
def test_losses_fall_on_one_batch(pooling):
    model, images, targets = small(pooling=pooling)
    optimizer = optim.AdamW(model.parameters(), lr=2e-3)
    history = []
    for _ in range(25):
        optimizer.zero_grad()
        losses = model(images, targets)
        total(losses).backward()
        optimizer.step()
        history.append(losses)
    assert list(losses) == ["loss_classifier", "loss_box_reg", "loss_mask", "loss_objectness", "loss_rpn_box_reg"]
    for name in ("loss_classifier", "loss_mask", "loss_objectness"):
        first, last = (np.mean([float(h[name]) for h in part]) for part in (history[:3], history[-3:]))
        assert last < 0.6 * first, name


def test_every_stage_can_be_looked_at():
    model, images, targets = small()
    stages = model.stages(list(images), targets)
    proposed, regions = stages.proposed, stages.regions
    A = 3 * (16**2 + 8**2 + 4**2)
    assert (
        proposed.anchors.shape == (A, 4) and proposed.objectness.shape == (2, A) and proposed.deltas.shape == (2, A, 4)
    )
    for n, t in enumerate(targets):
        own = proposed.matched[n][proposed.labels[n] == 1]
        assert set(own) == set(range(len(t["boxes"])))  # no object goes without an anchor
        positive, negative = proposed.sampled[n]
        assert (proposed.labels[n][positive] == 1).all() and (proposed.labels[n][negative] == 0).all()
        assert len(positive) + len(negative) == 128 and (np.diff(proposed.scores[n]) <= 0).all()
        assert len(regions.rois[n]) == len(regions.labels[n]) <= 48 and (regions.labels[n] > 0).sum() <= 12
        assert np.array_equal(regions.mask_rois[n], regions.rois[n][regions.labels[n] > 0])
    M = sum(map(len, regions.mask_rois))
    assert regions.mask_logits.shape == (M, 3, 28, 28) and regions.mask_targets.shape == (M, 28, 28)
    assert (
        regions.features.shape[1:] == (64, 7, 7) and stages.detections is None and set(stages.losses) >= {"loss_mask"}
    )
    evaluated = model.eval().stages(list(images))
    assert evaluated.losses == {} and evaluated.targets is None and evaluated.regions.labels is None
    for n, found in enumerate(evaluated.detections):
        assert found["masks"].shape == (len(found["labels"].data), 1, 64, 64) and (found["labels"].data > 0).all()
        assert evaluated.regions.detections[n]["masks"].shape[1:] == (1, 28, 28)
        assert (np.diff(found["scores"].data) <= 0).all()


@pytest.mark.parametrize("pooling", ["align", "pool"])
@pytest.mark.parametrize("proposals", [100, 0])
def test_images_without_objects(pooling, proposals):
    model, images, _ = small(pooling=pooling, rpn_post_nms_top_n_train=proposals, rpn_post_nms_top_n_test=proposals)
    losses = model(images, [target((64, 64))] * 2)
    assert all(np.isfinite(float(value)) for value in losses.values())
    assert float(losses["loss_box_reg"]) == float(losses["loss_rpn_box_reg"]) == float(losses["loss_mask"]) == 0
    total(losses).backward()
    for name, p in model.named_parameters():
        assert np.isfinite(p.grad.data).all()
        assert not p.grad.data.any() or not ("bbox_pred" in name or "mask" in name), name
    assert model.rpn.head.cls_logits.weight.grad.data.any()
    found = model.eval()(images)
    assert all(proposals or image["boxes"].shape == (0, 4) for image in found)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda t: t.update(boxes=np.array([[0, 0, 9, 9], [5, 5, 5, 9.0]])),
            r"image 1 has the box \[5.0, 5.0, 5.0, 9.0\]",
        ),
        (lambda t: t.update(boxes=np.array([[0, 0, 9, 9], [5, 5, np.nan, 9]])), "image 1 has the box"),
        (lambda t: t.update(boxes=np.zeros((2, 5))), "boxes of image 1 are float64"),
        (lambda t: t.update(boxes=np.zeros(0)), r"\(K, 4\)"),
        (lambda t: t.update(labels=np.array([0, 1])), r"labels of image 1 are 0..1; needed 1..2"),
        (lambda t: t.update(labels=np.array([1, 3])), "1..3; needed 1..2"),
        (lambda t: t.update(labels=np.array([1.0, 2.0])), "float64"),
        (lambda t: t.update(labels=np.array([1])), "needed 2 integers"),
        (lambda t: t.update(masks=np.zeros((2, 32, 64), np.uint8)), r"masks of image 1 .* needed \(2, 64, 64\)"),
        (lambda t: t.update(masks=np.full((2, 64, 64), 255)), "values other than 0 and 1"),
        (lambda t: t.pop("masks"), "image 1 has no masks"),
    ],
)
def test_wrong_targets_are_named(change, message):
    model, images, targets = small()
    targets = [targets[1], dict(targets[0])]
    change(targets[1])
    with pytest.raises(ValueError, match=message):
        model(images, targets)


def test_wrong_images_and_options():
    model, images, targets = small()
    with pytest.raises(ValueError, match="targets is None"):
        model(images)
    with pytest.raises(ValueError, match="1 targets given for 2 images"):
        model(images, targets[:1])
    with pytest.raises(TypeError, match="image 0 is uint8"):
        model.eval()(np.zeros((1, 3, 64, 64), np.uint8))
    with pytest.raises(ValueError, match=r"image 1 has shape \(1, 64, 64\)"):
        model([images[0], images[1][:1]])
    with pytest.raises(ValueError, match="images is empty"):
        model([])
    with pytest.raises(ValueError, match="pooling is 'crop'"):
        models.mask_rcnn_small(3, pooling="crop")
    with pytest.raises(ValueError, match="num_classes is 1"):
        models.mask_rcnn_small(1)
    with pytest.raises(ValueError, match="needed one entry per level"):
        models.mask_rcnn_small(3, rpn_anchor_generator=D.AnchorGenerator())
    with pytest.raises(ValueError, match="offers"):
        D.BackboneWithFPN(models.resnet18(None), names=["layer9"])


def test_whole_number_boxes_and_boxes_that_leave_the_image_are_taken():
    model, images, targets = small(**EVERYTHING)
    shifted = [dict(t, boxes=t["boxes"].astype(np.int64)) for t in targets]
    random.manual_seed(1)
    a = model(images, targets)
    random.manual_seed(1)
    b = model(images, shifted)
    assert all(float(a[name]) == float(b[name]) for name in a)
    outside = [dict(t, boxes=t["boxes"] + np.float32(20)) for t in targets]
    assert all(np.isfinite(float(value)) for value in model(images, outside).values())


def test_fit_detection_and_resume(tmp_path):
    def parts(length=6):
        random.manual_seed(0)
        model = models.mask_rcnn_small(3)
        scenes = [DigitScenes((64, 64), n, 2, 0, split=s, instances=True) for n, s in ((length, "train"), (2, "val"))]
        train, val = DataLoader(scenes[0], 2, True), DataLoader(scenes[1], 2)
        return model, train, val, optim.AdamW(model.parameters(), lr=1e-3)

    def fit(epochs, **options):
        model, train, val, optimizer = parts()
        history = training.fit(
            model, train, val, optimizer=optimizer, epochs=epochs, task=tasks.Detection(), progress=False, **options
        )
        return model, history

    whole, history = fit(2, folder=tmp_path / "whole")
    assert (
        history[-1]["train_loss"] < history[0]["train_loss"] and 0 <= history[-1]["val_ap"] <= history[-1]["val_ap50"]
    )
    assert history[0]["train_loss"] == pytest.approx(
        sum(history[0][f"train_{n}"] for n in ("classifier", "box_reg", "mask", "objectness", "rpn_box_reg"))
    )
    fit(1, folder=tmp_path / "part")
    resumed, _ = fit(2, folder=tmp_path / "part", resume=True)
    for a, b in zip(whole.parameters(), resumed.parameters()):
        assert np.array_equal(a.data, b.data)


def test_pooling_jumps_and_aligning_glides():
    x = np.random.default_rng(0).random((1, 4, 20, 20)).astype(np.float32)
    shifts, box = np.arange(0, 3.01, 0.1), (4.2, 5.1, 11.3, 12.2)
    assert box_shift(x, box, shifts, "align").largest < 2 and box_shift(x, box, shifts, "aligned").largest < 2
    jumps = box_shift(x, box, shifts, "pool")
    assert jumps.largest > 4 and (jumps.changes == 0).sum() > 15
    for pooling in ("align", "pool"):
        model, images, _ = small(pooling=pooling)
        found = detector_shift(model.eval(), images[0], (6, 9, 32, 45), shifts)
        assert found["masks"].values.shape == (31, 28, 28) and found["scores"].values.shape == (31, 3)
        assert (found["features"].changes == 0).any() == (pooling == "pool")
    with pytest.raises(ValueError, match="pooling is 'crop'"):
        box_shift(x, box, shifts, "crop")


@pytest.mark.skipif(not os.environ.get("MINIDL_LONG"), reason="trains for minutes; MINIDL_LONG=1 runs it")
def test_mask_rcnn_small_learns_digits():
    random.manual_seed(0)
    model = models.mask_rcnn_small(6)
    train = DataLoader(DigitScenes((128, 128), 4800, 5, instances=True), 8, True)
    val = DataLoader(DigitScenes((128, 128), 200, 5, split="val", instances=True), 8)
    optimizer = optim.AdamW(model.parameters(), lr=1.5e-3, weight_decay=1e-4)
    schedule = optim.LinearWarmup(optim.CosineAnnealingLR(optimizer, 500), 100)
    history = training.fit(
        model,
        train,
        val,
        optimizer=optimizer,
        schedule=schedule,
        epochs=1,
        clip=10.0,
        task=tasks.Detection(),
        progress=False,
    )
    assert history[-1]["val_ap50"] > 0.75
