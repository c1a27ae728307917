"""The layout, counted: parameters, files, circles, docstrings, annotations, names, line counts of the README."""

import ast
import graphlib
import importlib
import inspect
import re
from pathlib import Path

import grimp
import pytest

from minidl import Tensor, crf, models, nn, optim
from minidl import functional as F

ROOT = Path(__file__).parents[2]
FLOORS = ["autograd", "backend", "functional", "nn", "models", "crf", "data", "train", "analysis", "plot", "export"]
FILES = {folder: sorted((ROOT / folder).rglob("*.py")) for folder in ("minidl", "kernels")}
PUBLIC = [f for f in FILES["minidl"] if f.parent == ROOT / "minidl" or f.relative_to(ROOT).parts[1] in FLOORS]

# Signatures that are PyTorch's or torchvision's, and two entry points whose options are keyword-only, as PyTorch's DataLoader.
TORCH = {"fit", "DataLoader", "DigitScenes"} | {
    *("conv2d", "conv_transpose2d", "batch_norm", "Conv2d", "ConvTranspose2d", "_Conv", "DepthwiseSeparableConv2d"),
    *("FasterRCNN", "RegionProposalNetwork", "RoIHeads"),
}
TOO_MANY_FILES = {"tests/exercises/wrong_versions": 30}  # one for each exercise


def functions(file):
    """(name, node, whether it is a method) of every function of a file, a constructor under the name of its class."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        inner = node.body if isinstance(node, ast.ClassDef | ast.Module) else []
        for f in inner:
            if isinstance(f, ast.FunctionDef):
                method = isinstance(node, ast.ClassDef)
                yield node.name if method and f.name == "__init__" else f.name, f, method


def defined(file):
    """(qualified name, node, bases) of the public functions, classes and methods that a file defines."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node, ()
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for f in node.body:
                if isinstance(f, ast.FunctionDef) and (not f.name.startswith("_") or re.fullmatch("__.*__", f.name)):
                    yield f"{node.name}.{f.name}", f, node.bases


def decorated(node, name):
    return any(name in ast.unparse(d) for d in node.decorator_list)


@pytest.mark.parametrize("folder", FILES)
def test_parameters_per_function(folder):
    many = []
    for file in FILES[folder]:
        for name, f, method in functions(file):
            count = len(f.args.posonlyargs + f.args.args + f.args.kwonlyargs) - method
            if count > 8 and name not in TORCH:
                many.append(f"{file.relative_to(ROOT)}: {name} takes {count}")
    assert not many, "\n".join(many)


def test_files_per_folder():
    many = {}
    for folder in {f.parent for top in ("minidl", "kernels", "tests") for f in (ROOT / top).rglob("*.*")}:
        files = [f for f in folder.iterdir() if f.is_file() and f.name != "__init__.py" and f.suffix != ".pyc"]
        if len(files) > TOO_MANY_FILES.get(folder.relative_to(ROOT).as_posix(), 20):
            many[folder.relative_to(ROOT).as_posix()] = len(files)
    assert not many


def test_lines_per_file():
    long = {
        str(f.relative_to(ROOT)): n
        for f in [*FILES["minidl"], *FILES["kernels"]]
        if (n := f.read_bytes().count(b"\n")) > 300
    }
    assert not long


def test_loose_files():
    assert len([f for f in (ROOT / "minidl").iterdir() if f.is_file()]) <= 8
    assert len([f for f in (ROOT / "kernels").iterdir() if f.is_file()]) <= 8


@pytest.mark.parametrize("package", ["minidl", "kernels"])
def test_no_circles_between_files(package, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # before tests/, which has a folder named kernels as well
    graph = grimp.build_graph(package, exclude_type_checking_imports=True)
    assert len(graph.modules) > 50
    graphlib.TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()


@pytest.mark.parametrize("file", PUBLIC, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_public_names_are_annotated_and_described(file):
    """A method may leave its description to the base class that declares it (`forward`, `extra_repr`, ...)."""
    missing = [] if ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) else ["a docstring of the file"]
    for name, node, bases in defined(file):
        if isinstance(node, ast.FunctionDef):
            args = node.args
            plain = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
            bare = [a.arg for a in plain if a.annotation is None and a.arg not in ("self", "cls")]
            if bare or node.returns is None:
                missing.append(f"annotations of {name}: {', '.join(bare) or 'the result'}")
        described = ast.get_docstring(node) or bases or name.endswith("__")
        if not described and not decorated(node, "overload") and not decorated(node, "setter"):
            missing.append(f"a docstring of {name}")
    assert not missing


@pytest.mark.parametrize("module", [F, nn, optim, models, crf], ids=lambda module: module.__name__)
def test_help_describes_every_public_name(module):
    names = [n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "").startswith("minidl")]
    assert len(names) > 5
    assert [n for n in names if not inspect.getdoc(getattr(module, n))] == []
    classes = [c for c in (*map(vars(module).get, names), Tensor) if inspect.isclass(c)]
    bare = [f"{c.__name__}.{n}" for c in classes for n in vars(c) if n[0] != "_" and callable(getattr(c, n))]
    assert [
        n for n in bare if not inspect.getdoc(getattr(vars(module).get(n.split(".")[0], Tensor), n.split(".")[1]))
    ] == []


def test_modules_of_models_keep_their_own_names():
    """No module stands where a constructor should (`models.alexnet`), nor a constructor where importing puts a module."""
    for init in (ROOT / "minidl/models").rglob("__init__.py"):
        package = importlib.import_module(".".join(init.parent.relative_to(ROOT).parts))
        for name, value in vars(package).items():
            if inspect.ismodule(value) and value.__name__.startswith(package.__name__):
                assert value.__name__ == f"{package.__name__}.{name}"
        beside = {f.stem for f in init.parent.iterdir()} - {"__init__"}
        assert not [n for n in beside if not inspect.ismodule(getattr(package, n, package))]


def test_line_counts_of_the_readme():
    rows = re.findall(r"^\| \[`(.+?)`\].*?\) \| (\d+) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(rows) > 8
    wrong = {}
    for name, said in rows:
        lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
        if abs(lines - int(said)) > lines / 10:
            wrong[name] = lines
    assert not wrong


CONV = "kernels/cpu/conv"
PATHS = {  # what to read to follow F.conv2d on the CPU: (files, most files, most lines)
    "winograd": (
        [f"{CONV}/{name}.py" for name in ("dispatch", "winograd", "winograd_plan", "winograd_transforms", "operands")]
        + ["kernels/cpu/simd/micro_kernel.py"],
        7,
        900,
    ),
    "implicit_gemm": (
        [f"{CONV}/{name}.py" for name in ("dispatch", "implicit_gemm", "taps", "packing", "operands")]
        + ["kernels/cpu/simd/micro_kernel.py"],
        6,
        700,
    ),
}


@pytest.mark.parametrize("algorithm", PATHS)
def test_a_convolution_is_read_in_few_files(algorithm):
    """The list holds every file of conv that the algorithm's file imports names from, other algorithms excepted."""
    files, most_files, most_lines = PATHS[algorithm]
    others = {
        "direct_channels",
        "gemm_upsample",
    }  # the fallback for results that are not finite; strided data gradients
    tree = ast.parse((ROOT / CONV / f"{algorithm}.py").read_text(encoding="utf-8"))
    used = {n.module or n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 1}
    assert {f"{CONV}/{name}.py" for name in used - others} <= set(files)
    assert len(files) <= most_files
    assert sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files) <= most_lines
