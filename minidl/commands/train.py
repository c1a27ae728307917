"""`minidl train`: trains a network on a data set, in a run folder that can be resumed."""

import argparse
import contextlib
import math
import os
import sys
from pathlib import Path

from . import building
from .setup import options
from .setup.options import OPTIONS, flag

EXAMPLES = """examples:
  minidl train --model unet_small --data digits --out runs/digits
  minidl train --model unet --model-options base=32 batch_norm=true --data camvid --root CamVid --download \\
      --crop 180 240 --epochs 60 --out runs/camvid
  minidl train --model fcn8s_small --data folder --root my_data --folder-classes background leaf --out runs/leaves
  minidl train --data folder --root cells --images image --masks label --mask-values 0,255 --augment medical \\
      --crop 256 256 --loss cross_entropy+dice --out runs/cells
  minidl train --model mask_rcnn_small --data coco --root coco --batch-size 2 --out runs/objects
  minidl train --config runs/leaves/config.json --lr 0.0003 --out runs/leaves2
  minidl train --resume --out runs/camvid

my_data holds images/ and masks/ with equal file names, or train/ and val/ that hold these two each. `minidl inspect my_data`
describes the data and says whether it can be trained on; train makes the same checks before it writes anything.
The run folder contains config.json, log.csv, curves.png, last.safetensors and best.safetensors (the best validation score).
Ctrl-C saves and stops. --resume continues with the settings in config.json, of which --epochs may be raised; the
results are bit-identical to those of an uninterrupted run. After few epochs a U-Net may predict a checkerboard of single
pixels, which its transposed convolutions cause; --model-options up=resize avoids it.
"""
CONFIG, CURVES = "config.json", "curves.png"
# Settings that --resume may change: without effect on the results, except for more epochs.
MAY_CHANGE = {"out", "resume", "workers", "device", "save_every", "root", "skip_broken", "debug", "command", "epochs"}
MAY_CHANGE |= {"val_root", "tensorboard", "config"}


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on a data set",
        description="Train a segmentation network or a detector; without options, a small U-Net on generated scenes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(wrong_usage=parser.error)
    parser.add_argument("--out", metavar="DIR", help="the run folder, which must not hold a run yet (required)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="take the settings of another run's config.json; options given here replace them",
    )
    parser.add_argument(
        "--find-lr",
        action="store_true",
        help="do not train: try growing learning rates, and write lr.csv and lr.png into --out",
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="also write event files into --out (needs tensorboard)"
    )
    for title, group in options.GROUPS.items():
        options.add(parser.add_argument_group(title), group)


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..backend.ranks import world
    from ..kernels.files import sole_user

    ranks, given = world(), vars(args)
    if ranks.rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (only rank 0 prints, until the process ends)
    if given.get("model") == "help":
        print("\n".join(building.networks()))
        return
    if args.out is None:
        args.wrong_usage("the following arguments are required: --out")
    if "model_options" in given:
        given["model_options"] = dict(map(_option, given["model_options"]))
    folder = Path(args.out)
    made = not folder.exists() and not ranks.rank
    parents = [parent for parent in folder.parents if not (ranks.rank or parent.exists())]  # innermost first
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"--out {folder} is a file; needed a folder")
    if not (args.resume or ranks.rank):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with sole_user(folder) if folder.is_dir() and not ranks.rank else contextlib.nullcontext():
            with ranks.first():  # rank 0 downloads, the others find the files
                parts = _resumed(folder, given) if args.resume else _fresh(folder, given)
            ranks.barrier()  # all ranks have read the folder before one writes
            if args.find_lr:
                if ranks.size > 1:
                    raise ValueError("--find-lr runs on one process; start it without mpiexec")
                from .setup.find_lr import find_lr

                return find_lr(folder, parts)
            if not (args.resume or ranks.rank):
                building.write_config(folder / CONFIG, parts.config)
            history = _train(folder, parts, args.tensorboard)
    except Exception as error:
        if not ranks.rank:
            _undo(folder, made, error)
        raise
    finally:
        if made and folder.is_dir() and not any(folder.iterdir()):
            for path in (folder, *parents):  # training has not begun
                if any(path.iterdir()):
                    break
                path.rmdir()
    score = parts.task.best
    judged = [row for row in history if f"val_{score}" in row]
    best = max(judged, key=lambda row: -math.inf if math.isnan(row[f"val_{score}"]) else row[f"val_{score}"])
    name = {"iou": "mean IoU", "ap": "mean AP"}[score]
    if history[-1]["epoch"] < parts.config["epochs"]:
        print(
            f"stopped early after epoch {history[-1]['epoch']}: no better for {parts.config['early_stopping']} epochs"
        )
    print(f"best {name} {best[f'val_{score}']:.4f} after epoch {best['epoch']}; everything is in {folder}")
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


