"""The benchmark without timing: the cases, their costs, equal results of all libraries, and the command."""

import csv
import shutil
import subprocess
import sys

import fake_cupy
import numpy as np
import pytest
from minidl.kernels import reference

from minidl import cli, models
from minidl.bench import cases, costs, floors, measure, ours, peers, report, worker
from minidl.bench.inputs import conv_arrays, geometry

VGG_TINY = [[4], [4], [6, 6], [8], [8]]
TINY = {"N": 2, "C": 6, "O": 6, "H": 37, "W": 37, "hidden": 8, "base": 4, "depth": 2, "size": 74, "length": 5}
TINY |= {"blocks": VGG_TINY, "dropout": 0.0, "shapes": [[4, 3, 3, 3], [4]]}
EXACT = {
    "deeplab": 64,
    "unet": 32,
    "fcn8s": 64,
    "conv_transpose": 40,
    "max_unpool": 36,
}  # sizes that nothing is lost of


def tiny(case):
    """The case's parameters with few channels and pixels; kernel, stride, padding and dilation stay."""
    p = {name: TINY[name] if name in TINY and name != "C" else value for name, value in case.params.items()}
    if "C" in p:
        p["C"] = min(case.params["C"], TINY["C"])
    if p.get("groups", 1) > 1:
        p["groups"] = p["O"] = p["C"]
    if "H" in p:
        p["H"] = p["W"] = EXACT.get(case.op, p["H"])
    return p


def distinct():
    """One case for each distinct computation at small sizes."""
    return list({(case.op, case.part, repr(sorted(tiny(case).items()))): case for case in cases.CASES}.values())


def test_labels_and_groups():
    labels = [case.label for case in cases.CASES]
    assert len({(case.group, case.label) for case in cases.CASES}) == len(labels)
    assert {case.group for case in cases.CASES} == set(cases.GROUPS)
    assert {case.group for case in cases.CASES if case.quick} == set(cases.GROUPS)
    assert {case.op for case in cases.CASES} == set(ours.OPS)
    assert max(map(len, labels)) < 58  # the table's first column


def test_the_suite_is_the_agreed_one():
    suite = {(c.params["C"], c.params["H"], c.params["N"], c.part) for c in cases.CASES if c.group == "conv3x3"}
    for C, S in ((32, 256), (64, 128), (128, 64), (256, 32)):
        assert {(C, S, N, part) for N in (1, 2, 4) for part in cases.PARTS} <= suite
    assert {S for _, S, _, _ in suite} >= {33, 65, 97, 127}
    dilated = {(c.params["dilation"], c.params["H"]) for c in cases.CASES if c.group == "dilated"}
    assert dilated == {(rate, S) for rate in (2, 4, 6, 12, 18) for S in (33, 65)}


@pytest.mark.parametrize("p", [case.params for case in distinct() if case.op == "conv"][:12], ids=str)
def test_conv_flops_are_those_that_happen(p):
    """Ones convolved with ones count the products of every output; a frame of ones counts the padding too."""
    p = {**p, "N": 2, "C": 4, "O": 6 if p["groups"] == 1 else 4, "H": 39, "W": 39, "groups": min(p["groups"], 4)}
    x, w, _, y = conv_arrays(p)
    framed = np.ones((*x.shape[:2], *(n + 2 * p["padding"] for n in x.shape[2:])))
    counts = reference.conv2d(framed, np.ones(w.shape), None, geometry({**p, "padding": 0}))
    flops, moved = costs.conv_cost(p)
    assert counts.shape == y.shape
    assert flops == 2 * counts.sum()
    assert moved == x.nbytes + w.nbytes + y.nbytes


@pytest.mark.parametrize("op", ["unet", "fcn8s", "deeplab"])
def test_network_flops_are_those_of_its_convolutions(op, monkeypatch):
    """The convolutions that a network calls, compared with the list behind its cost."""
    from minidl.kernels import cpu

    case = next(case for case in cases.CASES if case.op == op)
    p, called = tiny(case), []

    def spy(function, transposed):
        def call(a, w, b, *rest):
            result = function(a, w, b, *rest)
            pixels = a if transposed else result
            called.append(2 * pixels.size * w[0].size)
            return result

        return call

    monkeypatch.setattr(cpu, "conv2d", spy(cpu.conv2d, False))
    monkeypatch.setattr(cpu, "conv_transpose2d", spy(cpu.conv_transpose2d, True))
    convs = {"unet": costs.unet_convs, "fcn8s": costs.fcn8s_convs, "deeplab": costs.deeplab_convs}[op]
    make = {
        "unet": lambda: models.UNet(p["C"], p["classes"], p["depth"], p["base"]),
        "fcn8s": lambda: models.FCN(models.VGG(p["blocks"], None), p["classes"], hidden=p["hidden"]),
        "deeplab": models.deeplab_v3plus_mobilenet_v2,
    }
    model = ours.load(make[op]())
    model(ours.tensor(ours.images(p, 0)))
    assert sum(called) == sum(costs.conv_cost(c)[0] for c in convs(p))
    step, _ = costs.cost(cases.Case("steps", "", op, "training step", p))
    first, _ = costs.conv_cost(next(convs(p)))
    assert step == 3 * sum(called) - first


