"""One node at a time against onnxruntime, at several opsets and with odd attributes; then exported again, at another size."""

import numpy as np
import pytest

from minidl import Tensor, no_grad
from minidl.export import export_onnx

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from minidl.onnx_import import OnnxNetwork  # noqa: E402

RNG = np.random.default_rng(0)


def f(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


CASES = {
    # padding that follows from the size: odd and even, on one side or both, with and without steps
    **{
        f"conv {mode} {kernel} {strides} {opset}": (
            "Conv", {"auto_pad": mode, "strides": strides, "dilations": [1, 2 if mode == "VALID" else 1]},
            [f(4, 1, *kernel), f(4)], opset, {"group": 2},
        )
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for kernel, strides, opset in (((3, 1), [1, 1], 9), ((3, 3), [2, 1], 13), ((2, 4), [2, 3], 17), ((1, 1), [2, 2], 21))
    },
    "conv uneven": ("Conv", {"pads": [2, 0, 1, 3]}, [f(4, 2, 3, 3)], 11, {}),
    **{
        f"transposed {mode} {kernel}": (
            "ConvTranspose", {"auto_pad": mode, "strides": [2, 2]}, [f(2, 3, *kernel), f(3)], 13, {}
        )
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for kernel in ((3, 3), (2, 4))
    },
    "transposed uneven": ("ConvTranspose", {"pads": [0, 1, 1, 2], "strides": [2, 3], "output_padding": [1, 2]},
                          [f(2, 3, 4, 4)], 11, {}),
    "max, ceil": ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1, "dilations": [1, 2]}, [], 12, {}),
    "max, uneven": ("MaxPool", {"kernel_shape": [3, 3], "pads": [0, 2, 1, 0], "strides": [2, 2], "ceil_mode": 1}, [], 10, {}),
    "max, same": ("MaxPool", {"kernel_shape": [2, 3], "auto_pad": "SAME_LOWER"}, [], 9, {}),
    "average, uneven": ("AveragePool", {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0], "strides": [1, 2], "ceil_mode": 1},
                        [], 19, {}),
    "average, late window": ("AveragePool", {"kernel_shape": [4, 3], "pads": [0, 2, 0, 2], "strides": [1, 2], "ceil_mode": 1,
                             "count_include_pad": 1}, [], 12, {}),
    "average, same": ("AveragePool", {"kernel_shape": [3, 4], "auto_pad": "SAME_UPPER", "strides": [2, 2]}, [], 11, {}),
    **{
        f"resize {mode} {where} {opset}": ("Resize", {"mode": mode, "coordinate_transformation_mode": where},
                                           [None, None, ints(1, 2, 13, 5)], opset, {})
        for mode, where, opset in (
            ("nearest", "half_pixel", 13), ("nearest", "align_corners", 18), ("linear", "asymmetric", 13),
            ("linear", "pytorch_half_pixel", 19), ("linear", "align_corners", 13), ("cubic", "half_pixel", 18),
            ("cubic", "asymmetric", 13),
        )
    },
    **{
        f"nearest {rounding}": ("Resize", {"nearest_mode": rounding}, [None, np.array([1, 1, 1.5, 0.6], np.float32)], 13, {})
        for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    },
    "antialias": ("Resize", {"mode": "cubic", "antialias": 1}, [None, np.array([1, 1, 0.6, 0.5], np.float32)], 18, {}),
    "outside": ("Resize", {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5},
                [None, np.array([1, 1, 1.5, 2], np.float32)], 13, {}),
    "old, smaller": ("Resize", {"mode": "nearest"}, [np.array([1, 1, 0.7, 0.5], np.float32)], 10, {}),
    "old, larger": ("Resize", {"mode": "nearest"}, [np.array([1, 1, 1.5, 3], np.float32)], 10, {}),
    "upsample": ("Upsample", {"mode": "linear"}, [np.array([1, 1, 2, 1.5], np.float32)], 9, {}),
    "crop": ("Resize", {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 5.0},
             [np.array([0, 0, 0.1, 0.2, 1, 1, 0.8, 1.3], np.float32), None, ints(1, 2, 5, 6)], 13, {}),
    "slice backwards": ("Slice", {}, [ints(-1, 1), ints(-100, 2**62), ints(2, 3), ints(-2, 2)], 13, {}),
    "slice from below": ("Slice", {}, [ints(-100), ints(-200), ints(3), ints(-1)], 11, {}),
    "slice of old": ("Slice", {"starts": [1, -3], "ends": [2**31, -1], "axes": [2, 3]}, [], 9, {}),
    "gather one": ("Gather", {"axis": 1}, [np.array(1, np.int64)], 13, {}),
    "gather table": ("Gather", {"axis": 3}, [np.array([[0, -1], [2, 2]], np.int64)], 11, {}),
    "tile": ("Tile", {}, [ints(1, 2, 1, 3)], 13, {}),
    "pad": ("Pad", {"mode": "edge"}, [ints(0, 0, 2, 1, 0, 0, 0, 3)], 13, {}),
    "crop by padding": ("Pad", {}, [ints(0, 0, -1, 1, 0, 0, 2, -2), np.float32(2.5)], 18, {}),
    "depth to space": ("DepthToSpace", {"blocksize": 1, "mode": "CRD"}, [], 11, {}),
    **{
        f"{op} {opset}": (op, {"keepdims": 1} | ({} if opset == 18 else {"axes": [2, 3]}), [ints(2, 3)] if opset == 18 else [],
                          opset, {})
        for op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
                   "ReduceLogSumExp")
        for opset in (11, 18)
    },
    "sum of all": ("ReduceSum", {"keepdims": 0}, [], 13, {}),
    "argmax": ("ArgMax", {"axis": 1, "keepdims": 0}, [], 13, {}),
    "argmin": ("ArgMin", {"axis": 1, "select_last_index": 1}, [], 12, {}),
    **{op: (op, {}, [], 20 if op == "Gelu" else 18, {}) for op in (
        "Selu", "Celu", "Mish", "Softsign", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Gelu", "Softplus", "Elu", "Sign",
        "Round", "Floor", "Ceil", "Sin", "Cos", "Erf", "GlobalMaxPool", "Softmax", "LogSoftmax")},
    "softmax of old": ("Softmax", {"axis": 2}, [], 11, {}),
    "hard sigmoid": ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, [], 13, {}),
    "clip of old": ("Clip", {"min": -0.5, "max": 0.5}, [], 9, {}),
    "clip from below": ("Clip", {}, [np.float32(-0.1)], 13, {}),
    "prelu, one slope a channel": ("PRelu", {}, [f(2, 1, 1)], 16, {}),
    "prelu, one slope": ("PRelu", {}, [f(1)], 9, {}),
    "remainder": ("Mod", {"fmod": 1}, [np.float32(0.7)], 13, {}),
    "mean": ("Mean", {}, [f(2, 1, 1), f(1)], 13, {}),
    "instance norm": ("InstanceNormalization", {"epsilon": 1e-3}, [f(2), f(2)], 13, {}),
    "batch norm": ("BatchNormalization", {"epsilon": 1e-3}, [f(2), f(2), f(2), np.float32([0.5, 2])], 15, {}),
}  # fmt: skip