class _Parts:
    """The parts of a run: settings, model, loaders, task."""

    def __init__(self, config, datasets, found):
        from ..backend import random
        from .setup import learning
        from .setup.loaders import build_loaders

        config["device"] = ranks_device(config.get("device", "cpu"))
        self.config = config
        random.manual_seed(config["seed"])
        self.model = building.build_model(config)
        if config["freeze_epochs"] and not hasattr(self.model, "backbone"):
            raise ValueError(f"--freeze-epochs {config['freeze_epochs']}: --model {config['model']} has no backbone")
        self.started = learning.start_from(self.model, config["weights"]) if config["weights"] else None
        self.train, self.val = build_loaders(config, config["workers"], config["skip_broken"], datasets, self.model)
        self.task = learning.tiled_judge(learning.build_task(config, datasets[0], found), config["val_tile"])


def ranks_device(device):
    """For "cuda" the GPU of this rank: one for each, in order on every machine."""
    from ..backend.ranks import world

    return f"cuda:{world().local_rank}" if device == "cuda" and world().size > 1 else device


def _fresh(folder, given):
    from ..train.run import LAST
    from .setup import checks, first_step, learning
    from .setup.prepare import prepare

    if (folder / LAST).exists() or (folder / CONFIG).exists():
        raise FileExistsError(f"{folder} already holds a run; continue it with --resume, or choose another --out")
    config = {name: default for name, (default, _, _) in OPTIONS.items()}
    if given["config"] is not None:
        stored = building.read_config(given["config"])
        checks.check_file(stored, given["config"])
        config |= {k: v for k, v in stored.items() if k in OPTIONS}
    config |= {name: given[name] for name in OPTIONS if name in given}
    config["task"] = building.task_of(config["model"])
    checks.check(config, given)
    learning.check_learning(config)
    if config["flip"] is None:
        config["flip"] = config["data"] != "digits"  # a mirrored digit is not a digit
    config |= {"image_format": None, "normalization": None, "left_out": [], "class_weight_values": None}
    building.constructor(config["model"])
    config, datasets, found = prepare(config)
    config["class_weight_values"] = learning.class_weights(config, datasets[0], found)
    parts = _Parts(config, datasets, found)
    first_step.check_steps(config, parts.train)
    first_step.check_batch(config, parts.train)
    return parts


def _resumed(folder, given):
    from ..backend.ranks import world
    from .setup import checks
    from .setup.prepare import parts_of

    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(f"{folder / CONFIG} is missing: there is no run to resume")
    stored = building.read_config(folder / CONFIG)
    config = options.complete(stored)
    checks.check_run(config, folder / CONFIG)
    for name in given.keys() & config.keys() - MAY_CHANGE:
        if given[name] != config[name]:
            raise ValueError(
                f"{flag(name)} {given[name]} differs from the run's setting ({config[name]}); "
                "--resume continues a run with its own settings: leave the option out, or start another run"
            )
    more = ("root", "val_root", "workers", "device", "save_every", "skip_broken", "epochs")
    changed = {name: given[name] for name in more if name in given}
    if changed.get("epochs", config["epochs"]) < config["epochs"]:
        raise ValueError(f"--epochs {changed['epochs']} is fewer than the run began with ({config['epochs']})")
    config |= changed
    checks.check(config)
    if changed.get("epochs", 0) > stored["epochs"] and not world().rank:
        building.write_config(folder / CONFIG, config)
    return _Parts(config | {"weights": None}, parts_of(config), None)


def _train(folder, parts, tensorboard):
    from ..backend.ranks import world
    from ..train import loop as training
    from ..train.run import LAST
    from .setup.learning import build_plan
    from .setup.report import Report

    config, model, train, val = parts.config, parts.model.to(parts.config.get("device", "cpu")), parts.train, parts.val
    steps = config["epochs"] * -(-len(train) // config["accumulate"])
    optimizer, schedule = building.build_optimizer(config, model, steps)
    count = sum(p.numel() for p in model.parameters())
    print(
        f"{config['model']}, {count:,} parameters, {len(train.dataset)} images to learn from, {len(val.dataset)} to judge by"
    )
    if parts.started:
        print(parts.started)
    if config["class_weight_values"]:
        print(
            "class weights: "
            + ", ".join(f"{n} {w:.3g}" for n, w in zip(config["classes"], config["class_weight_values"]))
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
        task=parts.task,
        plan=build_plan(config),
        on_epoch=None if world().rank else Report(folder, config, parts.task.best, tensorboard),
        progress=sys.stderr.isatty(),  # a log file gets the lines of Report and no bar
    )


def _undo(folder, made, error):
    """Remove the new run folder after an error before the first step, so that the corrected command can use it."""
    from ..train import checkpoint
    from ..train.run import BEST, LAST, Diverged

    if not folder.is_dir() or isinstance(error, (Diverged, FileExistsError)) or (folder / BEST).exists():
        return
    if (folder / LAST).is_file():
        with contextlib.suppress(Exception):
            if checkpoint.load(folder / LAST)[1]["run"]["step"] > 0:
                return
    elif not made:
        return
    for name in (LAST, CONFIG, "log.csv", CURVES):
        (folder / name).unlink(missing_ok=True)
