"""The lessons as files: executed, small, of one form, on the map with a picture. That they run is nbmake's to say."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from minidl import cli
from minidl.exercises import EXERCISES

LESSONS = Path(__file__).parents[2] / "lessons"
NOTEBOOKS = sorted(LESSONS.glob("*.ipynb"))


def cells(path, kind):
    """[(source, outputs)] of the cells of one kind, in order."""
    found = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == kind]
    return [("".join(c["source"]), c.get("outputs", [])) for c in found]


def first_cells(path):
    return [source for source, _ in cells(path, "markdown")[1:2] + cells(path, "code")[:1]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path):
    assert path.stat().st_size < 1.8e6
    text, code = cells(path, "markdown"), cells(path, "code")
    assert text[0][0].startswith(f"# {path.name[:2]} · ")
    assert first_cells(path) == first_cells(NOTEBOOKS[0])  # one way to install
    assert "minidl.__version__" in code[1][0] and re.search(r"minidl .*, .*about .*(second|minute)", str(code[1][1]))
    assert sum("**Predict" in source for source, _ in text) >= 3
    ending = text[-1][0]
    assert "## Three things to change, and to predict first" in ending
    assert re.findall(r"^(\d)\.", ending, re.M)[-3:] == ["1", "2", "3"]
    outs = [o for _, outputs in code for o in outputs]
    assert not [o for o in outs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert [o for o in outs if "image/png" in o.get("data", {})], "no figure"


def test_badge_and_installing_cell_are_written_from_one_address(tmp_path):
    for name in ("first_cells.py", "repository.txt", *[path.name for path in NOTEBOOKS]):
        shutil.copy(LESSONS / name, tmp_path)
    command = [sys.executable, str(tmp_path / "first_cells.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == []  # nothing to change
    for address in ("https://github.com/me/fork", "https://github.com/me/other", "unknown"):
        (tmp_path / "repository.txt").write_text(f"{address}\n", encoding="utf-8")
        subprocess.run(command, capture_output=True, check=True)
        title, install = (cells(tmp_path / NOTEBOOKS[0].name, kind)[0][0] for kind in ("markdown", "code"))
        if address == "unknown":  # no link that leads nowhere, and a word of what to do
            assert title.count("No Colab badge") == 1 and "colab.research" not in title
            assert "git clone" not in install and "clone its repository" in install
        else:
            link = address.replace("github.com", "colab.research.google.com/github")
            assert f"({link}/blob/main/lessons/{NOTEBOOKS[0].name})" in title and "No Colab badge" not in title
            assert title.count("Open in Colab") == 1 and f"{address} minidl" in install


def pages(text):
    """Characters of the longest printed line: beyond 120 it is cut off on a page."""
    return max(map(len, text.splitlines()), default=0)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_reader_is_owed(path):
    """Alternative text on every figure, lines that fit, folded answers, the same duration here and on the map."""
    outs = [o for _, outputs in cells(path, "code") for o in outputs]
    for o in outs:
        for kind in (k for k in o.get("data", {}) if k.startswith("image/")):
            assert len(o["metadata"][kind]["alt"]) > 20
    printed = ["".join(o["text"]) for o in outs if o["output_type"] == "stream"]
    assert max(map(pages, printed)) <= 120
    ending = cells(path, "markdown")[-1][0]
    answers = ending.split("<details><summary>Answers</summary>\n\n")[1].split("\n\n</details>")[0]
    assert re.findall(r"^(\d)\. \S", answers, re.M) == ["1", "2", "3"]
    said = re.search(r"about (.*)", next(text for text in printed if text.startswith("minidl ")))[1]
    row = next(r for r in (LESSONS / "README.md").read_text(encoding="utf-8").splitlines() if f"({path.name})" in r)
    assert row.rsplit("|", 2)[1].strip() == f"about {said}"


def test_every_lesson_is_on_the_map_with_its_picture():
    text = (LESSONS / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| !\[[^]]*\]\((pictures/\d\d\.jpg)\) \| \[[^]]*\]\(([^)]*\.ipynb)\)", text, re.M))
    assert sorted(rows.values()) == [path.name for path in NOTEBOOKS]
    for picture, notebook in rows.items():
        assert picture[9:11] == notebook[:2] and (LESSONS / picture).is_file()


def test_every_exercise_is_set_once_in_the_course():
    course = (LESSONS / "README.md").read_text(encoding="utf-8").split("## A course of twelve sessions")[1]
    rows = re.findall(r"^\| (\d+) \|.*$", course, re.M)
    assert rows == [str(n) for n in range(1, 13)]
    assert sorted(re.findall(r"`(\w+)`", course)) == sorted(EXERCISES)


def test_pictures_are_made_from_the_notebooks(tmp_path):
    spec = importlib.util.spec_from_file_location("make_pictures", LESSONS / "pictures" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    written = make.main(["--out", str(tmp_path)])
    assert [p.stem for p in written] == [path.name[:2] for path in NOTEBOOKS] + ["library"]
    for path in written:
        with make.Image.open(path) as picture:
            assert (picture.size == make.BOX) == (path.stem != "library")
            with make.Image.open(LESSONS / "pictures" / path.name) as committed:
                assert committed.size == picture.size  # made from these notebooks


def test_lessons_are_chosen_by_name_and_jupyter_gets_its_options(monkeypatch, capsys):
    assert cli.main(["lessons", "--run", "no_such_lesson"]) == 1
    assert "no_such_lesson" in capsys.readouterr().err
    assert cli.main(["lessons", "--run", "05", "--", "--no-browser"]) == 1
    assert "--no-browser" in capsys.readouterr().err
    called = []
    monkeypatch.setattr("subprocess.call", lambda command: called.append(command) or 0)
    monkeypatch.setattr("minidl.commands.lessons.find_spec", lambda name: name == "jupyterlab")
    assert cli.main(["lessons", "--", "--no-browser", "--port=9999"]) == 0
    assert called[0][-4:] == ["lab", str(LESSONS), "--no-browser", "--port=9999"]


def test_the_first_cell_sees_through_a_folder_named_minidl(tmp_path):
    (tmp_path / "minidl").mkdir()  # as on Colab, where the clone's parent is on Python's path
    cell = first_cells(NOTEBOOKS[0])[1].replace('%pip install -q "..[lessons]"', 'print("installs")')
    cell = re.sub(r"^( *)[!%].*$", r"\1print('clones')", cell, flags=re.M)

    def said(*path):
        text = f"import sys\nsys.path[:0] = {list(map(str, path))}\n{cell}"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", text], capture_output=True, text=True, check=True, cwd=LESSONS
        ).stdout

    assert said(tmp_path) == said() == "installs\n"
    assert said(tmp_path, LESSONS.parent) == ""