def model_of(op, attributes, constants, opset, more):
    arrays = {f"c{k}": a for k, a in enumerate(constants) if a is not None}
    names = ["x", *(f"c{k}" if a is not None else "" for k, a in enumerate(constants))]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, "H", "W"])
    kind = TensorProto.INT64 if op.startswith("Arg") else TensorProto.FLOAT
    node = helper.make_node(op, names, ["y"], "the node", **attributes, **more)
    weights = [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    graph = helper.make_graph([node], "g", [x], [helper.make_tensor_value_info("y", kind, None)], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def session(content):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def agree(result, expected):
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_one_node(name, tmp_path):
    model = model_of(*CASES[name])
    net = OnnxNetwork(model, name).eval()
    theirs = session(model.SerializeToString())
    export_onnx(net, tmp_path / "again.onnx", size=(9, 8), input_channels=2)
    again = session((tmp_path / "again.onnx").read_bytes())
    for shape in ((1, 2, 9, 8), (1, 2, 7, 10)):
        x = f(*shape)
        expected = theirs.run(None, {"x": x})[0]
        with no_grad():
            agree(net(Tensor(x)).data, expected)
        agree(again.run(None, {"image": x})[0], expected)


def test_half_precision_is_computed_in_float32(tmp_path):
    """Weights in float16, and a cast to float16 and back around them."""
    w = f(3, 2, 3, 3).astype(np.float16)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, "H", "W"])
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["h", "w"], ["c"]),
        helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT),
    ]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [out], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    image = f(1, 2, 6, 7)
    with no_grad():
        got = OnnxNetwork(model, "half").eval()(Tensor(image)).data
    expected = session(model.SerializeToString()).run(None, {"x": image})[0]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("shape", [(5, 2), (5, 2, 7), (5, 2, 4, 3)])
def test_batch_norm_of_every_rank(shape):
    model = model_of(*CASES["batch norm"])
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * len(shape)))
    x = f(*shape)
    with no_grad():
        agree(
            OnnxNetwork(model, "bn").eval()(Tensor(x)).data, session(model.SerializeToString()).run(None, {"x": x})[0]
        )


def test_what_depends_on_one_image_is_not_exported_as_a_constant(tmp_path):
    """Range over the image's width: a constant of the exported file would be wrong for every other width."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], "shape"),
        helper.make_node("Gather", ["s", "three"], ["w"], "width"),
        helper.make_node("Range", ["zero", "w", "one"], ["r"], "columns"),
        helper.make_node("Cast", ["r"], ["rf"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "rf"], ["y"]),
    ]
    arrays = {"three": np.int64(3), "zero": np.int64(0), "one": np.int64(1)}
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, "H", "W"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, "H", "W"])
    graph = helper.make_graph(
        nodes, "g", [x], [out], [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    net = OnnxNetwork(model, "columns").eval()
    for width in (4, 7):
        image = f(1, 2, 3, width)
        with no_grad():
            agree(net(Tensor(image)).data, image + np.arange(width, dtype=np.float32))
    with pytest.raises(
        NotImplementedError, match=r"node 'columns' \(Range, opset 13\): .* exported again, is not supported"
    ):
        export_onnx(net, tmp_path / "again.onnx", size=(3, 4), input_channels=2)
    assert not (tmp_path / "again.onnx").exists()
