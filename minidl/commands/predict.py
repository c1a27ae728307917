"""`minidl predict`: masks painted over images of any size."""

import argparse
import sys
from pathlib import Path

from . import building, printable

EXAMPLES = """examples:
  minidl predict runs/camvid street.jpg -o out.png
  minidl predict runs/camvid street.jpg -o out.png --mask labels.png --figure figure.png
  minidl predict runs/camvid photos/ -o painted/          a folder of images; painted/ is made
  minidl predict runs/camvid huge.png -o out.png --tile 512
  minidl predict --weights deeplabv3.safetensors --arch deeplabv3_resnet50 photo.jpg -o out.png
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "predict",
        help="segment an image or a folder of images with a trained network",
        description="Segment an image, or every image of a folder, and write it with its classes painted over it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run_folder", nargs="?", metavar="RUN", help="a run folder (its best checkpoint serves) or a checkpoint"
    )
    parser.add_argument("image", metavar="IMAGE", help="an image, or a folder of images")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the picture, or for a folder the folder")
    parser.add_argument("--mask", metavar="PNG", help="also the labels, as a palette PNG (for a folder: a folder)")
    parser.add_argument("--figure", metavar="PNG", help="also a figure with names and legend (for a folder: a folder)")
    parser.add_argument("--alpha", type=float, default=0.55, help="strength of the paint, 0 to 1 (0.55)")
    parser.add_argument("--weights", metavar="FILE", help="instead of RUN: published weights, as safetensors")
    parser.add_argument("--arch", metavar="NAME", help="the network of --weights, such as deeplabv3_resnet50")
    building.add_device(parser)
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="work in tiles, for images too large for the memory")


def run(args):
    """Carry out the command; returns its exit code, None for 0."""
    if not 0 <= args.alpha <= 1:
        raise ValueError(f"--alpha {args.alpha}; needed 0 to 1")
    if (args.run_folder is None) == (args.weights is None) or (args.weights is None) != (args.arch is None):
        raise ValueError("needed either RUN, or --weights FILE with --arch NAME")
    if args.weights is None:
        model, config, _ = building.open_run(args.run_folder)
    else:
        from ..models.weights import open_published

        model, config = open_published(args.arch, args.weights)
    model.to(args.device)
    source = Path(args.image)
    if not source.is_dir():
        _one(model, config, args, source, Path(args.output), _path(args.mask), _path(args.figure))
        return 0
    from ..data.folder import IMAGE_SUFFIXES
    from ..data.image import BrokenImageError

    images = sorted(p for p in source.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != ".")
    if not images:
        raise FileNotFoundError(f"{source} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    folders = [_path(name) for name in (args.output, args.mask, args.figure)]
    for folder in folders:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    broken = 0
    for image in images:
        try:
            _one(model, config, args, image, *(None if f is None else f / f"{image.name}.png" for f in folders))
        except BrokenImageError as error:
            print(f"minidl predict: {error}", file=sys.stderr)
            broken += 1
    if broken:
        raise ValueError(f"{broken} of {len(images)} images could not be read; the others are in {args.output}")
    return 0


def _path(name):
    return None if name is None else Path(name)


def _one(model, config, args, source, output, mask_path, figure_path):
    import numpy as np

    from ..data.image import picture_format, read_image, write_image, write_mask
    from ..data.overlay import paint
    from ..kernels.files import check_writable

    for path in (output, mask_path, figure_path):
        if path is not None:
            check_writable(path)
    picture_format(output)
    image = read_image(source)
    mask = predict(model, config, image, args.tile)
    classes, colors = config["classes"], np.array(config["colors"], np.uint8)
    background = 0 if classes[0] == "background" else None
    write_image(output, paint(image, mask, colors, args.alpha, background))
    if mask_path is not None:
        write_mask(mask_path, mask, colors)
    if figure_path is not None:
        from .. import plot

        plot.save(plot.overlay(image, mask, classes, colors, source.name, background), figure_path)
    labels, counts = np.unique(mask, return_counts=True)
    shares = sorted(zip(counts / mask.size, labels), reverse=True)
    print(f"{output}: " + ", ".join(f"{printable(classes[k])} {share:.1%}" for share, k in shares))


def predict(model, config, image, tile=None):
    """The most likely label of every pixel of `image` (H x W x 3 uint8): H x W uint8.

    The image is resized and normalised as in training, and the scores are brought back to its own size.
    """
    import numpy as np

    from .. import functional as F
    from ..autograd.tape import no_grad
    from ..autograd.tensor import Tensor
    from ..data.loader import to_chw
    from ..models import predict_tiled
    from ..train.tasks import scores_of

    size = image.shape[:2]
    if "shorter_side" in config:
        config = config | {"size": [max(1, round(n * config["shorter_side"] / min(size))) for n in size]}
    ready, _ = building.build_transform(config, False)(image, np.zeros(size, np.uint8), None)
    x = to_chw(ready)[None]
    with no_grad():
        if tile is not None or getattr(model, "valid", False):
            margin = None if getattr(model, "margin", 0) else 64
            scores = Tensor(predict_tiled(model, x, tile or 256, margin))
        else:
            scores = scores_of(model(Tensor(x).to(model.device)))
        if scores.shape[2:] != size:
            scores = F.interpolate(scores, size=size, mode="bilinear")
    return scores.cpu().data[0].argmax(axis=0).astype(np.uint8)
