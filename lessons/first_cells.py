"""Writes the badge and the installing cell of every lesson from the repository's address in repository.txt:

    python lessons/first_cells.py

After a fork or a move, write the new address there and run this once. While the file says `unknown`, a sentence stands in
place of the badge, and the cell says what is missing instead of cloning.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
UNKNOWN = "unknown"
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({})"
NO_BADGE = (
    "*No Colab badge: this copy does not know its repository's address. Write it into `lessons/repository.txt` "
    "and run `python lessons/first_cells.py`.*"
)
NOTE = """The next cell installs minidl where it is missing: from the checkout that this notebook lies in
or, on Colab, from a clone. Where minidl is installed, it does nothing."""
INSTALL = """from importlib.util import find_spec
from pathlib import Path

found = find_spec("minidl")
if found is None or found.origin is None:  # nothing, or a mere folder of that name
    if not Path("../setup.py").exists():  # the notebook came alone
        {}
    %pip install -q "..[lessons]\""""
CLONE = """!git clone -q --depth 1 {} minidl
        %cd -q minidl/lessons"""
NO_CLONE = 'raise ImportError("minidl is missing: clone its repository, and open this notebook in its folder lessons")'


def colab(address, name):
    """The address under which Colab opens a notebook of the repository at `address`."""
    return f"{address.replace('github.com', 'colab.research.google.com/github')}/blob/main/lessons/{name}"


def title(text, address, name):
    """The title cell's text with its badge, or why there is none, under the heading, in place of an older one."""
    heading, _, rest = text.partition("\n")
    old = BADGE.split("(")[0], NO_BADGE
    rest = "\n".join(line for line in rest.split("\n") if not line.startswith(old)).strip("\n")
    badge = NO_BADGE if address == UNKNOWN else BADGE.format(colab(address, name))
    return f"{heading}\n\n{badge}\n\n{rest}"


def main():
    """Rewrite the first cells of all notebooks; returns the paths of those that changed."""
    address, changed = (HERE / "repository.txt").read_text(encoding="utf-8").strip(), []
    for path in sorted(HERE.glob("[0-9][0-9]_*.ipynb")):
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        first = notebook["cells"][:3]
        clone = NO_CLONE if address == UNKNOWN else CLONE.format(address)
        text = title("".join(first[0]["source"]), address, path.name), NOTE, INSTALL.format(clone)
        for cell, source in zip(first, text):
            cell["source"] = source.splitlines(keepends=True)
        after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    print(*[path.name for path in main()], sep="\n")
