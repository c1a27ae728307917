"""`minidl crf`: sharpen a segmentation with a dense CRF, and show what changed."""

import argparse
import io
from pathlib import Path

from ..functional.filter import NORMALIZATIONS
from . import building, report

NORMALIZED = (
    "how the sums over neighbours are divided by the sum of their weights (symmetric: by its root before and after)"
)
EXAMPLES = """PREDICTION is the output of a network in one of two forms:
  probabilities: a .npy array (classes, H, W), or a floating-point .tif with a page for each class, as `minidl predict
  --prob` writes them; with --logits, scores before the softmax
  a picture of labels (palette or grey PNG), which are right with the probability --confidence

examples:
  minidl crf street.jpg probabilities.npy -o labels.png
  minidl crf street.jpg scores.npy --logits -o labels.png --w1 5 --sxy 50 --srgb 5
  minidl crf street.jpg coarse.png -o labels.png --confidence 0.6 --picture compare.png
  minidl crf small.png probabilities.npy -o beliefs.npy --exact
  minidl crf slide.tif probabilities.zarr -o labels.tif      an image larger than the memory, in overlapping blocks

A .tif, .zarr, .npy or whole-slide image with OUT a .tif or .zarr is read block by block: a tile of --tile pixels with
--margin more on each side, of which the tile is kept. PREDICTION is then probabilities (floats) or labels (integers) in
one of these formats. A run that was killed goes on when it is started again; mpiexec shares out the tiles.

minidl crf-tune finds the parameters on validation data.
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "crf",
        help="sharpen a segmentation with a dense CRF",
        description="Sharpen a segmentation: pixels that are near and alike in colour agree on a label.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", metavar="IMAGE", help="the picture that was segmented")
    parser.add_argument("prediction", metavar="PREDICTION", help="probabilities (.npy, .tif) or labels (a picture)")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="labels (.png, .tif), or beliefs (.npy)")
    parser.add_argument(
        "--picture", metavar="PNG", help="before, after and difference (OUT.compare.png in the folder of OUT)"
    )
    parser.add_argument("--no-picture", action="store_true", help="do not write this picture")
    parser.add_argument("--w1", type=float, default=10, metavar="WEIGHT", help="weight of the appearance term (10)")
    parser.add_argument("--sxy", type=float, default=80, metavar="PIXELS", help="its standard deviation in space (80)")
    parser.add_argument(
        "--srgb", type=float, default=13, metavar="LEVELS", help="its standard deviation in colour, of 0 to 255 (13)"
    )
    add_parameters(parser)
    add_prediction_options(parser)
    parser.add_argument("--exact", action="store_true", help="sum over all pairs of pixels: slow, for small images")
    large = parser.add_argument_group("images read block by block")
    large.add_argument("--tile", type=int, metavar="PIXELS", help="side of the tiles, a multiple of 16 (1024)")
    large.add_argument(
        "--margin",
        type=int,
        metavar="PIXELS",
        help="what a block sees around its tile (3 times the larger of --sxy and --sigma)",
    )
    building.add_device(parser)


def add_parameters(parser):
    """The inference options of `crf` and `crf-tune`."""
    parser.add_argument("--iterations", type=int, default=10, metavar="N", help="mean-field iterations (10)")
    parser.add_argument("--w2", type=float, default=3, metavar="WEIGHT", help="weight of the smoothness term (3)")
    parser.add_argument(
        "--sigma", type=float, default=3, metavar="PIXELS", help="standard deviation of the smoothness term (3)"
    )
    parser.add_argument("--normalization", choices=NORMALIZATIONS, default="symmetric", help=NORMALIZED)


def add_prediction_options(parser):
    """The options with which `crf` and `crf-tune` read a prediction."""
    parser.add_argument("--logits", action="store_true", help="a .npy or .tif holds scores before the softmax")
    parser.add_argument(
        "--classes", type=int, metavar="N", help="number of classes, for labels (the largest label + 1)"
    )
    parser.add_argument(
        "--confidence", type=float, default=0.7, metavar="P", help="probability that a given label is right (0.7)"
    )
    parser.add_argument(
        "--ignore-index", type=int, default=255, metavar="LABEL", help="label of pixels without a prediction (255)"
    )


def check_numbers(args):
    """Raise ValueError for parameters out of range; those of the appearance term may be lists of values to try."""
    from .setup.checks import number

    number("--iterations", args.iterations, minimum=0)
    number("--w2", args.w2, minimum=0)
    number("--sigma", args.sigma, above=0)
    for name in ("w1", "sxy", "srgb"):
        value = getattr(args, name)
        for one in value if isinstance(value, list | tuple) else [value]:
            bound = {"minimum": 0} if name == "w1" and one is value else {"above": 0}
            number(f"--{name}", one, **bound)
    if not 0 < args.confidence < 1:
        raise ValueError(f"--confidence {args.confidence}; needed above 0 and below 1")
    if args.classes is not None:
        number("--classes", args.classes, minimum=2, maximum=65535)


def read_unary(path, args, size):
    """Unary energies (C, H, W) from probabilities or logits (.npy, floating-point .tif), or from a picture of labels."""

    from ..backend.reading import read_npy
    from ..crf import from_labels, from_logits, from_probabilities
    from ..data.image import read_mask
    from .setup.outputs import read_pages

    array = read_npy(path) if Path(path).suffix.lower() == ".npy" else read_pages(path)
    if array is not None:
        if array.ndim == 4 and len(array) == 1:
            array = array[0]
        if array.ndim != 3 or array.shape[1:] != size:
            raise ValueError(f"{path} holds {array.shape}; needed (classes, {size[0]}, {size[1]}) as the image has")
        try:
            return from_logits(array) if args.logits else from_probabilities(array)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    labels = read_mask(path)
    if labels.shape != size:
        raise ValueError(f"{path} is {labels.shape[1]}x{labels.shape[0]} pixels; the image is {size[1]}x{size[0]}")
    known = labels[labels != args.ignore_index]
    classes = args.classes if args.classes is not None else int(known.max(initial=0)) + 1
    try:
        return from_labels(labels, classes, args.confidence, args.ignore_index)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    import numpy as np

    from ..backend import cuda
    from ..crf import Bilateral, DenseCRF, Gaussian
    from ..data.image import read_image, voc_palette, write_image, write_mask
    from ..data.slides import is_slide
    from ..kernels.files import check_writable, is_stream, write
    from .setup.large import OUTPUTS
    from .setup.large_crf import sharpen_large

    check_numbers(args)
    output = Path(args.output)
    terms = (
        Gaussian(args.sigma, args.w2, args.normalization),
        Bilateral(args.sxy, args.srgb, args.w1, args.normalization),
    )
    if is_slide(args.image) and output.suffix.lower() in OUTPUTS:
        return sharpen_large(args, terms)
    for name in ("tile", "margin"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name} needs a TIFF, zarr, .npy or whole-slide image and -o OUT.tif or OUT.zarr")
    if output.suffix.lower() not in (".png", ".npy") and not is_stream(output):
        raise ValueError(f"{output}: needed .png for labels or .npy for beliefs")
    picture = Path(args.picture) if args.picture else output.with_name(f"{output.stem}.compare.png")
    drawn = bool(args.picture) or not (args.no_picture or is_stream(output))  # not next to a device
    for path in (output, picture) if drawn else (output,):
        check_writable(path)
    image = read_image(args.image)
    unary = read_unary(args.prediction, args, image.shape[:2])
    crf = DenseCRF(image.transpose(2, 0, 1), terms, args.exact)
    beliefs = cuda.to_host(crf.inference(cuda.move(unary, args.device), args.iterations))
    before, after = (x.argmax(axis=0) for x in (-unary, beliefs))
    if output.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, beliefs)
        write(output, buffer.getvalue())
    else:
        write_mask(output, after, voc_palette(256), bits=8 if len(beliefs) <= 256 else 16)
    if drawn:
        write_image(picture, _comparison(image, before, after))
    where = "" if not drawn else f"; before, after and difference in {picture}"
    report(f"{output}: {(before != after).mean():.2%} of {before.size} pixels changed their label{where}", output)


def _comparison(image, before, after):
    """A Pillow picture: the image with the labels before and after, and with the pixels that changed in red."""
    import numpy as np
    from PIL import Image, ImageDraw

    from ..data.image import voc_palette
    from ..data.overlay import paint

    changed = before != after
    grey = np.repeat(image.mean(axis=2, keepdims=True) / 2 + 96, 3, axis=2)
    difference = np.where(changed[..., None], (220, 30, 40), grey).astype(np.uint8)
    colors = voc_palette(256)
    panels = [("before", paint(image, before, colors)), ("after", paint(image, after, colors))]
    panels.append((f"changed: {changed.mean():.2%}", difference))
    H, W = before.shape
    title, gap = 16, 6
    sheet = Image.new("RGB", (3 * W + 2 * gap, H + title), "white")
    for k, (text, panel) in enumerate(panels):
        ImageDraw.Draw(sheet).text((k * (W + gap) + 2, 2), text, fill="black")
        sheet.paste(Image.fromarray(panel), (k * (W + gap), title))
    return sheet
