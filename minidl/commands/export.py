"""`minidl export`: a trained network, or one by name, as an ONNX file."""

import argparse
from pathlib import Path

from . import report

EXAMPLES = """examples:
  minidl export model.onnx --run runs/camvid
  minidl export model.onnx --arch deeplabv3_resnet50 --weights deeplabv3.safetensors
  minidl export model.onnx --arch mobilenet_v2 --classes 1000 --weights mobilenet_v2.safetensors
"""


def register(subparsers):
    """Add the command and its options to the parser."""
    parser = subparsers.add_parser(
        "export",
        help="write a trained network as ONNX",
        description="Write a network as ONNX (opset 18) for images of any batch, height and width. The input is the "
        "normalised image (N, 3, H, W).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", metavar="OUT.onnx", help="the file to write")
    parser.add_argument(
        "--run", dest="run_folder", metavar="RUN", help="a run folder or a checkpoint of `minidl train`"
    )
    parser.add_argument("--arch", metavar="NAME", help="instead of a run: a network by name")
    parser.add_argument("--classes", type=int, help="number of classes of --arch (its default)")
    parser.add_argument("--weights", metavar="FILE", help="weights of --arch, as safetensors (fresh ones without)")
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(97, 129),
        metavar=("H", "W"),
        help="of the image it is traced with (97 129)",
    )


def run(args):
    """Carry out the command; returns its exit code, None for 0."""
    from ..export import export_onnx
    from ..kernels.files import check_writable

    output = Path(args.output)
    check_writable(output)
    if (args.run_folder is None) == (args.arch is None):
        raise ValueError("needed either --run RUN or --arch NAME")
    model = _open(args)
    export_onnx(model, output, tuple(args.size))
    report(f"{output}: {output.stat().st_size / 2**20:.1f} MiB, input image (N, 3, H, W)", output)


def _open(args):
    from .. import models
    from ..models import weights
    from . import building

    if args.run_folder is not None:
        return building.open_run(args.run_folder)[0]
    if args.arch in weights.PUBLISHED and args.weights and not args.classes:
        return weights.open_published(args.arch, args.weights)[0]
    if args.arch not in models.NETWORKS + models.CLASSIFIERS:
        raise ValueError(
            f"there is no network {args.arch}; there are {', '.join(models.NETWORKS + models.CLASSIFIERS)}"
        )
    model = getattr(models, args.arch)(**{"num_classes": args.classes} if args.classes else {})
    if args.weights:
        weights.load_weights(model, args.weights)
    return model