def test_costs_are_positive():
    for case in cases.CASES:
        flops, moved = costs.cost(case)
        assert flops >= 0 and moved >= 0 and flops + moved > 0, case.label


@pytest.mark.parametrize("case", distinct(), ids=lambda case: f"{case.op}-{case.part}-{case.name}")
def test_ours_and_pytorch_agree(case):
    """Every computation that is timed runs in both libraries, in all variants, with one result."""
    pytest.importorskip("torch")
    from minidl.bench import torch_peer

    p = tiny(case)
    results = {
        (library.__name__, name): library.numbers(call())
        for library in (ours, torch_peer)
        for name, call in library.OPS[case.op](p, case.part).items()
    }
    expected, *others = results.values()
    for arrays in others:
        assert [a.size for a in arrays] == [a.size for a in expected]
        for a, b in zip(arrays, expected):
            np.testing.assert_allclose(a.ravel(), b.ravel(), rtol=1e-3, atol=1e-4 * np.abs(b).max())


def test_twins_have_our_parameters():
    """Full size for U-Net, small for FCN-8s: the same names and shapes."""
    pytest.importorskip("torch")
    from minidl.bench import torch_models

    def shapes(model):
        return {name: tuple(p.shape) for name, p in model.named_parameters()}

    p = cases.UNET
    unet = models.UNet(p["C"], p["classes"], p["depth"], p["base"])
    assert shapes(unet) == shapes(torch_models.UNet(p["C"], p["classes"], p["depth"], p["base"]))
    fcn = models.FCN(models.VGG(VGG_TINY, None), 21, hidden=8)
    assert shapes(fcn) == shapes(torch_models.FCN8s(3, 21, VGG_TINY, 8, 0.5))
    assert shapes(models.deeplab_v3plus_mobilenet_v2()) == shapes(torch_models.DeepLabV3Plus(21, 0.5))


class Fake:
    """A library that takes a given time per call."""

    def __init__(self, name, speeds, prints=((0.0, 1.0),)):
        self.name, self.speeds, self.prints, self.asked = name, speeds, prints, []

    def ask(self, do, **request):
        self.asked.append((do, request))
        if do == "build":
            return {"variants": {name: list(map(list, self.prints)) for name in self.speeds}}
        if do == "time":
            return dict.fromkeys(("wall", "cpu"), self.speeds[request["variant"]] * request["calls"])
        return {}


def test_the_best_variant_is_the_figure():
    case = cases.CASES[0]
    slow, mine = Fake("torch", {"NCHW": 0.004, "channels-last": 0.003, "other": 0.1}), Fake("minidl", {"NCHW": 0.001})
    result = measure.measure(case, [mine, slow], rounds=7)
    assert result.variant == {"minidl": "NCHW", "torch": "channels-last"}
    assert result.ratio("torch") == pytest.approx(3) and result.time() == pytest.approx(0.001)
    assert len(result.seconds["torch"]) == 7 and not result.disagrees
    timed = [request for do, request in slow.asked if do == "time"][-14:]
    assert {r["variant"] for r in timed} == {"NCHW", "channels-last"}  # a hopeless variant is dropped
    timed += [request for do, request in mine.asked if do == "time"][-7:]
    spans = {r["calls"] * {"channels-last": 0.003, "NCHW": 0.004}[r["variant"]] for r in timed[:14]}
    spans |= {r["calls"] * 0.001 for r in timed[14:]}
    assert all(span == pytest.approx(measure.MIN_SECONDS, rel=0.2) for span in spans)  # all measurements last alike


def test_different_results_are_reported():
    case, mine = cases.CASES[0], Fake("minidl", {"NCHW": 0.01})
    assert measure.measure(case, [mine, Fake("torch", {"a": 0.01}, [(0.0, 1.1)])], 1).disagrees == ["torch"]
    assert measure.measure(case, [mine, Fake("torch", {"a": 0.01}, [(0.0, 1.0)] * 2)], 1).disagrees == ["torch"]


def result_of(case, ratio, disagrees=()):
    seconds = {"minidl": [0.01] * 7, "torch": [0.01 * ratio] * 7}
    return measure.Result(case, seconds, {"minidl": "NCHW", "torch": "NCHW"}, list(disagrees))


