"""`minidl tour`: trains four small networks to segment handwriting over photographs, and writes a page with the results."""

import argparse
import functools
import time
from pathlib import Path

from . import building

EPILOG = """examples:
  minidl tour                    about four minutes on two cores, after the kernels are compiled; then open tour/index.html
  minidl tour --quick            one minute: less training, so worse networks
  minidl tour --out my_tour --seed 1
"""
NETWORKS = {"FCN-32s": "fcn32s_small", "FCN-16s": "fcn16s_small", "FCN-8s": "fcn8s_small", "U-Net": "unet_small"}
SCENES = {"size": 96, "classes": 3, "digits": (1, 3), "scales": (0.4, 0.8)}  # digits large enough for stride 32
BACKGROUND = 0.3  # weight of background pixels in the loss: there are many, and they are easy
LENGTH, QUICK_LENGTH, JUDGED = 640, 128, 64  # scenes per epoch, with --quick, and for validation
BATCH, EPOCHS, SHOWN = 8, 5, 5


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "tour",
        help="train four small networks on generated scenes and write one page of pictures",
        description="Train FCN-32s, FCN-16s, FCN-8s and a U-Net on DigitScenes, built from nothing but this library, "
        "and write a page with their scores and predictions, a checkerboard and receptive fields.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", default="tour", metavar="DIR", help="the folder of the page and its pictures (tour)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the training steps")
    building.add_device(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of scenes, weights and order (0)")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from .. import plot
    from ..kernels.files import check_writable
    from .tour_page import write_page

    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    check_writable(out / "index.html")  # fails before the training
    start = time.perf_counter()
    train, val = _loaders(args)
    print(
        f"Four networks, {len(train.dataset)} scenes of {SCENES['size']} x {SCENES['size']} pixels, {EPOCHS} epochs each."
    )
    print()
    rows, histories, columns = [], {}, {"truth": [val.dataset[i][1] for i in range(SHOWN)]}
    for name, builder in NETWORKS.items():
        row, model, histories[name] = _train(name, builder, train, val, args.seed, args.device)
        rows.append(row)
        columns[name] = [_predict(model, val.dataset[i][0]) for i in range(SHOWN)]
    table = _table(rows)
    print(table)
    images = [val.dataset[i][0] for i in range(SHOWN)]
    best = max(rows, key=lambda row: row["iou"])
    figures = {
        "predictions": plot.comparison(
            images,
            columns,
            val.dataset.classes,
            val.dataset.colors,
            "The finer the skips, the finer the borders",
            background=0,
        ),
        "scores": plot.scores(histories, f"{best['name']} ends highest, with a mean IoU of {best['iou']:.2f}"),
        "checkerboard": _checkerboard(plot),
        "receptive_field": _receptive_field(plot, args.seed),
    }
    for name, figure in figures.items():
        plot.save(figure, out / f"{name}.png")
    page = write_page(out, rows, time.perf_counter() - start, list(figures))
    print(f"\nOpen {page} in a browser for the pictures.")
    print(_next())


def _loaders(args):
    from ..data import DataLoader, DigitScenes
    from ..data.transforms import Compose, Normalize

    train = DigitScenes(length=QUICK_LENGTH if args.quick else LENGTH, seed=args.seed, **SCENES)
    val = DigitScenes(length=JUDGED, seed=args.seed, split="val", **SCENES)
    normal = Compose([Normalize()])
    device = {"transform": normal, "device": args.device}
    return DataLoader(train, BATCH, True, seed=args.seed, **device), DataLoader(val, 32, **device)


def _train(name, builder, train, val, seed, device):
    """(row of the table, model, history)"""
    import numpy as np

    from .. import models
    from ..backend import random
    from ..train import loop as training
    from ..train import optim

    random.manual_seed(seed)
    model = getattr(models, builder)(num_classes=len(train.dataset.classes)).to(device)
    parameters = [p for p in model.parameters() if p.requires_grad]
    count = sum(p.numel() for p in model.parameters())
    print(f"{name}, {count:,} parameters")
    optimizer = optim.AdamW(parameters, lr=3e-3, weight_decay=1e-4)
    schedule = optim.LinearWarmup(optim.PolyLR(optimizer, max(EPOCHS * len(train) - 20, 1)), 20)
    weight = np.ones(len(train.dataset.classes), np.float32)
    weight[0] = BACKGROUND
    loss = functools.partial(training.segmentation_loss, weight=weight)
    history = training.fit(
        model, train, val, optimizer=optimizer, schedule=schedule, loss=loss, epochs=EPOCHS, clip=5.0
    )
    seconds = sum(row["seconds"] for row in history)
    last = history[-1]
    row = {"name": name, "iou": last["val_iou"], "accuracy": last["val_accuracy"], "parameters": count}
    return row | {"seconds": seconds, "rate": EPOCHS * len(train.dataset) / seconds}, model.eval(), history


def _predict(model, image):
    """H x W labels."""
    import numpy as np

    from ..autograd.tape import no_grad
    from ..autograd.tensor import Tensor
    from ..data.loader import to_chw
    from ..data.transforms import Normalize

    ready, _ = Normalize()(image, None)
    with no_grad():
        return model(Tensor(to_chw(ready)[None]).to(model.device))["out"].cpu().data[0].argmax(axis=0).astype(np.uint8)


def _table(rows):
    lines = ["", "network   mean IoU   pixels right   parameters   seconds   images/s"]
    for r in rows:
        scores = f"{r['name']:8}    {r['iou']:.3f}         {r['accuracy']:6.1%}"
        lines.append(f"{scores}      {r['parameters']:>7,}    {r['seconds']:6.1f}     {r['rate']:6.1f}")
    return "\n".join(lines)


def _checkerboard(plot):
    from ..analysis.checkerboard import overlap_map

    maps = {f"kernel {k}, stride 2": overlap_map({"kernel_size": k, "stride": 2}, (9, 9)) for k in (3, 5, 4)}
    return plot.overlaps(maps, "A transposed convolution paints evenly only if its stride divides its kernel")


def _receptive_field(plot, seed):
    from ..analysis.receptive_field import receptive_field
    from ..data import DigitScenes
    from ..models import backbones

    scene, _ = DigitScenes(96, 1, SCENES["classes"], seed, split="val")[0]
    return plot.receptive_fields(scene, receptive_field(backbones.vgg_small().pyramid, (3, 96, 96)))


def _next():
    """The suggested next step: the first notebook, if this checkout has the lessons."""
    from .tour_page import lesson

    first = lesson("01")
    return f"Next: {f'jupyter lab {first}; then ' if first else ''}your own images: minidl train --help"
