"""`minidl predict`: overlays, labels and probabilities of images of any size, and objects of detectors."""

import argparse
import sys
from pathlib import Path

from . import building
from .setup.networks import add_weights
from .setup.options import items

EXAMPLES = """examples:
  minidl predict runs/camvid street.jpg -o out.png
  minidl predict runs/camvid street.jpg -o out.png --mask labels.png --prob probabilities.npy --figure figure.png
  minidl predict runs/camvid photos/ -o painted/ --mask labels/      every image in photos/ and its sub-folders
  minidl predict runs/camvid a.jpg b.jpg scans/*.tif --mask labels/  several files: the outputs are folders
  minidl predict runs/camvid huge.png -o out.png --tile 512
  minidl predict runs/objects street.jpg -o out.png --json objects.json --objects cut/
  minidl predict runs/tissue slide.tif -o mask.tif --skip-background     an image larger than the memory
  mpiexec -n 4 minidl predict runs/tissue slide.zarr -o mask.zarr        four processes share the tiles
  minidl predict photo.jpg --weights deeplabv3_resnet50 -o out.png   published weights, downloaded once
  minidl predict photo.jpg --weights network.onnx -o out.png         or a .pth or safetensors file

For several images, a folder, or a file of several pages, OUT and the other outputs are folders, which are created if they are
missing; a.jpg becomes a.png there, page 2 of b.tif becomes b_page2.png. Pictures are written upright, by their EXIF
orientation. A file that cannot be read is reported, the others are still predicted, and the exit code is 1.

One .tif, .zarr, .npy or whole-slide image with OUT a .tif or .zarr is read window by window, at any size, and OUT holds
labels with a colour table, resolution and georeference; --prob may then be a .tif or .zarr too. An interrupted run continues
when the same command is started again.
"""
PLACES = ("output", "mask", "figure", "prob")


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "predict",
        help="segment images or folders of images with a trained network",
        description="Segment images, or every image of folders, and write them with an overlay of their classes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="minidl predict RUN IMAGE ... -o OUT [options], or --weights NAME|FILE in place of RUN",
    )
    parser.set_defaults(wrong_usage=parser.error)
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="RUN IMAGE",
        help="a run folder or a checkpoint of one; then images or folders of images",
    )
    parser.add_argument("-o", "--output", "--overlay", metavar="OUT", help="the image with an overlay of its classes")
    parser.add_argument("--mask", metavar="PNG", help="the labels, as a palette PNG (16-bit grey beyond 256 classes)")
    parser.add_argument(
        "--prob", metavar="FILE", help="the probabilities (classes, H, W): .npy, or .tif with a page for each class"
    )
    parser.add_argument("--figure", metavar="PNG", help="a figure with names and legend")
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="show only these classes, with spaces or commas between, in the overlay",
    )
    parser.add_argument("--alpha", type=float, default=0.55, help="opacity of the overlay, 0 to 1 (0.55)")
    add_weights(parser)
    building.add_device(parser)
    parser.add_argument(
        "--tile", type=int, metavar="PIXELS", help="predict in tiles of PIXELS x PIXELS (512 above 4 megapixels)"
    )
    large = parser.add_argument_group("images larger than the memory (TIFF, zarr, .npy, whole-slide images)")
    large.add_argument(
        "--skip-background",
        nargs="?",
        type=float,
        const=12.0,
        metavar="LEVELS",
        help="skip a tile where no channel of its window varies by more than LEVELS of 255 (12); it gets class 0",
    )
    large.add_argument("--level", type=int, default=0, help="level of a pyramid; 0 is the finest (0)")
    objects = parser.add_argument_group("detectors")
    objects.add_argument(
        "--score", type=float, default=0.5, metavar="S", help="leave out objects with a lower score (0.5)"
    )
    objects.add_argument("--json", metavar="FILE", help="all objects of all images, in COCO's format of results")
    objects.add_argument(
        "--objects", metavar="DIR", help="a PNG for each object, cut out, transparent outside its mask"
    )


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..kernels.files import check_writable
    from .setup.large import predict_large, wants_windows
    from .setup.sources import find_sources, output_paths

    paths = list(args.paths)
    _check(args, paths)
    if args.weights is None:
        model, config, checkpoint = building.open_run(paths.pop(0))
    else:
        from .setup.networks import open_network

        model, config, checkpoint = open_network(args.weights, args.arch)
    _check_fit(args, config)
    if config["task"] == "segmentation" and wants_windows(args, paths):
        return predict_large(model.to(args.device), config, args, paths[0], checkpoint)
    for name, without in (("skip_background", None), ("level", 0)):
        if getattr(args, name) != without:
            raise ValueError(
                f"--{name.replace('_', '-')} needs one TIFF, zarr or whole-slide image and -o OUT.tif or OUT.zarr"
            )
    sources, several = find_sources(paths)
    places = {name: None if getattr(args, name) is None else Path(getattr(args, name)) for name in PLACES}
    outputs = output_paths(sources, places, several)
    if args.json is not None:
        check_writable(args.json)
    if args.objects is not None:
        Path(args.objects).mkdir(parents=True, exist_ok=True)
    model.to(args.device)
    answers, broken = [], 0
    for source, targets in zip(sources, outputs):
        try:
            answers += _one(model, config, args, source, targets)
        except (ValueError, OSError) as error:
            if not several:
                raise
            print(f"minidl predict: {_text(error)}", file=sys.stderr)
            broken += 1
    if args.json is not None:
        import json

        from ..kernels.files import write

        write(args.json, json.dumps(answers) + "\n")
    if broken:
        rest = (
            f"; the others are in {args.output or args.mask or args.prob or args.figure}"
            if broken < len(sources)
            else ""
        )
        raise ValueError(f"{broken} of {len(sources)} images could not be read{rest}")
    return 0


