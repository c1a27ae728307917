"""The badge and the installing cell of every lesson, written from the repository's address in repository.txt:

    python lessons/first_cells.py

After a fork or a move, write the new address there and run this once.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({})"
NOTE = """The next cell installs minidl where it is missing: from the checkout that this notebook lies in
or, on Colab, from a clone that it makes. Where minidl is installed, it does nothing."""
INSTALL = """from importlib.util import find_spec
from pathlib import Path

found = find_spec("minidl")
if found is None or found.origin is None:  # nothing, or a mere folder of that name
    if not Path("../setup.py").exists():  # the notebook came alone
        !git clone -q --depth 1 {} minidl
        %cd -q minidl/lessons
    %pip install -q "..[lessons]\""""


def colab(address, name):
    """Where Colab opens a notebook of the repository at `address`."""
    return f"{address.replace('github.com', 'colab.research.google.com/github')}/blob/main/lessons/{name}"


def title(text, address, name):
    """The title cell's text with its badge under the heading, in place of an older one."""
    heading, _, rest = text.partition("\n")
    rest = "\n".join(line for line in rest.split("\n") if not line.startswith(BADGE.split("(")[0])).strip("\n")
    return f"{heading}\n\n{BADGE.format(colab(address, name))}\n\n{rest}"


def main():
    """Rewrite the first cells of all notebooks; returns the paths of those that changed."""
    address, changed = (HERE / "repository.txt").read_text(encoding="utf-8").strip(), []
    for path in sorted(HERE.glob("[0-9][0-9]_*.ipynb")):
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        first = notebook["cells"][:3]
        text = title("".join(first[0]["source"]), address, path.name), NOTE, INSTALL.format(address)
        for cell, source in zip(first, text):
            cell["source"] = source.splitlines(keepends=True)
        after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    print(*[path.name for path in main()], sep="\n")
