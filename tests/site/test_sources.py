"""What Sphinx reads, made from the repository: boxes after questions, links that hold, nothing left out."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "lessons/site"
NOTEBOOKS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb"))
MODULES = ("build", "figures", "notebooks", "reference", "sources")


@pytest.fixture
def site(monkeypatch):
    """The builder's modules, gone from the process afterwards."""
    monkeypatch.syspath_prepend(SITE)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import build

    yield build
    for name in MODULES:
        sys.modules.pop(name, None)


def text(cell):
    return "".join(cell["source"])


def cells_of(site, path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    before = json.dumps(notebook)
    page = site.sources.notebooks.page(notebook, "EDIT", site.sources.figures.of(path.name[:2]))
    assert json.dumps(notebook) == before  # the committed notebook is left alone
    return notebook["cells"], page["cells"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_question_is_followed_by_a_closed_box(site, path):
    old, new = cells_of(site, path)
    asked = sum("**Predict" in text(c) for c in old if c["cell_type"] == "markdown")
    boxes = [k for k, c in enumerate(new) if '<details class="see">' in text(c)]
    assert len(boxes) >= 3 and asked - len(boxes) <= 1
    for k in boxes:
        question, code = new[k - 2 : k]
        assert "**Predict" in text(question) and code["metadata"]["tags"] == ["remove-output"]
        end = next(n for n in range(k, len(new)) if text(new[n]).endswith("</details>"))
        assert not any("**Predict" in text(c) or "<details" in text(c) for c in new[k + 1 : end])
        assert "open" not in text(new[k])
    shown = [
        c["outputs"] for c in new if c["cell_type"] == "code" and "remove-output" not in c["metadata"].get("tags", [])
    ]
    kinds = {kind for outputs in shown for o in outputs for kind in o.get("data", {})}
    assert kinds <= {"text/plain", "image/png"}  # a widget would load its program from another host
    pictures = [o for c in old if c["cell_type"] == "code" for o in c["outputs"] if "image/png" in o.get("data", {})]
    assert sum("image/png" in o.get("data", {}) for outputs in shown for o in outputs) == len(pictures)
    code = [text(c) for c in old if c["cell_type"] == "code"]
    shown = [c for c in new if c["cell_type"] == "code" and "remove-input" not in c["metadata"].get("tags", [])]
    assert [text(c) for c in shown] == code[1:]  # all but the installing cell
    words = "".join(re.sub(r"\s", "", text(c)) for c in new if c["cell_type"] == "markdown")
    for cell in [c for c in old[3:] if c["cell_type"] == "markdown"]:
        for paragraph in re.split(r"\n\s*\n", text(cell)):
            assert re.sub(r"\s", "", paragraph) in words


def test_what_explains_an_output(site):
    explanation = site.sources.notebooks._explanation
    cell = lambda source: {"cell_type": "markdown", "source": source}
    assert explanation(cell("Two.\n\n| a |\n|---|")) == ("Two.\n\n| a |\n|---|", "")
    assert explanation(cell("Two.\n\nNow three. **Predict:** four?")) == ("Two.", "Now three. **Predict:** four?")
    assert explanation(cell("And now: **Predict**")) == ("", "And now: **Predict**")
    assert explanation(cell("## New")) == ("", "## New")


def test_sources(site, tmp_path):
    site.sources.write(tmp_path / "source", False)
    pages = {p.relative_to(tmp_path / "source").as_posix(): p for p in (tmp_path / "source").rglob("*.*")}
    assert {"index.md", "glossary.md", "results.md", "try.md", "figures.md", "api/index.md", "api/minidl_nn.md"} <= set(
        pages
    )
    assert len([name for name in pages if name.endswith(".ipynb")]) == len(NOTEBOOKS)
    start = pages["index.md"].read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in re.findall(r"^python -m pip install .*$", readme, re.M):
        assert command in start
    for name, path in pages.items():
        if path.suffix in (".md", ".ipynb"):
            for target in re.findall(r"\]\(([^)#\s]+)[^)\s]*\)", path.read_text(encoding="utf-8")):
                if not re.match(r"[a-z]+:", target) and re.search(r"\.(md|ipynb|jpg)$", target):
                    assert (path.parent / target).is_file(), (name, target)


@pytest.mark.parametrize("address", ["unknown", "https://github.com/me/fork"])
def test_links(site, address):
    relinked = site.sources.relinked
    known = address != "unknown"
    code = "[`tensor`](minidl/autograd/tensor.py) and `a[i](j)`"
    link = f"[`tensor`]({address}/blob/main/minidl/autograd/tensor.py)" if known else "`tensor`"
    assert relinked(code, "README.md", "library.md", address) == f"{link} and `a[i](j)`"
    assert relinked("![a](pictures/00.jpg)", "lessons/README.md", "lessons/index.md", address).endswith(
        "(../lessons/pictures/00.jpg)"
    )
    assert (
        relinked("[b](../README.md#x)", "lessons/05_upsampling_and_checkerboards.ipynb", "lessons/05.ipynb", address)
        == "[b](../library.md#x)"
    )
    line = site.sources._edit(NOTEBOOKS[0], address)
    assert ("colab.research.google.com/github/me/fork/blob/main/lessons/00" in line) == known
    assert ("/edit/main/lessons/00" in line) == known


def test_refusals(site, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    assert site.main([str(tmp_path / "mine")]) == 1
    assert "is no site of minidl" in capsys.readouterr().err
    assert (tmp_path / "mine/thesis.txt").exists()
    assert site.main([str(tmp_path / "out"), "--pyodide", str(tmp_path)]) == 1
    assert "lacks pyodide.js" in capsys.readouterr().err
    for name in ("pyodide.js", "python_stdlib.zip"):
        (tmp_path / name).touch()
    (tmp_path / "pyodide-lock.json").write_text('{"packages": {"numpy": {"file_name": "numpy-2.whl"}}}')
    assert site.main([str(tmp_path / "out"), "--pyodide", str(tmp_path)]) == 1
    assert "lacks numpy-2.whl" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
