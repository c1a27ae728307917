"""Checks the data before training: completes the settings, and finds every fault that prevents training."""

import os
import sys
from pathlib import Path

from .datasets import build_dataset


def prepare(config, progress=True):
    """(settings completed from the data, (training set, validation set), survey of the training set).

    Raises ValueError, with file and remedy, for a fault that prevents training.
    """
    train, val = (build_dataset(config | {"ignore_index": None}, part) for part in (0, 1))
    for part, dataset in (("train", train), ("val", val)):
        if not len(dataset):
            raise ValueError(f"the {part} part of {config['root']} holds no images")
    found = None
    if config["data"] != "digits":
        config, found = _looked_at(config, train, val, progress)
        train, val = parts_of(config)
    config = config | {
        "classes": list(train.classes),
        "colors": train.colors.tolist(),
        "ignore_index": train.ignore_index,
    }
    return config, (train, val), found


def parts_of(config):
    """(training set, validation set), without broken images."""
    return tuple(_without(build_dataset(config, part), config["root"], config.get("left_out")) for part in (0, 1))


def _looked_at(config, train, val, progress):
    """(settings, survey of the training set)."""
    from ...data.survey import image_format_of, survey
    from ...data.verdict import faults_of

    exif = config["exif"] == "apply"
    surveys = [survey(dataset, progress, exif) for dataset in (train, val)]
    faults = faults_of(surveys[0], train, config["skip_broken"])
    faults += [f for f in faults_of(surveys[1], val, config["skip_broken"]) if f.kind != "missing class"]
    if config["allow_missing_class"]:
        faults = [fault for fault in faults if fault.kind != "missing class"]
    messages = list(dict.fromkeys(fault.message for fault in faults))
    if messages:
        more = (
            f" (and {len(messages) - 1} more: minidl inspect {config['root']} lists all)" if len(messages) > 1 else ""
        )
        raise ValueError(messages[0] + more)
    images = [facts for found in surveys for facts in found.readable()]
    config = choose_format(config, images, image_format_of, train)
    if note := shared(train, val):
        print(note, file=sys.stderr)
    broken = [facts.path for found in surveys for facts in found.images if facts.broken is not None]
    for path in broken:
        print(f"left out, since it cannot be decoded: {path}", file=sys.stderr)
    return config | {"left_out": [_inside(path, config["root"]) for path in broken]}, surveys[0]


def shared(train, val):
    """A warning about images in both the training and the validation set; an empty text where there are none."""
    known = {os.path.realpath(train.name(k)) for k in range(len(train))}
    names = [val.name(k) for k in range(len(val))]
    both = [name for name in names if os.path.realpath(name) in known]
    if not both:
        return ""
    which = f"{len(both)} of {len(names)} images that validate are also trained on"
    return f"warning: {which}, such as {both[0]}: scores on them say nothing about other images"


def choose_format(config, images, image_format_of, train):
    """The settings with the `image_format` and `normalization` that images and network need."""
    from dataclasses import asdict

    from ...data.survey import measure
    from ..building import takes_channels

    exif = config["exif"] == "apply"
    channels = config["channels"] or config["model_options"].get("in_channels")
    chosen = image_format_of(images, channels, exif)
    takes = takes_channels(config)
    if chosen.channels != 3 and not takes:
        if channels is None and chosen.channels == 1:
            chosen = image_format_of(images, 3, exif)  # grey is repeated
        else:
            option = f"--channels {channels}" if channels else f"the images have {chosen.channels} channels"
            raise ValueError(
                f"{option}, and --model {config['model']} takes 3; needed --model unet, or --channels 3 for the first three"
            )
    if chosen.channels == 1 and channels is None and config["weights"] is not None:
        chosen = image_format_of(images, _channels_of(config["weights"]), exif)
    config = config | {"image_format": asdict(chosen)}
    if chosen.high_depth or chosen.channels != 3:
        config["normalization"] = measure(train, chosen)
    return config


def _without(dataset, root, names):
    """The data set without the images of these names, which could not be decoded."""
    from ...data.layouts import Subset

    if not names:
        return dataset
    return Subset(dataset, [k for k in range(len(dataset)) if _inside(dataset.name(k), root) not in names])


def _inside(path, root):
    """The path relative to `root`, which is unchanged if the whole data set moves."""
    return Path(os.path.relpath(path, root)).as_posix()


def _channels_of(weights):
    """The number of image channels in a run of `minidl train`; 3 for other weights."""
    settings = Path(weights) / "config.json"
    if not settings.is_file():
        return 3
    from ..building import read_config

    return (read_config(settings).get("image_format") or {}).get("channels", 3)
