"""Builds network, optimiser and schedule from the settings of a run, and reads them from a run folder. Data: see `setup`."""

import inspect
import json
from pathlib import Path

from .setup.choices import OPTIMIZERS, SCHEDULES, add_device, device  # noqa: F401


def networks():
    """The names of the networks that can be trained: those of `minidl.models`, detectors last."""
    from .. import models

    return [*models.NETWORKS, "unet_paper", *models.DETECTORS]


def task_of(model):
    """The task of a network: "detection" or "segmentation"."""
    from .. import models

    return "detection" if model in models.DETECTORS else "segmentation"


def constructor(name):
    """The function that builds the network `name`."""
    from .. import models

    if name not in networks():
        raise ValueError(f"there is no model {name!r}; needed one of {', '.join(networks())}")
    return getattr(models, name)


def takes_channels(config):
    """Whether the network can be built for images with other than 3 channels."""
    return "in_channels" in inspect.signature(constructor(config["model"])).parameters


def build_model(config):
    """The network that `config` names, with fresh weights."""
    name, options = config["model"], config["model_options"]
    builder = constructor(name)
    known = inspect.signature(builder).parameters
    if unknown := options.keys() - known.keys():
        raise ValueError(f"model {name} has no option {', '.join(sorted(unknown))}; it has {', '.join(known)}")
    for option, value in options.items():
        standard = known[option].default
        if isinstance(standard, int | float) and (
            not isinstance(value, int | float) or isinstance(value, bool) != isinstance(standard, bool)
        ):
            kind = "true or false" if isinstance(standard, bool) else f"a number such as {standard}"
            raise ValueError(f"--model-options {option}={value} of {name}; needed {kind}")
        if type(standard) is int and isinstance(value, float):
            raise ValueError(f"--model-options {option}={value} of {name}; needed a whole number such as {standard}")
    if options.get("num_classes", len(config["classes"])) != len(config["classes"]):
        count = len(config["classes"])
        raise ValueError(f"--model-options num_classes={options['num_classes']}; the data has {count} classes")
    if isinstance(options.get("backbone"), str):
        options = options | {"backbone": _backbone(options["backbone"])}
    defaults = {"num_classes": len(config["classes"])}
    if "in_channels" in known:
        defaults["in_channels"] = (config.get("image_format") or {}).get("channels", 3)
    try:
        return builder(**defaults | options)
    except TypeError as error:
        raise ValueError(f"--model-options of {name}: {error}") from error


def _backbone(name):
    """A backbone without its classification head; an FCN on one without fully connected layers also needs hidden=0."""
    from ..models import backbones

    if not inspect.isfunction(getattr(backbones, name, None)):
        names = [n for n, f in vars(backbones).items() if inspect.isfunction(f) and not n.startswith("check")]
        raise ValueError(f"there is no backbone {name!r}; needed one of {', '.join(names)}")
    return getattr(backbones, name)(None)


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
    from .setup.options import complete

    config = complete(config)
    try:
        model = build_model(config)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError) as error:
        raise checkpoint.CheckpointError(
            f"{path}: its settings make no network: {error or type(error).__name__}"
        ) from error
    checkpoint.fill(model, weights, path)
    return model.eval(), config, path


def write_config(path, config):
    """Write config.json, which people and --resume read."""
    from ..kernels.files import write

    write(path, json.dumps(config, indent=2) + "\n")


def read_config(path):
    """The settings in config.json."""
    from ..backend.reading import read_json

    config = read_json(path)
    if not isinstance(config, dict) or "model" not in config:
        raise ValueError(f"{path} does not hold the settings of a run")
    return config
