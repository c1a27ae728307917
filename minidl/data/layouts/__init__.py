"""Readers of the usual folder layouts of annotated images, by name.

`LAYOUTS[name](root, part, options)` returns the part "train", "val" or "test" of the data in `root`, or with part None all
of it where the layout has no parts. `guess(root)` returns the name of the layout that a folder appears to have.
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
