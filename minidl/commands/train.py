"""`minidl train`: a network on a data set, into a run folder that can be resumed."""

import argparse
import contextlib
import math
import time
from pathlib import Path

from . import building

EXAMPLES = """examples:
  minidl train --model unet_small --data digits --out runs/digits
  minidl train --model unet --model-options base=32 batch_norm=true --data camvid --root CamVid --download \\
      --crop 180 240 --epochs 60 --out runs/camvid
  minidl train --model fcn8s_small --data folder --root my_data --folder-classes background leaf --out runs/leaves
  minidl train --resume --out runs/camvid

my_data holds images/ and masks/ (PNGs of labels with the same stems), or train/ and val/ with these two in each.
The run folder gets config.json, log.csv, curves.png, last.safetensors and best.safetensors. Ctrl-C saves and stops;
--resume continues, bit for bit, as if nothing had happened, and takes every setting from config.json.
"""
CONFIG, CURVES = "config.json", "curves.png"
MAY_CHANGE = {
    "out",
    "resume",
    "workers",
    "device",
    "save_every",
    "root",
    "skip_broken",
    "debug",
    "command",
}  # of no effect on results

# name: (default, help, further arguments of add_argument)
OPTIONS = {
    "model": ("unet_small", "the network; `--model help` lists them", {"metavar": "NAME"}),
    "model_options": ({}, "options of the model, such as base=32 up=resize", {"nargs": "+", "metavar": "NAME=VALUE"}),
    "data": ("digits", "the data set", {"choices": building.DATA}),
    "root": (None, "the folder that holds the data", {"metavar": "DIR"}),
    "download": (False, "fetch what is missing of the data into --root", {"action": "store_true"}),
    "folder_classes": (None, "for --data folder: names of labels 0, 1, ..., or how many", {"nargs": "+", "metavar": "NAME"}),
    "folder_ignore": (255, "for --data folder: the label that does not count", {"type": int}),
    "length": (1000, "for --data digits: scenes per epoch", {"type": int}),
    "digit_classes": (5, "for --data digits: how many digits there are to tell apart", {"type": int}),
    "digit_size": (96, "for --data digits: pixels a side", {"type": int}),
    "epochs": (20, "passes over the data", {"type": int}),
    "batch_size": (8, "images per step", {"type": int}),
    "optimizer": ("adamw", "how weights move", {"choices": building.OPTIMIZERS}),
    "lr": (1e-3, "learning rate at its highest", {"type": float}),
    "weight_decay": (1e-4, "pull of the weights towards 0", {"type": float}),
    "schedule": ("poly", "how the learning rate falls", {"choices": building.SCHEDULES}),
    "warmup": (0, "steps over which it first rises", {"type": int, "metavar": "STEPS"}),
    "clip": (None, "largest norm of all gradients together", {"type": float, "metavar": "NORM"}),
    "size": (None, "resize every image", {"type": int, "nargs": 2, "metavar": ("H", "W")}),
    "crop": (None, "train on random windows", {"type": int, "nargs": 2, "metavar": ("H", "W")}),
    "scale": (None, "enlarge by a random factor first", {"type": float, "nargs": 2, "metavar": ("LEAST", "MOST")}),
    "flip": (None, "mirror half of the images (not digits)", {"action": argparse.BooleanOptionalAction}),
    "jitter": (0.0, "random brightness, contrast and saturation", {"type": float, "metavar": "AMOUNT"}),
    "seed": (0, "of weights, order and augmentation", {"type": int}),
    "device": ("cpu", '"cpu", or "cuda" for an NVIDIA GPU, "cuda:1"', {"type": building.device, "metavar": "NAME"}),
    "workers": (0, "processes that prepare batches", {"type": int}),
    "skip_broken": (False, "leave out images that cannot be decoded, with a warning", {"action": "store_true"}),
    "save_every": (300.0, "seconds between checkpoints within an epoch", {"type": float, "metavar": "SECONDS"}),
}  # fmt: skip


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on a data set",
        description="Train a segmentation network; without options, a small U-Net on generated scenes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="the run folder, which must not hold a run yet")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    for name, (default, text, options) in OPTIONS.items():
        shown = (
            "" if default in (None, False, {}) else f" ({default:g})" if isinstance(default, float) else f" ({default})"
        )
        parser.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, help=text + shown, **options)


