"""`minidl evaluate`: a trained network's scores, class by class."""

import argparse
import json

from . import building, printable

EXAMPLES = """examples:
  minidl evaluate runs/camvid
  minidl evaluate runs/camvid/last.safetensors --root CamVid --json scores.json
  minidl evaluate runs/camvid --split train
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score a trained network on its data set",
        description="IoU and accuracy of a trained network, class by class and in the mean.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", metavar="RUN", help="a run folder (its best checkpoint serves) or a checkpoint")
    parser.add_argument("--root", metavar="DIR", help="where the data lies now")
    parser.add_argument("--split", choices=("train", "val"), default="val", help="on which part of the data (val)")
    building.add_device(parser)
    parser.add_argument("--json", metavar="FILE", help="also write the scores there")


def run(args):
    """Carry out the command; returns its exit code, None for 0."""
    from ..data import DataLoader
    from ..kernels.files import check_writable, write
    from ..train import loop as training

    if args.json:
        check_writable(args.json)
    model, config, path = building.open_run(args.run_folder)
    config = config | ({"root": args.root} if args.root else {})
    dataset = building.build_dataset(config, int(args.split == "val"))
    if list(dataset.classes) != config["classes"]:
        raise ValueError(
            f"the data has classes {list(dataset.classes)}, the network was trained on {config['classes']}"
        )
    model.to(args.device)
    loader = DataLoader(dataset, 1, transform=building.build_transform(config, False), device=args.device)
    loss, matrix = training.evaluate(model, loader, progress=True)
    print(f"{path} on {len(dataset)} images ({args.split})\n")
    names = [printable(name) for name in config["classes"]]
    width = max(map(len, [*names, "frequency-weighted IoU"]))
    print(f"{'class':{width}}      IoU  accuracy     share")
    share = matrix.counts.sum(axis=1) / max(matrix.counts.sum(), 1)
    for name, iou, accuracy, part in zip(names, matrix.iou(), matrix.accuracy(), share):
        print(f"{name:{width}}  {iou:7.4f}   {accuracy:7.4f}   {part:7.1%}")
    scores = {
        "mean IoU": matrix.mean_iou(),
        "mean accuracy": matrix.mean_accuracy(),
        "pixel accuracy": matrix.pixel_accuracy(),
        "frequency-weighted IoU": matrix.frequency_weighted_iou(),
        "loss": loss,
    }
    print()
    for name, value in scores.items():
        print(f"{name:{width}}  {value:7.4f}")
    if args.json:
        per_class = {name: None if iou != iou else iou for name, iou in zip(config["classes"], matrix.iou().tolist())}
        write(args.json, json.dumps(scores | {"IoU": per_class}, indent=2) + "\n")
