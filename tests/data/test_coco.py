"""COCO's format: the same results as pycocotools, and messages about faulty files."""

import json

import numpy as np
import pytest
from PIL import Image

from minidl.data import CocoInstances, DataLoader, DigitScenes, mask_boxes, rle
from minidl.data import transforms as T

H, W = 24, 32
BOX = [3, 2, 14, 2, 14, 9, 3, 9]


def whole(tmp_path, images=3):
    """A small set: polygons, both kinds of run lengths, a crowd, category ids with gaps, an image without objects."""
    blob = np.zeros((H, W), np.uint8)
    blob[10:20, 5:25] = np.random.default_rng(0).random((10, 20)) < 0.8
    runs = rle.encode(blob)["counts"]
    annotations = [
        {"id": 11, "image_id": 7, "category_id": 90, "segmentation": [BOX], "bbox": [3, 2, 11, 7], "area": 77.5},
        {
            "id": 12,
            "image_id": 7,
            "category_id": 3,
            "iscrowd": 1,
            "segmentation": {"size": [H, W], "counts": runs.tolist()},
        },
        {"id": 15, "image_id": 2, "category_id": 3, "segmentation": {"size": [H, W], "counts": rle.compress(runs)}},
        {"id": 16, "image_id": 2, "category_id": 18, "segmentation": [BOX, [10.2, 5, 28.7, 6.1, 20, 20.9]]},
    ]
    for i in range(images):
        Image.fromarray(np.full((H, W, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    listing = [{"id": n, "file_name": f"{i}.png", "height": H, "width": W} for i, n in enumerate((2, 5, 7))]
    categories = [{"id": n, "name": name} for n, name in ((90, "bear"), (3, "cat"), (18, "dog"))]
    return {"images": listing, "annotations": annotations, "categories": categories}


def written(tmp_path, content):
    file = tmp_path / "annotations.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_targets(tmp_path):
    content = whole(tmp_path)
    ds = CocoInstances(tmp_path, written(tmp_path, content))
    assert len(ds) == 3 and ds.name(2) == str(tmp_path / "2.png")
    assert ds.classes == ("background", "cat", "dog", "bear") and ds.category_ids == (None, 3, 18, 90)
    assert ds.colors.shape == (4, 3)
    image, target = ds[2]
    assert image.shape == (H, W, 3) and image[0, 0, 0] == 80 and target["image_id"] == 7
    assert target["labels"].tolist() == [3, 1] and target["iscrowd"].tolist() == [0, 1]
    expected = np.zeros((H, W), np.uint8)
    expected[2:9, 3:14] = 1
    np.testing.assert_array_equal(target["masks"][0], expected)
    np.testing.assert_array_equal(target["boxes"][0], [3, 2, 14, 9])
    assert target["area"].tolist() == [77.5, target["masks"][1].sum()]  # the file's, or else the mask's
    np.testing.assert_array_equal(target["boxes"][1], mask_boxes(target["masks"])[1])
    np.testing.assert_array_equal(ds[0][1]["masks"][0], target["masks"][1])  # the same runs, compressed
    empty = ds[1][1]
    assert empty["boxes"].shape == (0, 4) and empty["masks"].shape == (0, H, W) and empty["labels"].shape == (0,)
    assert [len(CocoInstances(tmp_path, ds.file, crowd=False)[i][1]["labels"]) for i in range(3)] == [2, 0, 1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pycocotools")
def test_masks_equal_pycocotools(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    content = whole(tmp_path)
    rng = np.random.default_rng(1)
    for k in range(30):  # stars and triangles, some of them reaching out of the image
        parts = [rng.uniform(-5, 35, 2 * rng.integers(3, 9)).round(2).tolist() for _ in range(rng.integers(1, 4))]
        content["annotations"].append({"id": 100 + k, "image_id": 5, "category_id": 18, "segmentation": parts})
    ds = CocoInstances(tmp_path, written(tmp_path, content))
    official = coco.COCO(str(ds.file))
    for i, entry in enumerate(ds.images):
        ours = ds[i][1]["masks"]
        theirs = [official.annToMask(a) for a in official.loadAnns(official.getAnnIds([entry["id"]]))]
        np.testing.assert_array_equal(ours, theirs)


def test_digit_scenes_give_the_same_keys_and_types(tmp_path):
    ours = CocoInstances(tmp_path, written(tmp_path, whole(tmp_path)))[2][1]
    digits = DigitScenes(64, 4, instances=True)[3][1]
    assert list(ours) == list(digits) and digits["image_id"] == 3
    for key in ("boxes", "labels", "masks", "iscrowd", "area"):
        assert (ours[key].dtype, ours[key].ndim) == (digits[key].dtype, digits[key].ndim)
    np.testing.assert_array_equal(digits["area"], digits["masks"].sum((1, 2)))


def test_a_batch_is_two_lists(tmp_path):
    ds = CocoInstances(tmp_path, written(tmp_path, whole(tmp_path)))
    (images, targets), *_ = DataLoader(ds, 3, transform=T.Compose([T.Resize(48), T.RandomHorizontalFlip(1.0)]))
    assert len(images) == len(targets) == 3 and images[0].shape == (3, 48, 64)
    assert [len(t["labels"]) for t in targets] == [2, 0, 2]
    assert targets[2]["boxes"][0].tolist() == [2 * (W - 14), 4, 2 * (W - 3), 18]


@pytest.mark.parametrize("masks", [True, False])
def test_areas_follow_the_geometry(tmp_path, masks):
    image, target = CocoInstances(tmp_path, written(tmp_path, whole(tmp_path)))[2]
    if not masks:
        del target["masks"]
    rng = np.random.default_rng(0)
    flipped = T.RandomHorizontalFlip(1.0)(image, target, rng)[1]
    np.testing.assert_array_equal(flipped["area"], target["area"])
    np.testing.assert_allclose(T.Resize((2 * H, 3 * W))(image, target)[1]["area"], 6 * target["area"])
    cropped = T.crop(image, target, 0, 0, (9, 8), (0, 0, 0), 255)[1]  # 5 of the box's 11 columns; the crowd lies below
    np.testing.assert_allclose(cropped["area"], [77.5 * 5 / 11])
    assert cropped["iscrowd"].tolist() == [0]


def damaged(content, table, number, **change):
    content[table][number] |= change
    return content


BROKEN = {
    "polygon": ({"segmentation": [[1, 1, 5, 5]]}, "annotation 11: .*polygon of 2 points; needed at least 3"),
    "odd": ({"segmentation": [[1, 1, 5, 5, 3, 4, 6]]}, r"polygon of 3\.5 points"),
    "nothing": ({"segmentation": []}, "empty list"),
    "nan": ({"segmentation": [[1, 1, 5, 5, 3, float("nan")]]}, "not finite"),
    "words": ({"segmentation": [["a", "b"] * 3]}, "annotation 11: "),
    "sum": ({"segmentation": {"size": [H, W], "counts": [5, 6]}}, "annotation 11: .* sum to 11; needed .* = 768"),
    "size": ({"segmentation": {"size": [W, H], "counts": [H * W]}}, r"size \[32, 24\]; needed \(24, 32\)"),
    "image": ({"image_id": 6}, "annotation 11: image_id is 6; needed one of 2, 5, 7"),
    "category": ({"category_id": 1}, "category_id is 1; needed one of 90, 3, 18"),
    "box": ({"bbox": [1, 2, -3, 4]}, "bbox is"),
    "area": ({"area": -1}, "area is -1"),
    "crowd": ({"iscrowd": 2}, "iscrowd is 2"),
    "twice": ({"id": 12}, "two of annotations have the id 12"),
    "type": ({"id": "x"}, "entry 0 of annotations: id is 'x'; needed int"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_an_annotation_is_said(tmp_path, name):
    change, message = BROKEN[name]
    file = written(tmp_path, damaged(whole(tmp_path), "annotations", 0, **change))
    with pytest.raises(ValueError, match=f"annotations.json: .*{message}"):
        CocoInstances(tmp_path, file)


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"images": [', "is not JSON: .*line 1"),
        ("[1, 2]", "holds list; needed a dictionary with images, annotations, categories"),
        ('{"images": []}', "holds images; needed"),
        ('{"images": {}, "annotations": [], "categories": []}', "images is dict; needed a list"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "entry 0 of images: file_name is missing"),
        ('{"images": [3], "annotations": [], "categories": []}', "entry 0 of images"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, content, message):
    with pytest.raises(ValueError, match=f"annotations.json.*{message}"):
        CocoInstances(tmp_path, written(tmp_path, content))


def test_missing_images_and_other_sizes(tmp_path):
    file = written(tmp_path, whole(tmp_path, images=2))
    with pytest.raises(FileNotFoundError, match=r"lists images that are not in .*: 2\.png"):
        CocoInstances(tmp_path, file)
    with pytest.raises(FileNotFoundError):
        CocoInstances(tmp_path, tmp_path / "no.json")
    Image.fromarray(np.zeros((W, H, 3), np.uint8)).save(tmp_path / "2.png")
    ds = CocoInstances(tmp_path, file)
    with pytest.raises(ValueError, match=r"2\.png is 32 x 24 \(H x W\), .*annotations.json says 24 x 32"):
        ds[2]
