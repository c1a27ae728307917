"""Small folders of images and masks (a bright square on a dark ground), and commands on them with a small network."""

import numpy as np
from PIL import Image

from minidl import cli

SIZE = (16, 24)  # H, W
FOLDER = ["--data", "folder", "--batch-size", 2, "--epochs", 1]
NETWORK = ["--model", "unet", "--model-options", "base=2", "depth=1", "batch_norm=true"]


def call(*argv):
    """Run a command of minidl with these words, and return its exit status."""
    return cli.main([str(word) for word in argv])


def scene(k, size=SIZE):
    """(image H x W x 3, mask H x W of 0 and 1) of number k."""
    mask = np.zeros(size, np.uint8)
    mask[4:12, 2 + k % 12 : 10 + k % 12] = 1
    image = np.random.default_rng(k).integers(0, 80, (*size, 3)) + 150 * mask[..., None]
    return image.astype(np.uint8), mask


def write_folder(root, count=10, images="images", masks="masks", scale=1, grey=False, suffix=".png", mask_suffix=""):
    """root/images and root/masks with `count` pairs; masks hold 0 and `scale`."""
    for name in (images, masks):
        (root / name).mkdir(parents=True, exist_ok=True)
    for k in range(count):
        image, mask = scene(k)
        picture = Image.fromarray(image[..., 0] if grey else image)
        picture.save(root / images / f"{k}{suffix}")
        Image.fromarray(mask * np.uint8(scale)).save(root / masks / f"{k}{mask_suffix}.png")
    return root


def write_rotated(path, image):
    """Write `image` as a JPEG stored on its side, with the EXIF orientation that turns it upright."""
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(image)))  # 90 degrees counterclockwise
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned 90 degrees clockwise
    picture.save(path, exif=exif, quality=95, subsampling=0)
