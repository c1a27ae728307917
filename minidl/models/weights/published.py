"""The table of published weights: addresses, digests, and the images that the networks expect."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...data.datasets.voc import CLASSES as VOC_CLASSES
from ...data.download import fetch
from ...typing import PathLike
from .coco_names import COCO_CLASSES

BASE_URL = "https://download.pytorch.org/models/"
MEDIAPIPE_URL = "https://cdn.jsdelivr.net/npm/@mediapipe/selfie_segmentation@0.1.1675465747/"
LICENSE = "BSD-3-Clause, from torchvision; the terms of the data that it was trained on apply too"
MEDIAPIPE_LICENSE = "Apache-2.0, from Google's MediaPipe, package @mediapipe/selfie_segmentation 0.1.1675465747"
SHORTER_SIDE = {"shorter_side": 520}  # torchvision's evaluation preset of segmentation networks
SELFIE_SHA256 = "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27"
SELFIE = {"size": [256, 256], "normalization": {"mean": [0.0] * 3, "std": [1.0] * 3}}

# kind: (task, names of its classes, metric of its published figure)
KINDS = {
    "segmentation": ("a class for each pixel", tuple(VOC_CLASSES), "mean IoU on COCO val2017, classes of Pascal VOC"),
    "detection": ("boxes", COCO_CLASSES, "box AP on COCO val2017"),
    "masks": ("boxes and masks", COCO_CLASSES, "box AP, mask AP on COCO val2017"),
    "person": ("person or background", ("background", "person"), "none published for this file"),
    "classifier": ("a backbone to train on", (), "accuracy on ImageNet-1K, in per cent"),
}


@dataclass(frozen=True)
class Published:
    """A published file: `name` is also the network's constructor in `minidl.models`, `size` is in MiB.

    torchvision's files have the first digits of their SHA-256 at the end of their names; `sha256` is that of others.
    """

    name: str
    file: str
    kind: str
    figure: str
    size: float
    folder: str = BASE_URL
    sha256: str = ""

    @property
    def digits(self) -> str:
        """The file's SHA-256, or as many of its first digits as are known."""
        return self.sha256 or Path(self.file).stem.rpartition("-")[2]

    @property
    def license(self) -> str:
        """The licence of the weights, which exported files contain too."""
        return MEDIAPIPE_LICENSE if self.kind == "person" else LICENSE

    @property
    def seen(self) -> dict[str, Any]:
        """The preparation of images, as settings of a run; by default ImageNet's normalisation."""
        return SHORTER_SIDE if self.kind == "segmentation" else SELFIE if self.kind == "person" else {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes by label; empty for ImageNet's 1000, whose names are not kept here."""
        return KINDS[self.kind][1]

    @property
    def url(self) -> str:
        """The address of the file; the environment variable MINIDL_WEIGHTS_URL names a mirror."""
        return os.environ.get("MINIDL_WEIGHTS_URL", self.folder).rstrip("/") + "/" + self.file


# Of torchvision's rows: names, figures and sizes of `torchvision.models.*_Weights`, the first published weights of a network.
PUBLISHED = {
    entry.name: entry
    for entry in (
        Published("fcn_resnet50", "fcn_resnet50_coco-1167a1af.pth", "segmentation", "60.5", 135.0),
        Published("fcn_resnet101", "fcn_resnet101_coco-7ecb50ca.pth", "segmentation", "63.7", 207.7),
        Published("deeplabv3_resnet50", "deeplabv3_resnet50_coco-cd0a2569.pth", "segmentation", "66.4", 160.5),
        Published("deeplabv3_resnet101", "deeplabv3_resnet101_coco-586e9e4e.pth", "segmentation", "67.4", 233.2),
        Published("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", "detection", "37.0", 159.7),
        Published("maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", "masks", "37.9, 34.6", 169.8),
        Published("selfie_segmentation", "selfie_segmentation.tflite", "person", "", 0.2, MEDIAPIPE_URL, SELFIE_SHA256),
        Published("alexnet", "alexnet-owt-7be5be79.pth", "classifier", "56.5", 233.1),
        Published("vgg16", "vgg16-397923af.pth", "classifier", "71.6", 527.8),
        Published("vgg16_bn", "vgg16_bn-6c64b313.pth", "classifier", "73.4", 527.9),
        Published("resnet18", "resnet18-f37072fd.pth", "classifier", "69.8", 44.7),
        Published("resnet34", "resnet34-b627a593.pth", "classifier", "73.3", 83.3),
        Published("resnet50", "resnet50-0676ba61.pth", "classifier", "76.1", 97.8),
        Published("resnet101", "resnet101-63fe2227.pth", "classifier", "77.4", 170.5),
        Published("mobilenet_v2", "mobilenet_v2-b0353104.pth", "classifier", "71.9", 13.6),
        Published("shufflenet_v2_x0_5", "shufflenetv2_x0.5-f707e7126e.pth", "classifier", "60.6", 5.3),
        Published("shufflenet_v2_x1_0", "shufflenetv2_x1-5666bf0f80.pth", "classifier", "69.4", 8.8),
    )
}


def weights_folder() -> Path:
    """The folder of downloaded weights in the user's cache."""
    import pooch

    return Path(pooch.os_cache("minidl")) / "weights"


def entry_of(name: str) -> Published:
    """The entry `name` of the table. Raises ValueError with the most similar name."""
    if name not in PUBLISHED:
        import difflib

        near = difflib.get_close_matches(name, PUBLISHED, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PUBLISHED)}"
        raise ValueError(f"there are no published weights {name!r} here: {hint}")
    return PUBLISHED[name]


def fetch_weights(name: str, folder: PathLike | None = None) -> Path:
    """The file of the published weights `name`, downloaded at the first call, with a progress bar; later calls need no network.

    The file is kept in `folder`, the user's cache by default. The next call resumes an interrupted download; a file
    is used only if its SHA-256 begins with the digits in the table. Raises ValueError for an unknown name, DownloadError.
    """
    entry = entry_of(name)
    return fetch(entry.url, Path(folder or weights_folder()) / entry.file, f"sha256:{entry.digits}")
