"""The readers of layouts by name, each on a folder made here."""

import base64
import json

import numpy as np
import pytest
from folders import scene, write_folder
from PIL import Image

from minidl.data.layouts import LAYOUTS, LayoutOptions, guess


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def opened(name, root, part, **more):
    return LAYOUTS[name](root, part, LayoutOptions(**more))


def test_cityscapes_of_both_kinds(tmp_path):
    image, mask = scene(0)
    for part in ("train", "val"):
        save(tmp_path / "leftImg8bit" / part / "bonn" / "bonn_1_leftImg8bit.png", image)
        save(tmp_path / "gtFine" / part / "bonn" / "bonn_1_gtFine_labelIds.png", np.where(mask, 26, 7).astype(np.uint8))
    dataset = opened("cityscapes", tmp_path, "train")
    labels = dataset[0][1]
    assert {dataset.classes[k] for k in np.unique(labels)} == {"road", "car"} and guess(tmp_path) == "cityscapes"
    save(tmp_path / "gtFine" / "train" / "bonn" / "bonn_1_gtFine_labelTrainIds.png", mask * np.uint8(255))
    assert set(np.unique(opened("cityscapes", tmp_path, "train")[0][1])) == {0, 255}


def test_ade20k(tmp_path):
    image, mask = scene(0)
    for part in ("training", "validation"):
        save(tmp_path / "images" / part / "a.jpg", image)
        save(tmp_path / "annotations" / part / "a.png", mask * np.uint8(150))
    dataset = opened("ade20k", tmp_path, "val")
    assert set(np.unique(dataset[0][1])) == {149, 255} and len(dataset.classes) == 150
    lines = ["Idx\tRatio\tTrain\tVal\tName", *(f"{k}\t0\t0\t0\tthing {k}" for k in range(1, 151))]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(lines))
    assert opened("ade20k", tmp_path, "train").classes[149] == "thing 150" and guess(tmp_path) == "ade20k"


SQUARE = [4, 3, 12, 3, 12, 10, 4, 10]  # x, y: 8 x 7 pixels


def coco_tables(count=6, **changes):
    images = [{"id": k, "file_name": f"{k}.png", "height": 16, "width": 24} for k in range(count)]
    annotations = [
        {
            "id": k + 1,
            "image_id": k,
            "category_id": 7,
            "segmentation": [SQUARE],
            "bbox": [4, 3, 8, 7],
            "area": 56,
            "iscrowd": 0,
        }
        | (changes if k == 2 else {})
        for k in range(count)
    ]
    return {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "square"}]}


def write_coco(root, **changes):
    write_folder(root, 6)
    (root / "annotations.json").write_text(json.dumps(coco_tables(**changes)))
    return root


def test_labelme_masks_are_placed_by_their_box(tmp_path):
    image = scene(0)[0]
    save(tmp_path / "a.png", image)
    save(tmp_path / "inside.png", np.full((3, 5), 255, np.uint8))
    code = base64.b64encode((tmp_path / "inside.png").read_bytes()).decode()
    (tmp_path / "inside.png").unlink()
    shape = {"label": "cell", "shape_type": "mask", "points": [[4, 2], [8, 4]], "mask": code}
    whole = {"shapes": [shape], "imagePath": "a.png", "imageHeight": 16, "imageWidth": 24}
    (tmp_path / "a.json").write_text(json.dumps(whole), encoding="utf-8-sig")
    labels = opened("labelme", tmp_path, None)[0][1]
    assert labels[2:5, 4:9].all() and labels.sum() == 15
    whole["shapes"][0]["points"] = [[22, 2], [26, 4]]
    (tmp_path / "a.json").write_text(json.dumps(whole))
    with pytest.raises(ValueError, match=r"a.json: shape 0: its mask of 5 x 3 pixels at 22, 2 does not fit"):
        opened("labelme", tmp_path, None)


def test_coco_as_instances_and_as_masks(tmp_path):
    write_coco(tmp_path)
    objects = opened("coco", tmp_path, "train", instances=True)
    assert len(objects) == 5 and objects[0][1]["boxes"].tolist() == [[4, 3, 12, 10]]
    masks = opened("coco", tmp_path, "val")
    assert masks.classes == ("background", "square") and masks[0][1].sum() == objects[0][1]["masks"].sum() == 56
    assert len(opened("coco-semantic", tmp_path, "train")) == 5 and guess(tmp_path) == "coco"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"bbox": [4, 3, 0, 7]}, r"annotation 3: bbox has no width or no height"),
        ({"segmentation": [[4, 3, 4, 3, 4, 3]], "bbox": [4, 3, 1, 1]}, r"annotation 3: segmentation covers no pixel"),
    ],
)
def test_objects_without_pixels_are_named(tmp_path, changes, message):
    write_coco(tmp_path, **changes)
    with pytest.raises(ValueError, match=r"annotations.json: " + message):
        opened("coco", tmp_path, "train", instances=True)


def test_roboflow(tmp_path):
    for part in ("train", "valid"):
        write_folder(tmp_path, 3, part, "unused")
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(coco_tables(3)))
    assert [len(opened("roboflow", tmp_path, part)) for part in ("train", "val")] == [3, 3]
    assert guess(tmp_path) == "roboflow"


def write_labelme(root, shapes):
    write_folder(root, 6, "", "unused")
    for k in range(6):
        whole = {"shapes": shapes, "imagePath": f"..\\x\\{k}.png", "imageHeight": 16, "imageWidth": 24}
        (root / f"{k}.json").write_text(json.dumps(whole))
    return root


def test_labelme(tmp_path):
    square = {"label": "square", "shape_type": "rectangle", "points": [[4, 3], [12, 10]]}
    dot = {"label": "dot", "shape_type": "circle", "points": [[18, 8], [18, 11]]}
    write_labelme(tmp_path, [dot, square])
    dataset = opened("labelme", tmp_path, "train")
    labels = dataset[0][1]
    assert dataset.classes == ("background", "dot", "square") and len(dataset) == 5 and guess(tmp_path) == "labelme"
    assert (labels == 2).sum() == 56 and 20 < (labels == 1).sum() < 40
    write_labelme(tmp_path, [square | {"shape_type": "line"}])
    with pytest.raises(ValueError, match=r"0.json: shape 0: shape_type 'line' is not supported"):
        opened("labelme", tmp_path, "train")


CVAT = """<annotations><meta><task><labels><label><name>square</name></label><label><name>bar</name></label></labels>
</task></meta>{}</annotations>"""
IMAGE = """<image id="{0}" name="{0}.png" width="24" height="16"><polygon label="square" points="4,3;12,3;12,10;4,10"/>
<box label="bar" xtl="15" ytl="2" xbr="20" ybr="4"/><mask label="bar" rle="1,2,3" left="15" top="10" width="3" height="2"/>
<tag label="bar"/></image>"""


def test_cvat(tmp_path):
    write_folder(tmp_path, 6)
    (tmp_path / "annotations.xml").write_text(CVAT.format("".join(IMAGE.format(k) for k in range(6))))
    dataset = opened("cvat", tmp_path, "train")
    labels = dataset[0][1]
    assert dataset.classes == ("background", "square", "bar") and guess(tmp_path) == "cvat"
    assert (labels == 1).sum() == 56 and (labels == 2).sum() == 10 + 2
    assert labels[10, 15:18].tolist() == [0, 2, 2] and labels[11, 15:18].tolist() == [0, 0, 0]
    (tmp_path / "annotations.xml").write_text("<annotations>")
    with pytest.raises(ValueError, match=r"annotations\.xml is not XML"):
        opened("cvat", tmp_path, "train")
