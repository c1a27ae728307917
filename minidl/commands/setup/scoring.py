"""Scores of a segmentation network, image by image, for `minidl evaluate`."""

import csv
import io
import sys

import numpy as np


def score_images(model, config, dataset, args):
    """(ConfusionMatrix, BoundaryIoU, mean loss, [(mean IoU, index)] of the images)."""
    from tqdm import tqdm

    from ...data.picture import BrokenImageError, PixelModeError
    from ...train.boundary import BoundaryIoU
    from ...train.metrics import ConfusionMatrix
    from .learning import build_loss

    K, ignore = len(config["classes"]), config["ignore_index"]
    total, band = ConfusionMatrix(K, ignore), BoundaryIoU(K, args.boundary, ignore)
    loss_of, losses, rows = build_loss(config, dataset), [], []
    bar = tqdm(range(len(dataset)), desc="evaluate", unit="img", leave=False, disable=not sys.stderr.isatty())
    for index in bar:
        try:
            image, target = dataset[index]
        except BrokenImageError as error:
            if not args.skip_broken or isinstance(error, PixelModeError):
                raise
            print(f"minidl evaluate: left out: {error}", file=sys.stderr)
            continue
        loss, prediction, seen = predict_sample(model, config, image, target, loss_of, args.tile)
        one = ConfusionMatrix(K, ignore).update(prediction, seen)
        total += one
        band.update(prediction, seen)
        losses.append(loss)
        rows.append((one.mean_iou(), index))
    return total, band, float(np.mean(losses)) if losses else float("nan"), rows


def predict_sample(model, config, image, target, loss_of, tile):
    """(loss, predicted labels, true labels) of a sample, at the size of the network's input."""
    from ...autograd.tape import no_grad
    from ...autograd.tensor import Tensor
    from ...data.loader import to_chw
    from ...train.tasks import fitted, scores_of
    from .learning import Tiled
    from .loaders import build_transform, sized

    config = sized(config, image.shape[:2])
    ready, target = build_transform(config, False, None if tile else model)(image, target, None)
    x = to_chw(ready)[None]
    target = np.asarray(target, np.int64)[None]
    with no_grad():
        output = Tiled(model, tile)(x) if tile else model(Tensor(x).to(model.device))
        scores = scores_of(output)
        loss = float(loss_of(output, target, config["ignore_index"]))
    prediction = scores.cpu().data.argmax(axis=1)
    return loss, prediction[0], fitted(target, scores.shape[2:])[0]


def confusion_csv(counts, classes):
    """The matrix as CSV: a header of predicted classes, a row for each true class."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["true \\ predicted", *classes])
    for name, row in zip(classes, counts.tolist()):
        table.writerow([name, *row])
    return text.getvalue()
