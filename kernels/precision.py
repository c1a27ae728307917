"""The precision of float32 multiplications in convolutions on a GPU: "fp32" or "tf32"."""

NAMES = ("fp32", "tf32")
_chosen = "fp32"


def precision():
    """The current setting."""
    return _chosen


def set_precision(name):
    """Set the precision of float32 multiplications in dense convolutions of the CUDA column: "fp32" (default) or "tf32".

    "tf32" rounds both factors to 10 bits of mantissa (a relative error of up to 2^-11 each), keeps sums in float32, and
    runs on tensor cores, as PyTorch does by default for convolutions. float64 and all other operations are not affected.
    """
    global _chosen
    if name not in NAMES:
        raise ValueError(f"set_precision: name must be one of {NAMES}, not {name!r}")
    _chosen = name
