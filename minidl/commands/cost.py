"""`minidl cost`: parameters, multiply-adds, memory and time of networks, as a table and as a scatter plot."""

import argparse
from pathlib import Path

from . import building
from .setup.networks import add_weights

EXAMPLES = """examples:
  minidl cost enet erfnet espnet liteseg --size 512 1024
  minidl cost enet liteseg runs/camvid --plot cost.png      the plot shows a run's mean IoU
  minidl cost --weights net.onnx --repeats 0                 the network in an ONNX file
  minidl cost mobilenet_v1 vgg16 --size 224 224 --repeats 0
  minidl cost unet --size 256 256 --ranks                    what 2 to 256 ranks would gain, on paper
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "cost",
        help="parameters, multiply-adds, memory and milliseconds of networks",
        description="Parameters, multiply-adds, activation memory, receptive field, output stride and measured time of "
        "networks, for one image.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="a network by name (`minidl train --model help` lists them), or a run",
    )
    add_weights(parser, "also the network of")
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(224, 224),
        metavar=("H", "W"),
        help="height and width of the image (224 224)",
    )
    parser.add_argument("--classes", type=int, metavar="N", help="number of classes (each network's default)")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs, whose median is shown; 0 for none (3)")
    building.add_device(parser)
    parser.add_argument(
        "--ranks",
        action="store_true",
        help="also a table for training on 2 to 256 ranks at 1, 10 and 100 Gbit/s, with its assumptions",
    )
    parser.add_argument("--plot", metavar="PNG", help="a scatter plot: accuracy (of runs) or parameters against cost")


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..analysis import scaling
    from ..analysis.cost import cost, table
    from ..kernels.files import check_writable

    if min(args.size) < 1 or args.repeats < 0:
        raise ValueError(f"--size {args.size}, --repeats {args.repeats}; needed positive sizes and at least 0 repeats")
    if args.ranks and not args.repeats:
        raise ValueError("--ranks needs a measured time; needed --repeats of at least 1")
    if args.plot:
        check_writable(args.plot)
    if not args.models and args.weights is None:
        raise ValueError("needed MODEL or --weights NAME|FILE")
    costs, accuracy, steps = [], {}, []
    for name in args.models:
        model, miou = _open(name, args.classes)
        costs.append(cost(model, args.size, name, args.repeats, device=args.device))
        steps.append((model, costs[-1]))
        if miou is not None:
            accuracy[name] = miou
    if args.weights is not None:
        from .setup.networks import open_network

        model, config, _ = open_network(args.weights, args.arch)
        costs.append(cost(model, args.size, config["model"], args.repeats, device=args.device))
        steps.append((model, costs[-1]))
    print(f"one image of {args.size[0]}x{args.size[1]}")
    print(table(costs))
    for model, one in steps if args.ranks else ():
        step = scaling.step_of(model, one.milliseconds / 1e3)
        print(
            f"\n{one.name}: {step.gradients / 1e6:.1f} MB of gradients, {step.norms} batch norms, "
            f"forward {step.forward * 1e3:.1f} ms, backward {step.backward * 1e3:.1f} ms"
        )
        print(scaling.table(step))
    if args.ranks:
        print(f"\n{scaling.ASSUMPTIONS}")
    for name, miou in accuracy.items():
        print(f"{name}: mean IoU {miou:.3f}")
    if args.plot:
        from .. import plot

        plot.save(plot.costs(costs, accuracy), args.plot)
        print(args.plot)


def _open(name, classes):
    """(network, mean IoU if it is a run that has one)."""
    from .. import models

    if name in models.NETWORKS + models.CLASSIFIERS:
        return getattr(models, name)(**{"num_classes": classes} if classes else {}), None
    if Path(name).exists():
        from ..train import checkpoint

        model, _, path = building.open_run(name)
        return model, checkpoint.load(path)[1].get("scores", {}).get("val_iou")
    raise ValueError(
        f"{name} is neither a folder nor a network; networks are {', '.join(models.NETWORKS + models.CLASSIFIERS)}"
    )
