"""The README's Python, run from top to bottom as a reader would."""

import re
import shutil
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def test_the_readmes_code_runs_as_written(capsys):
    pytest.importorskip("sklearn")  # DigitScenes
    pytest.importorskip("skimage")
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 5
    names = {}
    for block in blocks:
        if "torch_module" in block:  # tests/autograd/test_dlpack.py runs it where PyTorch is installed
            continue
        if "cudasim" in block and not (shutil.which("g++") or shutil.which("clang++")):
            continue
        exec(block, names)
    assert names["loss"].item() > 0 and "tensor([[ 7., 11.]" in capsys.readouterr().out