def run(args):
    """Carry out the command; returns its exit code, None for 0."""
    from ..kernels.files import sole_user

    given = vars(args)
    if given.get("model") == "help":
        print("\n".join(building.networks()))
        return
    if "model_options" in given:
        given["model_options"] = dict(map(_option, given["model_options"]))
    folder = Path(args.out)
    made = not folder.exists()
    if not args.resume:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with sole_user(folder) if folder.is_dir() else contextlib.nullcontext():
            config = _resumed(folder, given) if args.resume else _fresh(folder, given)
            history = _train(folder, config, given)
    finally:
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()  # a wrong option: nothing was begun
    best = max(history, key=lambda row: row["val_iou"])
    print(f"best mean IoU {best['val_iou']:.4f} after epoch {best['epoch']}; everything is in {folder}")
    print(f"next: minidl evaluate {folder}, or minidl predict {folder} IMAGE -o out.png")


def _option(text):
    """("base", 32) from "base=32": numbers, true, false, null and lists as in JSON, else text."""
    import json

    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"--model-options {text!r}; needed NAME=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _fresh(folder, given):
    from ..train.run import LAST

    if (folder / LAST).exists() or (folder / CONFIG).exists():
        raise FileExistsError(f"{folder} already holds a run; continue it with --resume, or choose another --out")
    config = {name: given.get(name, default) for name, (default, _, _) in OPTIONS.items()}
    for name in ("length", "epochs", "batch_size", "digit_classes"):
        if config[name] < 1:
            raise ValueError(f"--{name.replace('_', '-')} {config[name]}; needed at least 1")
    if config["flip"] is None:
        config["flip"] = config["data"] != "digits"  # a mirrored digit is none
    dataset = building.build_dataset(config | {"ignore_index": None}, 0)
    config |= {
        "classes": list(dataset.classes),
        "colors": dataset.colors.tolist(),
        "ignore_index": dataset.ignore_index,
    }
    building.build_model(config)  # a wrong option shows before anything is written
    building.write_config(folder / CONFIG, config)
    return config


def _resumed(folder, given):
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{folder / CONFIG} is missing: there is no run to resume")
    config = building.read_config(folder / CONFIG)
    for name in given.keys() & config.keys() - MAY_CHANGE:
        if given[name] != config[name]:
            raise ValueError(
                f"--{name.replace('_', '-')} {given[name]} is not what the run began with ({config[name]}); "
                "--resume continues a run as it was: leave the option out, or start another run"
            )
    return config | {
        name: given[name] for name in ("root", "workers", "device", "save_every", "skip_broken") if name in given
    }


def _train(folder, config, given):
    from ..backend import random
    from ..train import loop as training
    from ..train.run import LAST

    random.manual_seed(config["seed"])
    model = building.build_model(config).to(config.get("device", "cpu"))
    train, val = building.build_loaders(config, config["workers"], config["skip_broken"])
    optimizer, schedule = building.build_optimizer(config, model, config["epochs"] * len(train))
    count = sum(p.numel() for p in model.parameters())
    print(
        f"{config['model']}, {count:,} parameters, {len(train.dataset)} images to learn from, {len(val.dataset)} to judge by"
    )
    return training.fit(
        model,
        train,
        val,
        optimizer=optimizer,
        schedule=schedule,
        epochs=config["epochs"],
        clip=config["clip"],
        folder=folder,
        resume=(folder / LAST).exists(),
        save_every=config["save_every"],
        config=config,
        on_epoch=_Report(folder, config["epochs"]),
    )


class _Report:
    """After each epoch one line, and the curves, which take a moment to draw: at most every ten seconds, and at the end."""

    def __init__(self, folder, epochs):
        self.folder, self.epochs, self.drawn = folder, epochs, -math.inf

    def __call__(self, history):
        from tqdm import tqdm

        from .. import plot

        row = history[-1]
        tqdm.write(
            f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}  IoU {row['train_iou']:.4f}  "
            f"val loss {row['val_loss']:.4f}  val IoU {row['val_iou']:.4f}  {row['images_per_second']:.1f} images/s"
        )
        if row["epoch"] == self.epochs or time.monotonic() - self.drawn > 10:
            plot.save(plot.curves(history), self.folder / CURVES)
            self.drawn = time.monotonic()
