"""Fixtures that every test file may use."""

import importlib

import pytest


@pytest.fixture(params=["reference", "cpu"])
def column(request):
    """The kernel table as one column holds it: `minidl.kernels.reference`, then `minidl.kernels.cpu`."""
    return importlib.import_module(f"minidl.kernels.{request.param}")