def _check(args, paths):
    from .setup import checks

    if not 0 <= args.alpha <= 1:
        raise ValueError(f"--alpha {args.alpha}; needed 0 to 1")
    checks.number("--score", args.score, minimum=0, maximum=1)
    if args.tile is not None:
        checks.number("--tile", args.tile, minimum=32)
    if args.weights is None and args.arch is not None:
        raise ValueError(f"--arch {args.arch} has no effect without --weights")
    if args.weights is None and len(paths) < 2:
        args.wrong_usage(f"needed RUN and IMAGE, got {paths[0]} alone")
    if not any(getattr(args, name) for name in (*PLACES, "json", "objects")):
        args.wrong_usage("nothing would be written; needed -o OUT, --mask, --prob, --figure, --json or --objects")


def _check_fit(args, config):
    """Raise ValueError for a classifier, and for options that have no effect on the network's task."""
    from ..models import CLASSIFIERS

    if config["model"] in CLASSIFIERS:
        raise ValueError(f"{config['model']} is a classifier: it names a whole image; needed a network that segments")
    channels = (config["image_format"] or {}).get("channels", 3)
    if channels != 3 and config["normalization"] is None:
        raise ValueError(
            f"--weights {args.weights}: images of {channels} channels, and how they are normalised is not said"
        )
    detector = config["task"] == "detection"
    for name in ("mask", "prob", "figure", "tile", "classes") if detector else ("json", "objects"):
        if getattr(args, name) is not None:
            kind = "a detector" if detector else "not a detector"
            raise ValueError(f"--{name} has no effect: {config['model']} is {kind}")
    if args.classes is None:
        return
    args.classes = [name for word in args.classes for name in ([word] if word in config["classes"] else items([word]))]
    strange = [name for name in args.classes if name not in config["classes"]]
    if strange:
        raise ValueError(f"--classes {strange[0]}; the network knows {', '.join(config['classes'])}")


def _text(error):
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _one(model, config, args, source, targets):
    """Predict one image and write the requested outputs; returns the objects as COCO results."""
    from ..data.image import read_image
    from .setup.outputs import write_objects, write_segmentation

    form = config["image_format"] or {}
    image = read_image(
        source.path,
        form.get("channels", 3),
        high_depth=form.get("high_depth", False),
        exif=form.get("exif", True),
        page=source.page,
    )
    if config["task"] == "detection":
        return write_objects(model, config, args, source, image, targets["output"])
    scores = predict_scores(model, config, image, args.tile)
    write_segmentation(config, args, source, image, scores, targets)
    return []


LARGE = 4_000_000  # larger images, in pixels, are predicted in tiles by default


def predict_scores(model, config, image, tile=None):
    """The scores of every pixel of `image` (H x W x C), at its own size: (classes, H, W) float32.

    The image is resized and normalised as in training, and the scores are resized to its own size.
    """
    import numpy as np

    from .. import functional as F
    from ..autograd.tape import no_grad
    from ..autograd.tensor import Tensor
    from ..data.loader import to_chw
    from ..models import predict_tiled
    from ..train.tasks import scores_of
    from .setup.loaders import build_transform, sized

    size = image.shape[:2]
    ready, _ = build_transform(sized(config, size), False)(image, np.zeros(size, np.uint8), None)
    x = to_chw(ready)[None]
    if tile is None and x.shape[2] * x.shape[3] > LARGE:
        tile = 512
    with no_grad():
        if tile is None and not getattr(model, "valid", False):
            try:
                scores = scores_of(model(Tensor(x).to(model.device)))
            except MemoryError:
                tile = 256
        if tile is not None or getattr(model, "valid", False):
            margin = None if getattr(model, "margin", 0) else 64
            scores = Tensor(predict_tiled(model, x, tile or 256, margin))
        if scores.shape[2:] != size:
            scores = F.interpolate(scores, size=size, mode="bilinear")
    return scores.cpu().data[0]


def predict(model, config, image, tile=None):
    """The most likely label of every pixel of `image` (H x W x C): H x W, uint8 for up to 256 classes, else uint16."""
    import numpy as np

    scores = predict_scores(model, config, image, tile)
    return scores.argmax(axis=0).astype(np.uint8 if len(scores) <= 256 else np.uint16)
