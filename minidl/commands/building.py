"""From the settings of a run to its parts: data, transforms, network, optimiser, schedule; and from a run folder back."""

import inspect
import json
from pathlib import Path

DATA = ("digits", "camvid", "voc", "pets", "folder")
SPLITS = {"camvid": ("train", "val"), "voc": ("train", "val"), "pets": ("trainval", "test"), "digits": ("train", "val")}
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("poly", "cosine", "step", "constant")


def add_device(parser):
    """The option --device of a command that computes."""
    parser.add_argument(
        "--device",
        type=device,
        default="cpu",
        metavar="NAME",
        help='"cpu", or "cuda" for an NVIDIA GPU, "cuda:1" (cpu)',
    )


def device(name):
    """The name of a device that can be used; an error where there is no GPU says what is missing."""
    import argparse

    from ..backend import cuda

    try:
        if cuda.parse(name)[0] == "cuda":
            cuda.require(f"--device {name}")
            cuda.make_current(name)
    except (ValueError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name


def networks():
    """The names of the networks that `minidl.models` offers."""
    from .. import models

    return list(models.NETWORKS)


def build_model(config):
    """The network that `config` names, with fresh weights."""
    from .. import models

    name, options = config["model"], config["model_options"]
    if name not in networks():
        raise ValueError(f"there is no model {name!r}; needed one of {', '.join(networks())}")
    builder = getattr(models, name)
    known = inspect.signature(builder).parameters
    if unknown := options.keys() - known.keys():
        raise ValueError(f"model {name} has no option {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    if isinstance(options.get("backbone"), str):
        options = options | {"backbone": _backbone(options["backbone"])}
    return builder(**{"num_classes": len(config["classes"])} | options)


def _backbone(name):
    """The features alone; an FCN on a backbone without fully connected layers also wants hidden=0."""
    from ..models import backbones

    if not inspect.isfunction(getattr(backbones, name, None)):
        names = [n for n, f in vars(backbones).items() if inspect.isfunction(f) and not n.startswith("check")]
        raise ValueError(f"there is no backbone {name!r}; needed one of {', '.join(names)}")
    return getattr(backbones, name)(None)


def build_dataset(config, part):
    """The data set of `config`, its split for training (part 0) or validation (part 1)."""
    from .. import data

    name, root = config["data"], config["root"]
    if name == "digits":
        length = (config["length"], max(config["length"] // 8, 8))[part]
        classes = config["digit_classes"]
        return data.DigitScenes(config["digit_size"], length, classes, config["seed"], split=SPLITS[name][part])
    if root is None:
        raise ValueError(f"--data {name} needs --root, the folder that holds it")
    if not Path(root).is_dir() and not config["download"]:
        raise FileNotFoundError(f"--root {root} is not a folder")
    if name == "camvid":
        return data.CamVid(root, SPLITS[name][part], config["download"])
    if name == "voc":
        return data.VOCSegmentation(root, image_set=SPLITS[name][part], download=config["download"])
    if name == "pets":
        return data.OxfordIIITPet(root, SPLITS[name][part], config["download"])
    if config["folder_classes"] is None:
        raise ValueError("--data folder needs --folder-classes: the names of the labels 0, 1, ..., or their number")
    return _folder(config, part)


def _folder(config, part):
    """root/train and root/val, each with images/ and masks/; or one pair of folders, of which every fifth validates."""
    from .. import data

    names = config["folder_classes"]
    options = {"classes": int(names[0]) if len(names) == 1 and names[0].isdigit() else names}
    options["ignore_index"] = config["folder_ignore"]
    root = Path(config["root"])
    if (root / "train").is_dir():
        return data.SegmentationFolder(root / ("train", "val")[part], **options)
    whole = data.SegmentationFolder(root, **options)
    if len(whole) < 5:
        raise ValueError(f"{root} holds {len(whole)} images; needed at least 5, or folders train/ and val/")
    chosen = [pair for k, pair in enumerate(whole.pairs) if (k % 5 == 4) == bool(part)]
    return data.SegmentationPairs(chosen, **options)


def build_transform(config, training):
    """What is done to each image: augmentation in training alone, and the same normalisation everywhere."""
    from ..data import transforms as T

    steps = [T.Resize(tuple(config["size"]))] if config["size"] else []
    if training:
        steps += [T.RandomScale(tuple(config["scale"]))] if config["scale"] else []
        steps += [T.RandomCrop(tuple(config["crop"]), config["ignore_index"])] if config["crop"] else []
        steps += [T.RandomHorizontalFlip()] if config["flip"] else []
        a = config["jitter"]
        steps += [T.ColorJitter(a, a, a)] if a else []
    return T.Compose([*steps, T.Normalize()])


def build_loaders(config, workers=0, skip_broken=False):
    """Batches for training and for validation."""
    from ..data import DataLoader

    train, val = build_dataset(config, 0), build_dataset(config, 1)
    if config["data"] in ("voc", "pets") and config["batch_size"] > 1 and not (config["crop"] or config["size"]):
        raise ValueError(
            f"--data {config['data']} has images of many sizes; needed --crop H W, --size H W or --batch-size 1"
        )
    options = {"num_workers": workers, "skip_broken": skip_broken, "device": config.get("device")}
    batch = config["batch_size"]
    one_size = config["size"] or config["data"] in ("digits", "camvid")
    return (
        DataLoader(
            train,
            batch,
            True,
            seed=config["seed"],
            transform=build_transform(config, True),
            drop_last=len(train) >= batch,
            **options,
        ),
        DataLoader(val, batch if one_size else 1, transform=build_transform(config, False), **options),
    )


def build_optimizer(config, model, steps):
    """(optimiser, schedule) for `steps` steps; the schedule may be None."""
    from ..train import optim

    parameters = [p for p in model.parameters() if p.requires_grad]
    options = {"lr": config["lr"], "weight_decay": config["weight_decay"]}
    if config["optimizer"] == "sgd":
        optimizer = optim.SGD(parameters, momentum=0.9, **options)
    else:
        optimizer = {"adam": optim.Adam, "adamw": optim.AdamW}[config["optimizer"]](parameters, **options)
    warmup = config["warmup"]
    rest = max(steps - warmup, 1)
    schedule = {
        "poly": lambda: optim.PolyLR(optimizer, rest),
        "cosine": lambda: optim.CosineAnnealingLR(optimizer, rest),
        "step": lambda: optim.StepLR(optimizer, max(rest // 3, 1)),
        "constant": lambda: optim.StepLR(optimizer, rest, gamma=1.0),
    }[config["schedule"]]()
    return optimizer, optim.LinearWarmup(schedule, warmup) if warmup else schedule


def open_run(path):
    """(model in evaluation mode, config, checkpoint's path) of a run folder (best, else last) or of a checkpoint."""
    from ..train import checkpoint
    from ..train.run import BEST, LAST

    path = Path(path)
    if path.is_dir():
        found = [path / name for name in (BEST, LAST) if (path / name).is_file()]
        if not found:
            raise FileNotFoundError(f"{path} holds neither {BEST} nor {LAST}: it is not the folder of a run")
        path = found[0]
    weights, branches = checkpoint.load(path)
    config = branches.get("config")
    if not isinstance(config, dict) or "model" not in config:
        raise checkpoint.CheckpointError(
            f"{path} does not say which model it is of: it was not written by `minidl train`"
        )
    try:
        model = build_model(config)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise checkpoint.CheckpointError(
            f"{path}: its settings make no network: {error or type(error).__name__}"
        ) from error
    checkpoint.fill(model, weights, path)
    return model.eval(), config, path


def write_config(path, config):
    """config.json, for people to read and for resume."""
    from ..kernels.files import write

    write(path, json.dumps(config, indent=2) + "\n")


def read_config(path):
    """The settings in config.json."""
    from ..backend.reading import read_json

    config = read_json(path)
    if not isinstance(config, dict) or "model" not in config:
        raise ValueError(f"{path} does not hold the settings of a run")
    return config
