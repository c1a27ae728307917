"""Choices that options offer: devices, optimisers, schedules."""

import argparse

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("poly", "cosine", "step", "constant")


def add_device(parser):
    """Add the option --device."""
    parser.add_argument(
        "--device",
        type=device,
        default="cpu",
        metavar="NAME",
        help='"cpu", or "cuda" for an NVIDIA GPU, "cuda:1" (cpu)',
    )


def device(name):
    """The name of a usable device; the error without a GPU says what is missing."""
    from ...backend import cuda

    try:
        if cuda.parse(name)[0] == "cuda":
            cuda.require(f"--device {name}")
            cuda.make_current(name)
    except (ValueError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return name
