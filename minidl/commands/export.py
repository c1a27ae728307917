"""`minidl export`: writes a trained network, or one by name, as an ONNX file."""

import argparse
from pathlib import Path

from . import report
from .setup.networks import add_weights

EXAMPLES = """examples:
  minidl export model.onnx --run runs/camvid
  minidl export model.onnx --weights deeplabv3_resnet50
  minidl export model.onnx --weights fine_tune.pth
  minidl export model.onnx --arch mobilenet_v2 --classes 1000

Detectors (Faster R-CNN, Mask R-CNN) are not exported. Export runs the network once and records its operations, with the sizes
of arrays computed from the size of the image; how many boxes a detector keeps depends on the image's content instead.
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained network as ONNX",
        description="Write a network as ONNX (opset 18) for images of any batch, height and width. The input is the "
        "normalised image (N, 3, H, W); names of the classes, normalisation and licence go into its metadata.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", metavar="OUT.onnx", help="the file to write")
    parser.add_argument(
        "--run", dest="run_folder", metavar="RUN", help="a run folder or a checkpoint of `minidl train`"
    )
    add_weights(parser, "instead of a run")
    parser.add_argument(
        "--classes", type=int, metavar="N", help="number of classes of --arch without --weights (its default)"
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(97, 129),
        metavar=("H", "W"),
        help="size of the image on which the network is traced (97 129)",
    )


def run(args):
    """Run the command; returns its exit code, or None for 0."""
    from ..export import export_onnx
    from ..kernels.files import check_writable

    output = Path(args.output)
    check_writable(output)
    if (args.run_folder is None) == (args.arch is None and args.weights is None):
        raise ValueError("needed either --run RUN, --weights NAME|FILE, or --arch NAME for random weights")
    if args.classes and args.weights:
        raise ValueError(f"--classes {args.classes} has no effect with --weights, which tells the number of classes")
    if min(args.size) < 1:
        raise ValueError(f"--size {args.size[0]} {args.size[1]}; needed two sizes of at least 1")
    model, metadata = _open(args)
    export_onnx(model, output, _size(model, args), metadata=metadata)
    report(f"{output}: {output.stat().st_size / 2**20:.1f} MiB, input image (N, 3, H, W)", output)


def _size(model, args):
    return getattr(model, "fixed", None) or tuple(args.size)


def _open(args):
    """(network, metadata of the file)."""
    from .. import models
    from ..export.metadata import to_metadata
    from . import building
    from .setup.networks import open_network

    if args.run_folder is not None or args.weights is not None:
        opened = building.open_run(args.run_folder) if args.run_folder else open_network(args.weights, args.arch)
        model, config, _ = opened
        _refuse_detector(config["model"])
        return model, to_metadata(config)
    _refuse_detector(args.arch)
    if args.arch not in models.NETWORKS + models.CLASSIFIERS:
        raise ValueError(
            f"there is no network {args.arch}; there are {', '.join(models.NETWORKS + models.CLASSIFIERS)}"
        )
    return getattr(models, args.arch)(**{"num_classes": args.classes} if args.classes else {}), None


def _refuse_detector(name):
    from ..models import DETECTORS

    if name in DETECTORS:
        raise NotImplementedError(
            f"{name} is a detector: how many boxes it keeps depends on the image, which a recorded run cannot say; export "
            "writes segmentation networks and classifiers"
        )
