"""Notebooks as pages of the site: each question is followed by a closed box that holds the output and its explanation.

The committed notebooks stay as they are; what is changed here lives in the copy that Sphinx reads.
"""

import copy
import re

HEADING = re.compile(r"(?m)^(?=#{1,6} )")
WIDGET = "application/vnd.jupyter.widget-view+json"
OPEN = '<details class="see">\n<summary>{}</summary>'
CLOSE = "</details>"
INSTALLING = 2  # the cells after the title that install minidl


def page(notebook, first_lines, figures):
    """The notebook for the site: `first_lines` below the title, and {heading: HTML} at the end of the sections named.

    Raises ValueError if a heading is missing.
    """
    cells = [_clean(c) for k, c in enumerate(notebook["cells"]) if not 1 <= k <= INSTALLING]
    title, _, rest = _text(cells[0]).partition("\n")
    body = "\n".join(line for line in rest.split("\n") if not line.startswith(("*No Colab badge", "[![Open in Colab]")))
    cells[0] = _markdown(f"{title}\n\n{first_lines}\n\n{body.strip()}")
    cells = _with_figures(_with_boxes(_split_at_headings(cells)), figures)
    metadata = {k: v for k, v in notebook["metadata"].items() if k != "widgets"}
    return notebook | {"cells": [c | {"id": f"c{k}"} for k, c in enumerate(cells)], "metadata": metadata}


def _text(cell):
    return "".join(cell["source"])


def _markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _clean(cell):
    """A copy without widgets, with the alternative text of its picture where MyST-NB looks for it."""
    cell = copy.deepcopy(cell)
    if cell["cell_type"] == "code":
        cell["outputs"] = [o for o in cell["outputs"] if WIDGET not in o.get("data", {})]
        for output in cell["outputs"]:
            for kind, described in output.get("metadata", {}).items():
                if kind.startswith("image/"):
                    cell["metadata"]["mystnb"] = {"image": {"alt": described["alt"]}}
    return cell


def _split_at_headings(cells):
    """The same cells, but every heading begins a cell of its own."""
    found = []
    for cell in cells:
        if cell["cell_type"] != "markdown":
            found.append(cell)
            continue
        found += [_markdown(part.strip("\n")) for part in HEADING.split(_text(cell)) if part.strip()]
    return found


def _with_boxes(cells):
    """After each "**Predict" and the code that answers it: a box with the outputs and the text up to what follows."""
    found, k = [], 0
    while k < len(cells):
        cell = cells[k]
        found.append(cell)
        k += 1
        if cell["cell_type"] != "markdown" or "**Predict" not in _text(cell):
            continue
        answers = []
        while k < len(cells) and cells[k]["cell_type"] == "code":
            answers.append(cells[k])
            k += 1
        if not answers:
            continue
        explanation, rest = _explanation(cells[k]) if k < len(cells) else ("", "")
        first = answers[0]
        found.append(_tagged(first, "remove-output"))
        found.append(_markdown(OPEN.format("See the answer" if explanation else "See the output")))
        if first["outputs"]:
            found.append(_tagged(first, "remove-input"))
        found += answers[1:]
        found.append(_markdown(f"{explanation}\n\n{CLOSE}".strip()))
        if explanation:
            cells = [*cells[:k], *([_markdown(rest)] if rest else []), *cells[k + 1 :]]
    return found


def _explanation(cell):
    """(what explains an output, the rest) of the cell after it: nothing of a new section, one paragraph before a question."""
    text = _text(cell)
    if cell["cell_type"] != "markdown" or text.startswith("#"):
        return "", text
    if "**Predict" not in text:
        return text, ""
    first, _, rest = text.partition("\n\n")
    return ("", text) if "**Predict" in first else (first, rest)


def _tagged(cell, tag):
    cell = copy.deepcopy(cell)
    cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), tag]
    return cell


def _with_figures(cells, figures):
    """The cells, with a figure's HTML at the end of each section that `figures` names."""
    found, section, left = [], None, dict(figures)
    for cell in [*cells, _markdown("# end")]:
        if cell["cell_type"] == "markdown" and _text(cell).startswith("#"):
            if section in left:
                found.append(_markdown(left.pop(section)))
            section = _text(cell).partition("\n")[0].lstrip("# ")
        found.append(cell)
    if left:
        raise ValueError(f"no section is named {' or '.join(map(repr, left))}")
    return found[:-1]
