"""Readers of the folder layouts in which annotated images come, by name.

`LAYOUTS[name](root, part, options)` gives the part "train", "val" or "test" of the data in `root`, or with part None the
whole of it where the layout does not divide it. `guess(root)` says which layout a folder looks like.
"""

from .ade20k import ade20k
from .cityscapes import cityscapes
from .guess import guess
from .instances import coco, coco_semantic, cvat, labelme, roboflow
from .options import LayoutOptions
from .pairs import folder
from .published import camvid, pets, voc
from .subset import Subset, divided

LAYOUTS = {
    "folder": folder,
    "camvid": camvid,
    "voc": voc,
    "pets": pets,
    "cityscapes": cityscapes,
    "ade20k": ade20k,
    "coco": coco,
    "coco-semantic": coco_semantic,
    "labelme": labelme,
    "cvat": cvat,
    "roboflow": roboflow,
}

__all__ = ["LAYOUTS", "LayoutOptions", "Subset", "divided", "guess"]
