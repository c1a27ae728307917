"""The kernel table as data: the functions of every column. The package's docstring describes them in words.

A test compares the three columns with it: names, parameters, their order, and the shapes and dtypes of arguments and results.
"""

from typing import NamedTuple


class Array(NamedTuple):
    """An argument or result array: one name for each axis (axes of one name have the same length), and its dtype.

    "real" is float32 or float64, the same for all such arrays of a call; "integer" is int32 or int64. `...` stands for
    any number of axes. An `optional` array may be None; the row writes into a `written` one.
    """

    axes: str
    dtype: str = "real"
    optional: bool = False
    written: bool = False


class Row(NamedTuple):
    """One operation: its parameters in order, each an `Array` or a description of another value, and its results."""

    group: str
    name: str
    parameters: dict[str, Array | str]
    results: tuple[Array | str, ...]
    adjoint_of: str | None = None


X, Y, CHANNELS = Array("N C H W"), Array("N C Ho Wo"), Array("N C L")
COLS, PLANE_INDEX = Array("N C_kh_kw Ho_Wo"), Array("N C Ho Wo", "int32")
WEIGHT = Array("O C/groups kh kw")
SCALE = Array("Ho Wo", "any")
BOXES, ROI, ROI_INDEX = Array("K 5"), Array("K C ph pw"), Array("K C ...", "int32")
STATISTIC, AFFINE = Array("C", "any"), Array("C", optional=True)
POINTS, PIXELS = Array("N Ho Wo 2"), Array("N L")
LABELS, CLASS_WEIGHT = Array("N L", "integer"), Array("C", "any", optional=True)
ANY = Array("...")
STATE = Array("...", written=True)
GEOMETRY, SIZE, STACK, TAPS = "Geometry", "(H, W)", "(N, H, W)", "(lo, hi, f)"
NUMBER, WHOLE, TRUTH = "number", "whole number", "bool"

WINDOWS = {"geometry": GEOMETRY}
ALIGN = {"scale": NUMBER, "ratio": WHOLE, "aligned": TRUTH}
NORM = {"mean": STATISTIC, "invstd": STATISTIC, "weight": AFFINE, "bias": AFFINE, "ceiling": "number or None"}
LABELLED = {"x": CHANNELS, "target": LABELS, "weight": CLASS_WEIGHT, "ignore_index": WHOLE}

