"""How exactly a GPU multiplies float32 in convolutions: one setting, "fp32" or "tf32"."""

NAMES = ("fp32", "tf32")
_chosen = "fp32"


def precision():
    """The name in force."""
    return _chosen


def set_precision(name):
    """How the CUDA column multiplies float32 values in dense convolutions: "fp32" (from the start) or "tf32".

    "tf32" rounds both factors to 10 bits of mantissa (a relative error of up to 2^-11 each), keeps sums in float32, and
    runs on tensor cores: PyTorch's own choice for convolutions. float64, and every other operation, is not affected.
    """
    global _chosen
    if name not in NAMES:
        raise ValueError(f"set_precision: name must be one of {NAMES}, not {name!r}")
    _chosen = name