def test_verdicts():
    one, two = cases.select(["conv3x3"])[:2]
    both = [result_of(one, 3.0), result_of(two, 1.2)]
    text = report.verdict(both, "conv3x3", "torch")
    assert "2 of 48 cases" in text and "geometric mean 1.90, least 1.20" in text and text.endswith(": met")
    assert report.verdict([result_of(one, 9.0), result_of(two, 0.9)], "conv3x3", "torch").endswith("NOT MET")
    assert report.verdict([result_of(one, 1.7)], "conv3x3", "torch").endswith("NOT MET")
    assert "no verdict: results differ" in report.verdict([result_of(one, 9, ["torch"])], "conv3x3", "torch")
    assert "1.50 of 1.6 NOT MET" in report.verdict([result_of(cases.UNET_STEP, 1.5)], "steps", "torch")


def test_a_row_of_the_table():
    """1e9 flops at 10 ms under a roof of 200 GFLOP/s is half of it; ratio is the median of the rounds' ratios."""
    case = cases.CASES[0]
    flops, moved = costs.cost(case)
    result = result_of(case, 2.0)
    result.seconds["torch"][:3] = [1.0, 1.0, 1.0]
    row = report.row(result, floors.Floors(sgemm=2 * flops / 0.01, copy=moved * 1e6))
    assert row["ms"] == 10 and row["roof"] == pytest.approx(0.5) and row["torch ratio"] == pytest.approx(2)
    assert result.fastest("torch") == pytest.approx(2) and row["torch fastest"] == pytest.approx(2)
    assert row["rate"] == pytest.approx(flops / 1e7) and row["unit"] == "GFLOP/s"
    slow_copy = report.row(result, floors.Floors(sgemm=flops * 1e6, copy=4 * moved / 0.01))
    assert slow_copy["unit"] == "GB/s" and slow_copy["roof"] == pytest.approx(0.25)
    assert "RESULTS DIFFER" in report.line(row | {"torch agrees": False}, ["torch"])


def test_memory_table():
    memory = {"minidl": {"imported": 100e6, "peak": 500e6}, "torch": {"imported": 300e6, "peak": 600e6}}
    assert "PyTorch / ours 0.75 of 1.0 NOT MET" in report.memory_table(memory)


def test_select():
    assert len(cases.select()) == len(cases.CASES)
    assert {case.group for case in cases.select(["light"])} == {"light"}
    assert all("65²" in case.label for case in cases.select(text="65²"))
    with pytest.raises(ValueError, match="no group 'conv9x9'; there are conv3x3"):
        cases.select(["conv9x9"])
    with pytest.raises(ValueError, match="no case matches"):
        cases.select(text="no such thing")


def test_a_case_that_the_peer_has_not(tmp_path):
    """Timed alone, without a ratio; a table and a file with such rows have gaps."""
    case, other = cases.CASES[0], cases.CASES[1]
    alone = measure.measure(case, [Fake("minidl", {"NCHW": 0.001}), Fake("torch", {})], rounds=3)
    assert [*alone.seconds] == ["minidl"]
    assert report.verdict([alone], case.group, "torch") == "conv3x3: PyTorch has none of these cases"
    assert "1 of 48 cases" in report.verdict([alone, result_of(other, 3.0)], case.group, "torch")
    rows = [report.row(result, floors.Floors(1e9, 1e9)) for result in (alone, result_of(other, 3.0))]
    assert report.line(rows[0], ["torch"]).split()[-1] == "-"
    report.write_csv(tmp_path / "t.csv", rows, {"machine": "m", "versions": "v"})
    first, second = csv.DictReader((tmp_path / "t.csv").read_text().splitlines())
    assert first["torch ratio"] == "" and float(second["torch ratio"]) == pytest.approx(3) and first["versions"] == "v"


