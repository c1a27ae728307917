"""`minidl crf-tune`: a search for the dense CRF's parameters with the best mean IoU on validation data."""

import argparse
import unicodedata
from pathlib import Path

from . import building
from .crf import add_parameters, add_prediction_options, check_numbers, read_unary

EXAMPLES = """The three folders are matched by file name without its ending:
  images/0001.jpg  predictions/0001.npy (or .tif, .png, see minidl crf --help)  labels/0001.png

The search is that of DeepLab: all of --w1 x --sxy x --srgb, then half way from the best point to its neighbours.

examples:
  minidl crf-tune images/ probabilities/ labels/
  minidl crf-tune images/ scores/ labels/ --logits --w1 3 5 10 --sxy 30 60 --srgb 3 6 10 --limit 50
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    from ..train.crf_tuning import COARSE

    parser = subparsers.add_parser(
        "crf-tune",
        help="find the parameters of a dense CRF on validation data",
        description="Find weight and standard deviations of the CRF's appearance term by mean IoU, coarse to fine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, text in (("images", "pictures"), ("predictions", "the network's outputs"), ("labels", "true labels")):
        parser.add_argument(name, metavar=name.upper(), help=f"folder: {text}")
    for name in COARSE:
        values = " ".join(map(str, COARSE[name]))
        parser.add_argument(f"--{name}", type=float, nargs="+", default=COARSE[name], help=f"values to try ({values})")
    building.add_device(parser)
    parser.add_argument("--rounds", type=int, default=2, help="1 is the coarse grid alone (2)")
    parser.add_argument("--limit", type=int, help="use only the first LIMIT images")
    add_parameters(parser)
    add_prediction_options(parser)


class Folders:
    """Samples (image, unary, labels), read from disk each time they are asked for."""

    def __init__(self, args):
        self.args = args
        images, predictions, labels = (_by_stem(folder) for folder in (args.images, args.predictions, args.labels))
        stems = [stem for stem in sorted(labels) if stem in images and stem in predictions][: args.limit]
        if not stems:
            raise ValueError(f"no file name is in all of {args.images}, {args.predictions} and {args.labels}")
        self.files = [(images[s], predictions[s], labels[s]) for s in stems]
        if args.classes is None and not all(_of_probabilities(p) for _, p, _ in self.files):
            raise ValueError("predictions that are pictures of labels need --classes")

    def __len__(self):
        return len(self.files)

    def __getitem__(self, k):
        from ..backend import cuda
        from ..data.image import read_image, read_mask

        image_path, prediction, labels_path = self.files[k]
        image, labels = read_image(image_path), read_mask(labels_path)
        if labels.shape != image.shape[:2]:
            raise ValueError(f"{labels_path} is {labels.shape}, {image_path} {image.shape[:2]} pixels high and wide")
        parts = image.transpose(2, 0, 1), read_unary(prediction, self.args, labels.shape), labels
        return tuple(cuda.move(part, self.args.device) for part in parts)


def _of_probabilities(path):
    from .setup.outputs import read_pages

    suffix = path.suffix.lower()
    return suffix == ".npy" or (suffix in (".tif", ".tiff") and read_pages(path) is not None)


def _by_stem(folder):
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    return {
        unicodedata.normalize("NFC", path.stem): path
        for path in folder.iterdir()
        if path.is_file() and path.name[0] != "."
    }


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from tqdm import tqdm

    from ..crf.terms import Gaussian
    from ..train.crf_tuning import tune
    from .setup.checks import number

    check_numbers(args)
    number("--rounds", args.rounds, minimum=1)
    if args.limit is not None:
        number("--limit", args.limit, minimum=1)
    samples = Folders(args)
    classes = args.classes or len(samples[0][1])
    grid = {name: sorted(set(getattr(args, name))) for name in ("w1", "sxy", "srgb")}
    found = tune(
        samples,
        classes,
        grid,
        rounds=args.rounds,
        iterations=args.iterations,
        gaussian=Gaussian(args.sigma, args.w2, args.normalization),
        ignore_index=args.ignore_index,
        progress=lambda pairs: tqdm(pairs, desc="crf-tune", unit="sxy,srgb", disable=None),
    )
    best = sorted(found.tried, key=lambda row: -row[3])[:5]
    print(f"{len(samples)} images, {len(found.tried)} points tried; mean IoU without a CRF {found.before:.4f}")
    print("    w1    sxy   srgb  mean IoU")
    for w1, sxy, srgb, score in best:
        print(f"{w1:6g} {sxy:6g} {srgb:6g}    {score:.4f}")
    print(
        f"use: minidl crf --w1 {found.w1:g} --sxy {found.sxy:g} --srgb {found.srgb:g} --w2 {args.w2:g} --sigma {args.sigma:g}"
    )
