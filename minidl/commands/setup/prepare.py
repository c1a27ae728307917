"""The look at the data before training: facts that the settings need, and every reason not to start."""

from .datasets import build_dataset


def prepare(config, progress=True):
    """(settings with what the data says of them, (training set, validation set), survey of the training set).

    Raises ValueError, with file and remedy, where training on this data cannot be meant.
    """
    train, val = (build_dataset(config | {"ignore_index": None}, part) for part in (0, 1))
    for part, dataset in (("train", train), ("val", val)):
        if not len(dataset):
            raise ValueError(f"the {part} part of {config['root']} holds no images")
    found = None
    if config["data"] != "digits":
        config, found, readable = _looked_at(config, train, val, progress)
        if found is not None:
            train, val = (build_dataset(config, part) for part in (0, 1))
            train, val = _without(train, readable[0]), _without(val, readable[1])
    config = config | {
        "classes": list(train.classes),
        "colors": train.colors.tolist(),
        "ignore_index": train.ignore_index,
    }
    return config, (train, val), found


def _looked_at(config, train, val, progress):
    """(settings, survey of the training set, indices of readable images of both parts)."""
    from ...data.survey import image_format_of, survey
    from ...data.verdict import faults_of

    exif = config["exif"] == "apply"
    surveys = [survey(dataset, progress, exif) for dataset in (train, val)]
    faults = faults_of(surveys[0], train, config["skip_broken"])
    faults += [f for f in faults_of(surveys[1], val, config["skip_broken"]) if f.kind != "missing class"]
    if config["allow_missing_class"]:
        faults = [fault for fault in faults if fault.kind != "missing class"]
    if faults:
        more = f" (and {len(faults) - 1} more: minidl inspect {config['root']} lists all)" if len(faults) > 1 else ""
        raise ValueError(faults[0].message + more)
    images = [facts for found in surveys for facts in found.readable()]
    config = choose_format(config, images, image_format_of, train)
    readable = [[k for k, facts in enumerate(found.images) if facts.broken is None] for found in surveys]
    return config, surveys[0], readable


def choose_format(config, images, image_format_of, train):
    """The settings with `image_format` and `normalization`, as the images and the network ask."""
    from dataclasses import asdict

    from ...data.survey import measure
    from ..building import takes_channels

    exif = config["exif"] == "apply"
    channels = config["channels"]
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
        chosen = image_format_of(images, 3, exif)
    config = config | {"image_format": asdict(chosen)}
    if chosen.high_depth or chosen.channels != 3:
        config["normalization"] = measure(train, chosen)
    return config


def _without(dataset, readable):
    """The data set without the images that cannot be decoded."""
    from ...data.layouts import Subset

    return dataset if len(readable) == len(dataset) else Subset(dataset, readable)


