"""The live figures compute what minidl computes: their JavaScript runs in node, beside the library."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import crf, nn
from minidl import functional as F
from minidl.analysis import checkerboard, gridding, receptive_field

FIGURES = Path(__file__).parents[2] / "lessons/site/static/figures"
NODE = shutil.which("node")
PROGRAM = """
const vm = require("vm"), fs = require("fs");
const page = vm.createContext({});
for (const name of ["common", process.argv[2]]) vm.runInContext(fs.readFileSync(`${process.argv[1]}/${name}.js`, "utf8"), page);
const parts = page.live[process.argv[2]];
const calls = JSON.parse(fs.readFileSync(0, "utf8"));
const value = (part, args) => typeof part === "function" ? part(...args) : part;
const infinite = (key, v) => (v === Infinity ? "Infinity" : v);
console.log(JSON.stringify(calls.map(([name, ...args]) => value(parts[name], args)), infinite));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed: it runs the figures' JavaScript")


def javascript(figure, calls):
    """The results of [(function or constant, arguments ...)] of a figure."""
    done = subprocess.run(
        [NODE, "-e", PROGRAM, str(FIGURES), figure], input=json.dumps(calls), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_overlap():
    settings = [(k, s) for k in range(1, 9) for s in range(1, 5)]
    lines = javascript("overlap", [("counts", k, s, 6) for k, s in settings])
    maps = javascript("overlap", [("map", k, s, 6) for k, s in settings])
    ratios = javascript("overlap", [("ratio", k, s) for k, s in settings])
    for (k, s), line, square, ratio in zip(settings, lines, maps, ratios):
        layer = {"kernel_size": k, "stride": s}
        assert line == checkerboard.overlap_map(layer, 6).tolist()
        assert square == checkerboard.overlap_map(layer, (6, 6)).tolist()
        assert float(ratio) == checkerboard.overlap_ratio(layer, dims=1)


def test_paint():
    cases = [([2, 3, 1, 2], [1, 10, 100], 2), ([2, 3, 1, 2], [1, 3, 3, 1], 3), ([1.5, -2], [1, 2, 1], 1)]
    with minidl.backend.use("reference"):
        for (x, w, s), out in zip(cases, javascript("paint", [("paint", *case) for case in cases])):
            rows = (minidl.tensor(np.array(a, float)[None, None, None]) for a in (x, w))
            assert out == F.conv_transpose2d(*rows, stride=(1, s)).data[0, 0, 0].tolist()
    assert javascript("paint", [("paint", [2, 3], [1, 1], 1, 1)]) == [[2, 2, 0]]  # one step of two


def test_receptive_field():
    chains = [
        [(3, 1, 1)] * 3,
        [(7, 2, 1), (3, 2, 1), (3, 1, 2)],
        [(3, 1, 1), (3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 2, 1), (3, 1, 4)],
    ]
    sizes = javascript("field", [("grow", chain) for chain in chains])
    seen = javascript("field", [("sees", chain, 5) for chain in chains])
    for chain, grown, interval in zip(chains, sizes, seen):
        layers = [nn.Conv2d(1, 1, k, stride=s, padding=d * (k - 1) // 2, dilation=d) for k, s, d in chain]
        with minidl.backend.use("reference"):
            field = receptive_field(nn.Sequential(*layers), (1, 64, 64))
        assert (grown["size"], grown["jump"]) == (field.size[0], field.stride[0])
        top, _, bottom, _ = field.box(5, 5)
        assert interval == [top, bottom - 1]


def test_gridding():
    triples = [(2, 2, 2), (1, 2, 5), (2, 3, 4), (6, 6, 1)]
    for triple, found in zip(triples, javascript("gridding", [("paths", triple) for triple in triples])):
        assert found == gridding(triple).tolist()


def test_roi():
    (features,) = javascript("roi", [("features",)])
    x = minidl.tensor(np.array(features)[None, None])
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0, 4, (20, 2)), rng.uniform(4, 9.5, (20, 2))], 1)
    boxes[:2] = (0.5, 1.5, 4.5, 5.5), (-0.5, 0, 9.9, 8.2)  # halves are rounded away from zero; beyond the map
    for bins in (1, 2, 3):
        pooled = javascript("roi", [("roiPool", features, box, bins) for box in boxes.tolist()])
        aligned = javascript("roi", [("roiAlign", features, box, bins, 2) for box in boxes.tolist()])
        with minidl.backend.use("reference"):
            np.testing.assert_allclose(pooled, F.roi_pool(x, [boxes], bins).data[:, 0], rtol=1e-12)
            needed = F.roi_align(x, [boxes], bins, sampling_ratio=2, aligned=True).data[:, 0]
        np.testing.assert_allclose(aligned, needed, rtol=1e-12, atol=1e-12)


def test_crf():
    image, unary, terms, truth = javascript("crf", [("image",), ("unary",), ("TERMS",), ("truth",)])
    (found,) = javascript("crf", [("meanField", unary, image, terms, [1, 4], 5)])
    net = crf.DenseCRF(
        np.array(image)[None],
        [
            crf.Gaussian(sxy=terms["sxy"], compat=1),
            crf.Bilateral(sxy=terms["sxyBilateral"], srgb=terms["srgb"], compat=4),
        ],
        exact=True,
    )
    energies = np.array(unary).T.reshape(2, 12, 12)
    with minidl.backend.use("reference"):
        trace = net.inference(energies, iterations=5, history=True)
    np.testing.assert_allclose(np.reshape(found, (6, 12, 12)), trace.beliefs[:, 1], atol=1e-5)  # features are float32
    right = [(beliefs > 0.5) == np.array(truth) for beliefs in trace.beliefs[:, 1]]
    assert right[0].mean() < 0.85 < 0.95 < right[-1].mean()  # and the figure has something to show
