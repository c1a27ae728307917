"""Average precision: by hand, against pycocotools where it is installed, and on bad input."""

import numpy as np
import pytest

import minidl
from minidl.data import rle
from minidl.train.metrics import AveragePrecision

H, W = 40, 50


def boxes_of(count, rng, size):
    y, x = (np.sort(rng.integers(0, n + 1, (count, 2)), axis=1) for n in size)
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).astype(float)


def masks_of(boxes, rng, size):
    """Nine tenths of each box's pixels; none of an empty one's."""
    masks = np.zeros((len(boxes), *size), np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int)):
        mask[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < 0.9
    return masks


def random_case(seed, images=5, classes=3, detections=12, objects=6, size=(H, W), limits=True, ties=True):
    """Detections around objects, with ties, duplicates, crowds, empty masks and areas at the limits of the ranges."""
    rng = np.random.default_rng(seed)
    predictions, targets = [], []
    for _ in range(images):
        G, D = rng.integers(0, objects + 1), rng.integers(0, detections + 1)
        truth = boxes_of(G, rng, size)
        near = truth[rng.integers(0, G, D)] if G and rng.random() < 0.8 else boxes_of(D, rng, size)
        found = np.clip(near + rng.integers(-2, 3, near.shape), 0, [size[1], size[0]] * 2)
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2])
        scores = rng.random(D)
        masks = masks_of(truth, rng, size)
        area = masks.sum((1, 2)).astype(float)
        if limits and rng.random() < 0.4:
            area = rng.choice([1024, 1023.999, 1024.001, 9216, 9216.001, 50, 1e5], G)
        predictions.append(
            {
                "labels": rng.integers(1, classes + 1, D),
                "scores": scores.round(1) if ties else scores,
                "boxes": found,
                "masks": masks_of(found, rng, size),
            }
        )
        targets.append(
            {
                "labels": rng.integers(1, classes + 1, G),
                "boxes": truth,
                "masks": masks,
                "iscrowd": (rng.random(G) < 0.2).astype(int),
                "area": area,
            }
        )
    return predictions, targets


