"""What Sphinx reads: the README's parts, the lessons, the glossary, results, reference, figures and the page to try it."""

import json
import re
import shutil
from pathlib import Path

import figures
import notebooks
import reference

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LESSONS = ROOT / "lessons"
UNKNOWN = "unknown"
OWN = ("try.md", "glossary.md", "library.md", "figures.md")  # pages that no file of the repository is
PAGES = {  # file of the repository: page of the site
    "README.md": "library.md",
    "lessons/README.md": "lessons/index.md",
    ".github/CONTRIBUTING.md": "contributing.md",
    "minidl/bench/RESULTS.md": "results.md",
    "minidl/models/README.md": "models.md",
    "lessons/exercises/README.md": "exercises.md",
}
# a block of code, a link or picture (whose words may hold code or a picture), or code in a line: whichever begins first
TOKEN = re.compile(
    r"```[\s\S]*?```|(?P<picture>!?)\[(?P<words>(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\((?P<target>[^)\s]+)\)|`[^`\n]*`"
)


def write(target, pyodide):
    """Write all sources to the new folder `target`; `pyodide`: whether the site holds Pyodide itself."""
    address = (LESSONS / "repository.txt").read_text(encoding="utf-8").strip()
    (target / "lessons").mkdir(parents=True)
    (target / "api").mkdir()
    shutil.copy(HERE / "conf.py", target)
    shutil.copytree(LESSONS / "pictures", target / "lessons/pictures", ignore=shutil.ignore_patterns("*.py", "__*"))
    for path, page in PAGES.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        (target / page).write_text(_page(text, path, page, address), encoding="utf-8")
    for path in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")):
        made = notebooks.page(
            json.loads(path.read_text(encoding="utf-8")), _edit(path, address), figures.of(path.name[:2])
        )
        for cell in made["cells"]:
            if cell["cell_type"] == "markdown":
                where = f"lessons/{path.name}"
                cell["source"] = relinked("".join(cell["source"]), where, where, address)
        (target / "lessons" / path.name).write_text(json.dumps(made), encoding="utf-8")
    for name, text in reference.pages().items():
        (target / "api" / f"{name}.md").write_text(text, encoding="utf-8")
    (target / "figures.md").write_text(figures.page(), encoding="utf-8")
    template = (HERE / "pages/try.md").read_text(encoding="utf-8")
    (target / "try.md").write_text(template.replace("PYODIDE", "here" if pyodide else "web"), encoding="utf-8")
    (target / "glossary.md").write_text(_glossary(), encoding="utf-8")
    (target / "index.md").write_text(_start(address), encoding="utf-8")


def _page(text, path, page, address):
    """A file of the repository as a page; what is a page of its own is left out."""
    if path == "README.md":
        text = "# The library\n\n" + text[text.index("## A first look") :]
    if path == ".github/CONTRIBUTING.md":
        text = text[: text.index("## Glossary")] + "## Glossary\n\nIt has [a page of its own](../glossary.md).\n"
    if path == "lessons/README.md":
        names = "\n".join(p.stem for p in sorted(LESSONS.glob("[0-9][0-9]_*.ipynb")))
        text += f"\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    return relinked(text, path, page, address)


def relinked(text, path, page, address):
    """Markdown of the file `path` with links that hold on `page`: to pages, else to the repository, else none."""

    def link(match):
        return _link(match, path, page, address) if match["target"] else match[0]

    return TOKEN.sub(link, text)


def _link(match, path, page, address):
    picture, words, target = match["picture"], match["words"], match["target"]
    if "![" in words:
        words = relinked(words, path, page, address)
    name, _, anchor = target.partition("#")
    if re.match(r"[a-z]+:", target) or not name:
        return f"{picture}[{words}]({target})"
    file = (ROOT / path).parent.joinpath(name).resolve().relative_to(ROOT).as_posix()
    inside = (
        file
        if file in OWN
        else PAGES.get(file) or (file if re.fullmatch(r"lessons/([0-9]{2}_\w+\.ipynb|pictures/.*)", file) else None)
    )
    if inside:
        up = "../" * page.count("/")
        return f"{picture}[{words}]({up}{inside}{'#' + anchor if anchor else ''})"
    return words if address == UNKNOWN else f"{picture}[{words}]({address}/blob/main/{file})"


def _edit(path, address):
    """The line under a lesson's title: where it opens, where it is edited."""
    links = ["[Try the exercises in the browser](../try.md)"]
    if address != UNKNOWN:
        colab = address.replace("github.com", "colab.research.google.com/github")
        links = [
            f"[Open in Colab]({colab}/blob/main/lessons/{path.name})",
            f"[Edit]({address}/edit/main/lessons/{path.name})",
            *links,
        ]
    return " · ".join(links)


def _glossary():
    text = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    return "# " + text[text.index("## Glossary") + 3 :]


def _start(address):
    """The start page: the README's opening with its pictures and its two commands, then what there is to read."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    opening = readme[: readme.index("## A first look")].replace("](#what-to-read)", "](library.md#what-to-read)")
    more = (HERE / "pages/start.md").read_text(encoding="utf-8")
    return relinked(opening, "README.md", "index.md", address) + "\n" + more