TABLE = (
    Row("conv", "im2col", {"x": X, **WINDOWS}, (COLS,)),
    Row("conv", "col2im", {"cols": COLS, "size": SIZE, **WINDOWS}, (X,), "im2col"),
    Row("conv", "conv2d", {"x": X, "w": WEIGHT, "bias": Array("O", optional=True), **WINDOWS}, (Array("N O Ho Wo"),)),
    Row(
        "conv",
        "conv_transpose2d",
        {"y": Array("N O Ho Wo"), "w": WEIGHT, "bias": AFFINE, "size": SIZE, **WINDOWS},
        (X,),
        "conv2d",
    ),
    Row("conv", "conv2d_weight", {"x": X, "y": Array("N O Ho Wo"), **WINDOWS}, (WEIGHT,)),
    Row("pool", "max_pool2d", {"x": X, **WINDOWS, "output_size": SIZE}, (Y, PLANE_INDEX)),
    Row("pool", "adaptive_max_pool2d", {"x": X, "output_size": SIZE}, (Y, PLANE_INDEX)),
    Row("pool", "plane_gather", {"x": X, "index": PLANE_INDEX}, (Y,)),
    Row("pool", "plane_scatter", {"y": Y, "index": PLANE_INDEX, "size": SIZE}, (X,), "plane_gather"),
    Row("pool", "avg_pool2d", {"x": X, **WINDOWS, "scale": SCALE}, (Y,)),
    Row("pool", "avg_pool2d_adjoint", {"y": Y, **WINDOWS, "scale": SCALE, "size": SIZE}, (X,), "avg_pool2d"),
    Row("pool", "adaptive_avg_pool2d", {"x": X, "output_size": SIZE}, (Y,)),
    Row("pool", "adaptive_avg_pool2d_adjoint", {"y": Y, "size": SIZE}, (X,), "adaptive_avg_pool2d"),
    Row("resize", "resize2d", {"x": X, "rows": TAPS, "cols": TAPS}, (Y,)),
    Row("resize", "resize2d_adjoint", {"y": Y, "rows": TAPS, "cols": TAPS, "size": SIZE}, (X,), "resize2d"),
    Row("boxes", "roi_align", {"x": X, "boxes": BOXES, "output_size": SIZE, **ALIGN}, (ROI,)),
    Row("boxes", "roi_align_adjoint", {"y": ROI, "boxes": BOXES, "size": STACK, **ALIGN}, (X,), "roi_align"),
    Row(
        "boxes",
        "roi_align_max",
        {"x": X, "boxes": BOXES, "output_size": SIZE, **ALIGN},
        (ROI, Array("K C ph pw 4", "int32"), Array("K C ph pw 4")),
    ),
    Row(
        "boxes",
        "roi_pool",
        {"x": X, "boxes": BOXES, "output_size": SIZE, "scale": NUMBER},
        (ROI, Array("K C ph pw", "int32")),
    ),
    Row("boxes", "roi_gather", {"x": X, "batch": Array("K", "integer"), "index": ROI_INDEX}, (Array("K C ..."),)),
    Row(
        "boxes",
        "roi_scatter",
        {"y": Array("K C ..."), "batch": Array("K", "integer"), "index": ROI_INDEX, "size": STACK},
        (X,),
        "roi_gather",
    ),
    Row(
        "boxes",
        "nms",
        {"boxes": Array("L 4"), "scores": Array("L"), "groups": Array("L", "integer"), "threshold": NUMBER},
        (Array("kept", "integer"),),
    ),
    Row("grid", "grid_sample", {"x": X, "points": POINTS}, (Y,)),
    Row("grid", "grid_sample_adjoint", {"y": Y, "points": POINTS, "size": SIZE}, (X,), "grid_sample"),
    Row("grid", "grid_sample_slope", {"y": Y, "x": X, "points": POINTS}, (POINTS,)),
    Row("norm", "moments", {"x": CHANNELS}, (Array("C", "float64"), Array("C", "float64"))),
    Row("norm", "normalize", {"x": CHANNELS, **NORM}, (CHANNELS,)),
    Row("norm", "normalize_backward", {"g": CHANNELS, "x": CHANNELS, **NORM}, (CHANNELS, Array("C"), Array("C"))),
    Row("loss", "softmax", {"x": CHANNELS}, (CHANNELS,)),
    Row("loss", "log_softmax", {"x": CHANNELS}, (CHANNELS,)),
    Row("loss", "softmax_backward", {"g": CHANNELS, "y": CHANNELS}, (CHANNELS,)),
    Row("loss", "log_softmax_backward", {"g": CHANNELS, "y": CHANNELS}, (CHANNELS,)),
    Row("loss", "cross_entropy", LABELLED, (PIXELS,)),
    Row("loss", "cross_entropy_backward", {"g": PIXELS, **LABELLED}, (CHANNELS,)),
    Row("activation", "relu", {"x": ANY, "ceiling": NUMBER}, (ANY,)),
    Row("activation", "relu_backward", {"g": ANY, "y": ANY, "ceiling": NUMBER}, (ANY,)),
    Row("filter", "permutohedral_lattice", {"features": Array("d N", "float32")}, ("Lattice",)),
    Row(
        "filter",
        "permutohedral_filter",
        {"values": Array("C N"), "lattice": "Lattice", "reverse": TRUTH},
        (Array("C N"),),
    ),
    Row("filter", "gaussian_sum", {"values": Array("C N"), "features": Array("d N")}, (Array("C N"),)),
    Row(
        "crf",
        "mean_field",
        {"unary": Array("C N"), "terms": "list of terms", "iterations": WHOLE, "history": TRUTH},
        ("beliefs, or scores and beliefs",),
    ),
    Row(
        "optim",
        "sgd_step",
        {"param": STATE, "grad": ANY, "velocity": Array("...", optional=True, written=True), "settings": "SGD"},
        (),
    ),
    Row("optim", "adam_step", {"param": STATE, "grad": ANY, "m": STATE, "v": STATE, "settings": "Adam"}, ()),
)
ROWS = {row.name: row for row in TABLE}
