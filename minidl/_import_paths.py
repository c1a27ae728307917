"""Short import paths for modules in subpackages, and the module that each stands for.

Examples: `import minidl.optim`, `from minidl.metrics import ConfusionMatrix`, `minidl.training.fit`.
"""

import functools
import importlib
import importlib.abc
import importlib.util
import sys

MOVED = {
    "anomaly": "autograd.anomaly",
    "capture": "autograd.capture",
    "check": "autograd.check",
    "engine": "autograd.engine",
    "graph": "autograd.graph",
    "primitive": "autograd.primitive",
    "tensor": "autograd.tensor",
    "convolution": "backend.convolution",
    "cuda": "backend.cuda",
    "random": "backend.random",
    "threads": "backend.threads",
    "operators": "functional.operators",
    "average_precision": "train.average_precision",
    "checkpoint": "train.checkpoint",
    "metrics": "train.metrics",
    "optim": "train.optim",
    "run": "train.run",
    "tasks": "train.tasks",
    "training": "train.loop",
    "memory": "analysis.memory",
    "profiling": "analysis.profiling",
    "summary": "analysis.summary",
    "overlay": "data.overlay",
    "weights": "models.weights",
    "data.camvid": "data.datasets.camvid",
    "data.coco": "data.datasets.coco",
    "data.pets": "data.datasets.pets",
    "data.voc": "data.datasets.voc",
}
FUNCTIONS = {("crf", "tune"): "train.crf_tuning"}  # functions that a package offers but a higher floor defines


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the module of `import minidl.NAME` in its subpackage."""

    def find_spec(self, fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        return importlib.util.spec_from_loader(fullname, self) if package == __package__ and name in MOVED else None

    def create_module(self, spec):
        module = importlib.import_module(f"{__package__}.{MOVED[spec.name.partition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = module.__spec__.loader_state  # the module is loaded already, and keeps its own specification


def _function(package, name):
    """A function of FUNCTIONS, imported at its first use."""
    if (package, name) not in FUNCTIONS:
        raise AttributeError(f"module '{__package__}.{package}' has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__package__}.{FUNCTIONS[package, name]}"), name)


def install() -> None:
    """Make every name above an import path of the package, except where the package has a function of that name."""
    for package, _ in FUNCTIONS:
        sys.modules[f"{__package__}.{package}"].__getattr__ = functools.partial(_function, package)  # type: ignore[method-assign]
    sys.meta_path.append(_Finder())
    for old, new in MOVED.items():
        module = sys.modules.get(f"{__package__}.{new}")
        if module is not None:
            sys.modules[f"{__package__}.{old}"] = module
            parent, _, name = f"{__package__}.{old}".rpartition(".")
            sys.modules[parent].__dict__.setdefault(name, module)
