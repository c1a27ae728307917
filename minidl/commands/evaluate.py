"""`minidl evaluate`: scores of a trained network, class by class, and a page of its worst images."""

import argparse
import json

from . import building, printable
from .setup import options
from .setup.networks import add_weights

OF_DATA = ("data", "images", "masks", "image_suffix", "mask_suffix", "folder_classes", "folder_ignore", "mask_values")
OF_DATA += ("color_table", "lists", "exif", "digit_classes", "digit_size", "length")

EXAMPLES = """examples:
  minidl evaluate runs/camvid
  minidl evaluate runs/camvid/last.safetensors --root CamVid --json scores.json
  minidl evaluate runs/camvid --split test --confusion matrix.csv --confusion-picture matrix.png
  minidl evaluate runs/tissue --image slide.tif --truth labels.tif     one image larger than the memory
  minidl evaluate --weights deeplabv3_resnet50 --data voc --root VOC
  minidl evaluate runs/camvid --page worst.html        the images on one page, worst first
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a trained network on its data set",
        description="IoU, Dice and accuracy of a trained network for each class and on average; AP of a detector.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run_folder",
        nargs="?",
        metavar="RUN",
        help="a run folder, whose best checkpoint is taken, or a checkpoint file",
    )
    add_weights(parser)
    parser.add_argument("--root", metavar="DIR", help="the folder of the data, if it has moved since training")
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="val", help="the part of the data to score (val)"
    )
    building.add_device(parser)
    parser.add_argument("--json", metavar="FILE", help="also write the scores to this file")
    parser.add_argument("--confusion", metavar="CSV", help="the confusion matrix: a row for each true class, in pixels")
    parser.add_argument(
        "--confusion-picture", metavar="PNG", help="the confusion matrix as a picture, each row in shares of its class"
    )
    parser.add_argument(
        "--page", metavar="HTML", help="a page that shows image, true labels and prediction, lowest IoU first"
    )
    parser.add_argument("--worst", type=int, default=20, metavar="N", help="how many images the page shows (20)")
    parser.add_argument(
        "--boundary",
        type=int,
        default=3,
        metavar="PIXELS",
        help="largest distance from a boundary of the pixels in boundary IoU (3)",
    )
    parser.add_argument(
        "--tile",
        type=int,
        metavar="PIXELS",
        help="predict in tiles of PIXELS x PIXELS, for images too large for the memory",
    )
    parser.add_argument(
        "--image", metavar="FILE", help="instead of the data: one image of any size, read window by window"
    )
    parser.add_argument("--truth", metavar="FILE", help="the labels of --image: a TIFF, zarr or .npy of its size")
    parser.add_argument(
        "--skip-broken", action="store_true", help="leave out images that cannot be decoded, with a warning"
    )
    options.add(parser.add_argument_group("the data to score --weights on (a run knows its own)"), OF_DATA)


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..kernels.files import check_writable, write
    from .setup import checks
    from .setup.datasets import build_dataset

    checks.number("--worst", args.worst, minimum=1)
    checks.number("--boundary", args.boundary, minimum=1)
    if args.tile is not None:
        checks.number("--tile", args.tile, minimum=32)
    model, config, path = _open(args)
    for name in ("json", "confusion", "confusion_picture", "page"):
        if getattr(args, name):
            check_writable(getattr(args, name))
    config = config | ({"root": args.root} if args.root else {})
    if config["task"] == "detection":
        for name in ("confusion", "confusion_picture", "page", "tile"):
            if getattr(args, name):
                raise ValueError(f"--{name.replace('_', '-')} has no effect: {config['model']} is a detector")
    if (args.image is None) != (args.truth is None):
        raise ValueError("--image and --truth go together")
    if args.image is not None:
        return _large(model.to(args.device), config, args)
    dataset = build_dataset(config, ("train", "val", "test").index(args.split))
    config = {"ignore_index": dataset.ignore_index} | config
    if args.weights and config["classes"] == [f"class {k}" for k in range(len(dataset.classes))]:
        config["classes"] = list(dataset.classes)  # the file has the number of classes but no names
    if list(dataset.classes) != config["classes"]:
        raise ValueError(
            f"the data has classes {list(dataset.classes)}, the network was trained on {config['classes']}"
        )
    model.to(args.device)
    if config["task"] == "detection":
        scores = _detector(model, config, dataset, args, path)
    else:
        scores = _segmentation(model, config, dataset, args, path)
    if args.json:
        write(args.json, json.dumps(scores, indent=2) + "\n")


def _large(model, config, args):
    from ..backend.ranks import world
    from ..kernels.files import write
    from .setup.large import evaluate_large
    from .setup.scoring import confusion_csv

    if config["task"] == "detection":
        raise ValueError(f"--image has no effect: {config['model']} is a detector")
    for name in ("page", "confusion_picture"):
        if getattr(args, name):
            raise ValueError(f"--{name.replace('_', '-')} has no effect with --image")
    matrix = evaluate_large(model, config, args.image, args.truth, args.tile)
    scores = {"mean IoU": matrix.mean_iou(), "mean Dice": matrix.mean_dice(), "pixel accuracy": matrix.pixel_accuracy()}
    if world().rank:
        return
    print(f"{args.image}, {matrix.counts.sum():,} labelled pixels\n")
    for name, value in [*zip(map(printable, config["classes"]), matrix.iou()), *scores.items()]:
        print(f"{name:22}  {value:7.4f}")
    if args.confusion:
        write(args.confusion, confusion_csv(matrix.counts, config["classes"]))
    if args.json:
        iou = {name: None if v != v else v for name, v in zip(config["classes"], matrix.iou().tolist())}
        write(args.json, json.dumps(scores | {"IoU": iou}, indent=2) + "\n")


def _open(args):
    """(network, settings, where its weights are) of RUN, or of --weights with the data of --data and --root."""
    if (args.run_folder is None) == (args.weights is None):
        raise ValueError("needed either RUN, or --weights NAME|FILE")
    given = {name: getattr(args, name) for name in OF_DATA if hasattr(args, name)}
    if args.weights is None:
        if given:
            raise ValueError(f"{options.flag(next(iter(given)))} has no effect on a run, which knows its data")
        return building.open_run(args.run_folder)
    from .setup.networks import open_network

    model, config, path = open_network(args.weights, args.arch)
    if "ignore_index" not in config and "data" not in given:
        raise ValueError(f"--weights {args.weights} does not say what data to score it on; needed --data and --root")
    return model, config | given, path


def _detector(model, config, dataset, args, path):
    from ..data import DataLoader
    from ..train import loop as training
    from ..train.tasks import Detection
    from .setup.loaders import build_transform

    loader = DataLoader(dataset, 1, transform=build_transform(config, False), device=args.device)
    scores = training.evaluate(model, loader, task=Detection(masks="mask" in config["model"]), progress=True)
    print(f"{path} on {len(dataset)} images ({args.split})\n")
    for name, value in scores.items():
        print(f"{name.upper():6} {value:7.4f}")
    return scores


def _segmentation(model, config, dataset, args, path):
    from ..kernels.files import write
    from .setup.scoring import confusion_csv, score_images

    total, band, loss, rows = score_images(model, config, dataset, args)
    if not rows:
        raise ValueError(f"none of the {len(dataset)} images could be read")
    print(f"{path} on {len(rows)} images ({args.split})\n")
    iou, dice, accuracy, edge = total.iou(), total.dice(), total.accuracy(), band.iou()
    share = total.counts.sum(axis=1) / max(total.counts.sum(), 1)
    names = [printable(name) for name in config["classes"]]
    width = max(map(len, [*names, "frequency-weighted IoU"]))
    print(f"{'class':{width}}      IoU     Dice  boundary  accuracy     share")
    for name, *values, part in zip(names, iou, dice, edge, accuracy, share):
        print(f"{name:{width}}  {values[0]:7.4f}  {values[1]:7.4f}   {values[2]:7.4f}   {values[3]:7.4f}   {part:7.1%}")
    scores = {
        "mean IoU": total.mean_iou(),
        "mean Dice": total.mean_dice(),
        "boundary IoU": band.mean_iou(),
        "mean accuracy": total.mean_accuracy(),
        "pixel accuracy": total.pixel_accuracy(),
        "frequency-weighted IoU": total.frequency_weighted_iou(),
        "loss": loss,
    }
    print()
    for name, value in scores.items():
        print(f"{name:{width}}  {value:7.4f}")
    if args.confusion:
        write(args.confusion, confusion_csv(total.counts, config["classes"]))
    if args.confusion_picture:
        from .. import plot
        from ..plot.masks import confusion

        plot.save(confusion(total.counts, config["classes"]), args.confusion_picture)
    if args.page:
        from .setup.worst_page import worst_page

        write(args.page, worst_page(model, config, dataset, rows, args))
    per_class = {name: None if v != v else v for name, v in zip(config["classes"], iou.tolist())}
    return scores | {
        "IoU": per_class,
        "Dice": {n: None if v != v else v for n, v in zip(config["classes"], dice.tolist())},
    }