@pytest.fixture
def gpu(monkeypatch):
    """The stand-in for CuPy, and `ours` set back to the CPU afterwards."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("cudasim needs g++ or clang++; neither is installed")
    from minidl.kernels import precision
    from minidl.kernels.cuda import loader

    module = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", module)
    for place, name in ((ours, "K"), (ours, "device"), (precision, "_chosen")):
        monkeypatch.setattr(place, name, getattr(place, name))
    yield module
    loader._gpu_function.cache_clear()
    loader._gpu_module.cache_clear()


ON_GPU = ("conv", "batch_norm_relu", "bilinear", "conv_transpose", "sgd", "tape", "unet", "roi_align", "crf")


@pytest.mark.parametrize("op", ON_GPU)
def test_ours_on_the_gpu(gpu, op):
    """The same numbers as on the CPU, up to what TF32 rounds, from arrays that are on the GPU."""
    case = next(case for case in cases.CASES if case.op == op)
    p = tiny(case) | {"boxes": 4}
    expected = [ours.numbers(call()) for call in ours.OPS[op](p, case.part).values()]
    process = worker.Worker("minidl", 1, "cuda")
    assert [*process.build(op, case.part, p)["variants"]] == ["NCHW"]
    assert process.time("NCHW", 1)["wall"] > 0
    results = next(iter(ours.OPS[op](p, case.part).values()))()
    for result in results if isinstance(results, tuple) else (results,):
        assert isinstance(getattr(result, "data", result), gpu.ndarray)
    for a, b in zip(ours.numbers(results), expected[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=5e-3, atol=5e-3 * np.abs(b).max())


def test_floors_and_names_of_a_gpu(gpu):
    roof = floors.Floors(**floors.on_gpu("cuda", 32, 1, 0.01))
    assert roof.sgemm > 0 and roof.copy > 0
    text = report.header(2, [], {"cuda": roof}, "cuda")
    assert "Stand-in, TF32" in text and "CUDA 12.8, driver for CUDA 13.0" in text and "cuda: sgemm" in text
    assert "target" not in report.verdict([result_of(cases.CASES[0], 3.0)], "conv3x3", "torch", "cuda")


def test_missing_peers(monkeypatch):
    with pytest.raises(ValueError, match="--peer jax is unknown; there are torch"):
        peers.check(["jax"])
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"PyTorch is not installed \(pip install torch\); leave out --peer"):
        peers.check(["torch"])


def test_a_worker_answers_errors_and_survives():
    with peers.Peer("minidl", 1) as peer:
        with pytest.raises(RuntimeError, match="minidl: KeyError"):
            peer.ask("build", op="nonsense", part="forward", params={})
        case = next(case for case in cases.CASES if case.op == "sgd")
        assert list(peer.ask("build", op="sgd", part="step", params=tiny(case))["variants"]) == ["NCHW"]
        assert peer.ask("time", variant="NCHW", calls=3)["wall"] > 0
        used = peer.ask("memory", op="sgd", part="step", params=tiny(case))
        assert used["peak"] >= used["imported"] > 0


def test_peak_memory_grows_with_what_is_held():
    before = worker.peak_memory()
    held = np.ones(1 << 27, np.uint8)
    held = held + held  # 256 MB at once, more than the rest of this file ever holds on top
    assert worker.peak_memory() > before or before > 2 << 28


def test_a_library_without_a_gpu_says_so():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match=r"bench: torch: PyTorch .* finds no GPU"):
        peers.Peer("torch", 1, "cuda")


def test_no_gpu(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit):
        cli.main(["bench", "--device", "cuda"])
    assert "--device cuda: CuPy is not installed: pip install" in capsys.readouterr().err


def minidl(*args):
    return subprocess.run([sys.executable, "-m", "minidl.cli", "bench", *args], capture_output=True, text=True)


def test_help():
    answer = minidl("--help")
    assert answer.returncode == 0 and "--quick" in answer.stdout and "conv3x3" in answer.stdout


@pytest.mark.parametrize(
    "args, message",
    [
        (["--peer", "jax"], "--peer jax is unknown"),
        (["--rounds", "0"], "--rounds 0; needed at least 1"),
        (["--threads", "0"], "--threads 0; needed 1 to"),
        (["--group", "x"], "there is no group 'x'"),
    ],
)
def test_wrong_options(args, message):
    answer = minidl(*args)
    assert answer.returncode == 1 and message in answer.stderr and "Traceback" not in answer.stderr


def test_command(tmp_path):
    path, figure = tmp_path / "bench.csv", tmp_path / "roofline.png"
    answer = minidl(
        "--quick", "--group", "steps", "--filter", "gradient to y", "--rounds", "1", "--csv", path, "--plot", figure
    )
    assert answer.returncode == 0, answer.stderr
    assert "sgemm" in answer.stdout and "tape: y = y * w, gradient to y" in answer.stdout
    (row,) = csv.DictReader(path.read_text().splitlines())
    assert row["group"] == "steps" and float(row["ms"]) > 0 and row["machine"] and "numpy" in row["versions"]
    assert figure.read_bytes()[:4] == b"\x89PNG"


def test_roofline():
    from minidl.plot.roofline import roofline

    points = {"conv3x3": [(100.0, 90.0), (80.0, 30.0)], "light": [(0.5, 4.0)]}
    figure = roofline(points, {"1 thread": (40, 8), "2 threads": (80, 10)})
    ax = figure.axes[0]
    assert "1 of 3 kernels" in figure.get_suptitle()  # only 90 exceeds min(80, 100 x 10)
    drawn = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert [*drawn] == ["1 thread", "2 threads", "conv3x3", "light"]
    assert drawn["conv3x3"].tolist() == [[100, 90], [80, 30]]
    assert drawn["2 threads"][-1, 1] == 80 and drawn["2 threads"][0, 1] < 10
    with pytest.raises(ValueError, match="at least one point"):
        roofline({}, {"1 thread": (40, 8)})
