"""`minidl inspect`: a report on a folder of images and masks, and the faults that prevent training on it."""

import argparse
import json
import os
import shlex
from pathlib import Path

from .setup import options

EXAMPLES = """examples:
  minidl inspect my_data --folder-classes background leaf
  minidl inspect cells --images image --masks label --mask-values 0,255
  minidl inspect painted --colors colours.csv
  minidl inspect coco --data coco --model mask_rcnn_small
  minidl inspect my_data --folder-classes 2 --augment medical --crop 256 256     the sheet shows augmented samples too

Nothing in ROOT is changed. The exit code is 1 if `minidl train` would reject the data; the reasons are printed. The report
folder receives sheet.png (image, mask, overlay of some samples), report.json and, with --augment, augmented.png.
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "inspect",
        help="look at a folder of images and masks before training",
        description="Read every image and mask of a data set once and report pairs, sizes, pixel modes, labels and "
        "their shares, files without a partner, and every reason for which training would reject it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("root", metavar="ROOT", help="the folder that holds the data")
    parser.add_argument("--out", default="inspection", metavar="DIR", help="the folder of the report (inspection)")
    parser.add_argument("--samples", type=int, default=8, metavar="N", help="samples on the sheet (8)")
    options.add(parser, ["model", *options.INSPECTED], data="the layout that ROOT appears to have")
    options.add(parser, ["augment", "crop", "size", "seed"])


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..data.layouts import guess
    from ..kernels.files import write
    from . import building
    from .setup import checks
    from .setup.inspection import describe, text_of
    from .setup.sheet import augmented_sheet, contact_sheet

    given, root = vars(args), Path(args.root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder")
    checks.number("--samples", args.samples, minimum=1)
    out = Path(args.out)
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"--out {out} is a file; needed a folder")
    config = options.complete({}) | {name: given[name] for name in options.OPTIONS if name in given}
    config |= {"root": os.fspath(root), "data": given.get("data") or guess(root)}
    config["task"] = building.task_of(config["model"])
    checks.check(config, {name: value for name, value in given.items() if name != "root"})
    found = describe(config)
    print(text_of(found))
    out.mkdir(parents=True, exist_ok=True)
    write(out / "report.json", json.dumps(found.report, indent=2, ensure_ascii=False) + "\n")
    written = ["report.json"]
    if contact_sheet(found, args.samples, out / "sheet.png"):
        written.append("sheet.png")
    if config["augment"] != ["none"] and augmented_sheet(found, config, args.samples, out / "augmented.png"):
        written.append("augmented.png")
    print(f"\nwritten into {out}: {', '.join(written)}")
    if found.faults:
        count = len(found.faults)
        raise ValueError(f"{count} reason{'s' * (count > 1)} not to train on {root}, listed above")
    print(f"next: {_train_command(found.config, given)}")


def _train_command(config, given):
    """The `minidl train` command with the given options and the needed options about classes."""
    named = {name: given[name] for name in options.OPTIONS if name in given}
    needs_classes = config["data"] == "folder" and not config["mask_values"] and not config["color_table"]
    if needs_classes and config["folder_classes"] is not None:
        named |= {"folder_classes": config["folder_classes"]}
    words = ["minidl", "train"]
    for name, value in ({"data": config["data"], "root": config["root"]} | named).items():
        values = [] if value is True else value if isinstance(value, list) else [value]
        words += [options.flag(name), *map(str, values)]
    return shlex.join(words) + " --out RUN"
