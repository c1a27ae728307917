"""Fixtures that every test file may use."""

import importlib
import signal

import hypothesis
import pytest

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")  # the same examples in every run

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background; tests of Ctrl-C need it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["reference", "cpu"])
def column(request):
    """Each column of the kernel table: `minidl.kernels.reference`, then `minidl.kernels.cpu`."""
    return importlib.import_module(f"minidl.kernels.{request.param}")


def pytest_addoption(parser):
    group = parser.getgroup("fuzz", "random calls (tests/fuzz)")
    group.addoption("--seconds", type=float, help="how long to draw calls (without: the first 600 calls)")
    group.addoption("--fuzz-seed", type=int, default=0, help="the first number of every call's seed (0)")
