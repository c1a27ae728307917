"""Builds task, loss, class weights and plan from settings, and loads initial weights."""

import numpy as np


def build_task(config, dataset, found=None):
    """The task of `config`: detection, or segmentation with its loss; `found` is the survey of the training set."""
    from ...train.tasks import Detection

    if config["task"] == "detection":
        return Detection(masks="mask" in config["model"])
    return _tasks()[config["mix"]](
        build_loss(config, dataset, found), len(config["classes"]), config["ignore_index"], config["classes"]
    )


def _tasks():
    from ...train.mixing import CutMixed, Mixed
    from ...train.tasks import Segmentation

    return {None: Segmentation, "mixup": Mixed, "cutmix": CutMixed}


def build_loss(config, dataset, found=None):
    """The loss of `--loss`, `--class-weights` and `--border-weight`."""
    from ...train.loop import segmentation_loss
    from ...train.losses import SegmentationLoss, parse

    terms, weight = parse(config["loss"]), config["class_weight_values"]
    if terms == [(1.0, "cross_entropy")] and weight is None and not config["border_weight"]:
        return segmentation_loss
    return SegmentationLoss(terms, weight, config["border_weight"])


def class_weights(config, dataset, found):
    """The class weights of `--class-weights`, or None."""
    from ...data.survey import Survey
    from ...data.verdict import class_weights as balanced

    given, classes = config["class_weights"], config["classes"]
    if given is None:
        return None
    if config["task"] == "detection":
        raise ValueError("--class-weights has no effect on a detector")
    if given == ["auto"]:
        if found is None:
            found = Survey()
            for index in range(min(len(dataset), 64)):
                labels, counts = np.unique(dataset[index][1], return_counts=True)
                found.counts.update(dict(zip(labels.tolist(), counts.tolist())))
        return balanced(found, dataset).tolist()
    try:
        weights = [float(w) for w in given]
    except ValueError as error:
        raise ValueError(f"--class-weights {' '.join(given)}; needed auto, or a number for each class") from error
    if len(weights) != len(classes) or not np.isfinite(weights).all() or min(weights) < 0 or max(weights) == 0:
        raise ValueError(
            f"--class-weights {' '.join(given)}; needed auto, or {len(classes)} numbers of at least 0, one for each of "
            f"{', '.join(classes)}"
        )
    return weights


def check_learning(config):
    """Raise ValueError for a loss, mixing or plan that does not fit the network."""
    from ...train.losses import parse

    terms = parse(config["loss"])
    if config["task"] == "detection":
        for option, value, without in (
            ("--loss", config["loss"], "cross_entropy"),
            ("--border-weight", config["border_weight"], 0),
            ("--mix", config["mix"], None),
            ("--val-tile", config["val_tile"], None),
        ):
            if value != without:
                raise ValueError(f"{option} {value} has no effect on --model {config['model']}, a detector")
    weighed = {"cross_entropy", "focal"} & {name for _, name in terms}
    if config["class_weights"] is not None and not weighed:
        raise ValueError(f"--class-weights weigh cross_entropy and focal, of which --loss {config['loss']} has neither")
    if config["border_weight"] and "cross_entropy" not in [name for _, name in terms]:
        raise ValueError(f"--border-weight {config['border_weight']:g} weighs cross_entropy, which --loss leaves out")
    if config["mix"] is not None and config["batch_size"] < 2:
        raise ValueError(f"--mix {config['mix']} needs --batch-size 2 or more")


def build_plan(config):
    """The `Plan` of the settings."""
    from ...train.plan import Plan

    names = ("accumulate", "val_every", "early_stopping", "freeze_epochs")
    return Plan(**{name: config[name] for name in names})


def start_from(model, path):
    """Load the weights of --weights into `model`; returns a line about the loaded and the newly initialised layers."""
    from ...models.weights import load_backbone, load_weights
    from ...train.run import BEST, LAST
    from .networks import resolve

    file = resolve(path)
    if file.is_dir():
        file = next((file / name for name in (BEST, LAST) if (file / name).is_file()), None)
        if file is None:
            raise FileNotFoundError(f"--weights {path} holds neither {BEST} nor {LAST}: it is not the folder of a run")
    if file.suffix.lower() == ".onnx":
        raise ValueError(f"--weights {path}: an ONNX file is a network of its own; needed a .pth or safetensors file")
    if hasattr(model, "backbone") and _is_classifier(file):
        load_backbone(model, file)
        return f"backbone from {file}; all other layers start anew"
    new = load_weights(model, file, new_head=True)
    return f"weights of {file}" + (f"; {', '.join(new)} start anew, for other classes" if new else "")


def _is_classifier(file):
    from ...models import CLASSIFIERS
    from ...models.weights import network_of, read_weights
    from ...models.weights.names import without_prefixes

    arrays, _ = without_prefixes(read_weights(file)[0], ())
    return network_of({name: array.shape for name, array in arrays.items()}) in CLASSIFIERS


class Tiled:
    """A network that predicts in tiles, for validation on images too large for the memory."""

    def __init__(self, model, tile):
        self.model, self.tile = model, tile

    def __call__(self, x):
        from ...autograd.tensor import Tensor
        from ...models import predict_tiled

        margin = None if getattr(self.model, "margin", 0) else 64
        return {"out": Tensor(predict_tiled(self.model, x, self.tile, margin))}


def tiled_judge(task, tile):
    """The task with validation in tiles."""
    if tile is None:
        return task
    kind = type(task)

    class TiledTask(kind):
        def judge(self, model, images, target):
            return kind.judge(self, Tiled(model, tile), images, target)

    return TiledTask(task.function, task.matrix.num_classes, task.ignore, task.classes)
