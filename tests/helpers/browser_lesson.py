"""Run the code of notebooks, NAME.ipynb [cells to leave out], in this process; pictures go nowhere."""

import json
import sys
from pathlib import Path

import matplotlib


def run(path, left_out):
    """Every code cell of the notebook but the installing one, in order and in one namespace."""
    names = {"__name__": "__main__", "display": lambda *a, **k: None}
    for number, cell in enumerate(json.loads(Path(path).read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "%pip" not in source and number not in left_out:
            exec(compile(source, f"<{Path(path).name}, cell {number}>", "exec"), names)


if __name__ == "__main__":
    matplotlib.use("Agg")
    run(sys.argv[1], set(map(int, sys.argv[2:])))
    import minidl.backend.columns

    print("column:", minidl.backend.columns._load("cpu").__name__)