def official(kind, predictions, targets):
    """pycocotools' twelve numbers, and its table of precision."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def annotation(shapes, k, number, image):
        x1, y1, x2, y2 = map(float, shapes["boxes"][k])
        code = rle.encode(shapes["masks"][k])
        code = {"size": list(code["size"]), "counts": rle.compress(code["counts"])}
        same = {"id": number, "image_id": image, "category_id": int(shapes["labels"][k])}
        return same | {"bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": code}

    truth, results = [], []
    for image, (p, t) in enumerate(zip(predictions, targets), 1):
        for k in range(len(t["labels"])):
            entry = annotation(t, k, len(truth) + 1, image)
            truth.append(entry | {"iscrowd": int(t["iscrowd"][k]), "area": float(t["area"][k])})
        for k in range(len(p["labels"])):
            entry = annotation(p, k, len(results) + 1, image)
            del entry["bbox" if kind == "mask" else "segmentation"]
            results.append(entry | {"score": float(p["scores"][k])})
    images = [{"id": image + 1, "height": H, "width": W} for image in range(len(targets))]
    categories = [{"id": c, "name": str(c)} for c in sorted({e["category_id"] for e in truth + results})]
    ours, theirs = COCO(), COCO()
    ours.dataset = {"info": {}, "images": images, "categories": categories, "annotations": truth}
    ours.createIndex()
    theirs.dataset = ours.dataset | {"annotations": []}
    theirs.createIndex()
    evaluation = COCOeval(ours, ours.loadRes(results) if results else theirs, {"box": "bbox", "mask": "segm"}[kind])
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


CASES = {
    "usual": {},
    "one image": {"images": 1},
    "one class": {"classes": 1},
    "without ties": {"ties": False},
    "large": {"images": 3, "size": (120, 130)},
    "more than 100 detections": {"images": 2, "classes": 1, "detections": 400},
    "no objects": {"objects": 0},
    "no predictions": {"detections": 0},
    "nothing": {"objects": 0, "detections": 0},
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("name", CASES)
def test_equals_pycocotools(name, kind):
    pytest.importorskip("pycocotools")
    for seed in range(8):
        predictions, targets = random_case(seed, **CASES[name])
        metric = AveragePrecision(kind).update(predictions, targets)
        theirs = official(kind, predictions, targets)
        ours = np.nan_to_num(list(metric.compute().values()), nan=-1)
        np.testing.assert_allclose(ours, theirs.stats, rtol=0, atol=1e-10)
        precision = theirs.eval["precision"]  # T x 101 x K x A x M
        for k, label in enumerate(sorted({e["id"] for e in theirs.cocoGt.dataset["categories"]})):
            expected = precision[:, :, k, 0, -1]
            assert np.nan_to_num(metric.per_class()[label], nan=-1) == pytest.approx(expected.mean(), abs=1e-10)
            curve = np.nan_to_num(metric.curve(label, 0.75)[1], nan=-1)
            np.testing.assert_allclose(curve, expected[5], atol=1e-10)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
def test_a_crowd_and_duplicates_equal_pycocotools():
    """A crowd takes several detections, two objects share one box, and one detection lies on both kinds."""
    pytest.importorskip("pycocotools")
    same = np.tile([5.0, 5, 25, 25], (4, 1))
    inside = np.array([[6.0, 6, 20, 20], [10, 10, 24, 24], [5, 5, 25, 25], [5, 5, 25, 25], [5, 5, 25, 25]])
    rng = np.random.default_rng(0)
    for crowd in ([0, 0, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]):
        for scores in (np.full(5, 0.5), np.arange(5) / 5, -np.arange(5.0)):
            t = {"labels": np.ones(4, int), "boxes": same, "masks": masks_of(same, rng, (H, W)), "iscrowd": crowd}
            t["area"] = np.array([400, 900, 1024, 2000.0])
            p = {"labels": np.ones(5, int), "boxes": inside, "masks": masks_of(inside, rng, (H, W)), "scores": scores}
            for kind in ("box", "mask"):
                ours = AveragePrecision(kind).update([p], [t]).compute()
                expected = official(kind, [p], [t]).stats
                np.testing.assert_allclose(np.nan_to_num(list(ours.values()), nan=-1), expected, atol=1e-10)


def single(boxes, scores=None, **more):
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    entry = {"boxes": boxes, "labels": np.ones(len(boxes), int)} | more
    return entry if scores is None else entry | {"scores": np.asarray(scores, float)}


def test_by_hand():
    truth = single([[0, 0, 10, 10], [20, 0, 30, 10]])
    found = single([[0, 0, 10, 10], [50, 0, 60, 10], [20, 0, 30, 6]], [0.9, 0.8, 0.7])  # right, wrong, IoU 0.6
    metric = AveragePrecision().update([found], [truth])
    scores = metric.compute()
    # At IoU 0.5 precision is 1 up to recall 0.5 (51 of 101 points), then 2/3 up to 1.
    assert scores["AP50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert scores["AP75"] == pytest.approx(51 / 101)
    assert scores["AP"] == pytest.approx((3 * scores["AP50"] + 7 * scores["AP75"]) / 10)  # 0.6 itself counts
    assert scores["AR1"] == 0.5 and scores["AR100"] == pytest.approx(0.5 + 0.3 * 0.5)
    assert np.isnan(scores["APl"]) and scores["APs"] == scores["AP"]
    recalls, precision = metric.curve(1)
    np.testing.assert_allclose(precision, np.where(recalls <= 0.5, 1, 2 / 3))
    assert "1 images" in repr(metric) and "AP50" in repr(metric)


def test_of_equal_ious_the_last_object_is_taken():
    """So does pycocotools, and the next detection, which only overlaps that object, finds it taken."""
    truth = single([[0, 0, 10, 10], [4, 0, 14, 10]])
    found = single([[2, 0, 12, 10], [4, 0, 14, 10]], [0.9, 0.8])
    assert AveragePrecision().update([found], [truth]).compute()["AP50"] == pytest.approx(51 / 101)
    swapped = single([[4, 0, 14, 10], [0, 0, 10, 10]])
    assert AveragePrecision().update([found], [swapped]).compute()["AP50"] == 1


def test_batches_or_one_by_one_and_reset():
    predictions, targets = random_case(3)
    together = AveragePrecision("mask").update(predictions, targets)
    single = AveragePrecision("mask")
    for p, t in zip(predictions, targets):
        single.update([p], [t])
    assert together.compute() == single.compute()
    single.reset()
    assert single.images == 0 and np.isnan(list(single.compute().values())).all()


def test_masks_may_be_run_lengths_and_areas_may_be_missing():
    predictions, targets = random_case(4, limits=False)
    coded = [p | {"masks": [rle.encode(mask) for mask in p["masks"]]} for p in predictions]
    plain = [{k: v for k, v in t.items() if k != "area"} for t in targets]
    expected = AveragePrecision("mask").update(predictions, targets).compute()
    np.testing.assert_equal(AveragePrecision("mask").update(coded, plain).compute(), expected)
    boxes = AveragePrecision("box").update(predictions, targets).compute()  # areas are the masks', as in COCO's files
    np.testing.assert_equal(AveragePrecision("box").update(predictions, plain).compute(), boxes)


def test_masks_may_be_probabilities_and_tensors():
    predictions, targets = random_case(6)
    rng = np.random.default_rng(0)
    soft = [p | {"masks": (0.5 * p["masks"] + 0.49 * rng.random(p["masks"].shape))[:, None]} for p in predictions]
    expected = AveragePrecision("mask").update(predictions, targets).compute()
    np.testing.assert_equal(AveragePrecision("mask").update(soft, targets).compute(), expected)
    tensors = [{k: minidl.tensor(v) for k, v in p.items()} for p in soft]
    np.testing.assert_equal(AveragePrecision("mask").update(tensors, targets).compute(), expected)
    boxes = AveragePrecision("box").update(predictions, targets).compute()
    np.testing.assert_equal(AveragePrecision("box").update(tensors, targets).compute(), boxes)


def test_own_thresholds_and_numbers_of_detections():
    predictions, targets = random_case(5)
    scores = AveragePrecision("box", [0.3, 0.75], (2,)).update(predictions, targets).compute()
    assert list(scores) == ["AP", "AP75", "APs", "APm", "APl", "AR2", "ARs", "ARm", "ARl"]
    usual = AveragePrecision("box", max_detections=(2,)).update(predictions, targets).compute()
    assert scores["AP75"] == usual["AP75"]


GOOD = ([[0, 0, 4, 4]], [0.5])


@pytest.mark.parametrize(
    "prediction, target, message",
    [
        (single(*GOOD), {"labels": [1]}, "target has labels; needed boxes for iou_type 'box'"),
        ({"boxes": [[0, 0, 1, 1]], "labels": [1]}, single([]), "prediction has boxes, labels; needed scores"),
        (single(*GOOD) | {"scores": [0.5, 0.4]}, single([]), "1 labels and 2 scores"),
        (single(*GOOD) | {"scores": [np.nan]}, single([]), "scores .*needed finite"),
        (single([[4, 0, 0, 4]], [0.5]), single([]), "x2 < x1"),
        (single([[0, 0, np.nan, 4]], [0.5]), single([]), "not finite"),
        (single(*GOOD) | {"labels": [1, 2]}, single([]), "2 labels and 1 scores|for 2 labels"),
        (single(*GOOD) | {"labels": [0.5]}, single([]), "labels of float64; needed integers"),
        (single(*GOOD), single([[0, 0, 4, 4]], iscrowd=[0, 1]), "1 labels, 2 iscrowd, 1 areas"),
        ([1], single([]), "prediction is list; needed a dictionary"),
    ],
)
def test_bad_input_is_refused(prediction, target, message):
    with pytest.raises(ValueError, match=f"AveragePrecision.update: .*{message}"):
        AveragePrecision().update([prediction], [target])


def test_bad_settings_and_sizes_are_refused():
    with pytest.raises(ValueError, match="iou_type 'boxes'; needed 'box' or 'mask'"):
        AveragePrecision("boxes")
    with pytest.raises(ValueError, match="iou_thresholds"):
        AveragePrecision(iou_thresholds=[1.5])
    with pytest.raises(ValueError, match="max_detections"):
        AveragePrecision(max_detections=(0,))
    with pytest.raises(ValueError, match="1 predictions and 0 targets"):
        AveragePrecision().update([single(*GOOD)], [])
    with pytest.raises(ValueError, match=r"curve at iou 0\.6"):
        AveragePrecision(iou_thresholds=[0.5]).curve(1, 0.6)
    masks = {"labels": [1], "masks": np.ones((1, 4, 5))}
    with pytest.raises(ValueError, match=r"masks are \(4, 5\) in the prediction and \(5, 4\) in the target"):
        AveragePrecision("mask").update([masks | {"scores": [1.0]}], [masks | {"masks": np.ones((1, 5, 4))}])
